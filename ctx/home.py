"""Where things live on this machine: ``CTX_HOME`` (data, cache, checkpoints) and ``CTX_STORE`` (a database URL)."""

import os
from functools import lru_cache
from pathlib import Path

import platformdirs

SQLITE = "sqlite:///"


def home() -> Path:
    """The folder of fetched archives, checkpoints and, by default, the store."""
    named = os.environ.get("CTX_HOME") or platformdirs.user_data_dir("ctx", appauthor=False)
    return Path(named).expanduser().absolute()


def store_url() -> str:
    """The database URL of the store; by default SQLite under `home`."""
    url = os.environ.get("CTX_STORE") or f"sqlite:///{home() / 'ctx.sqlite'}"
    start, path = url[: len(SQLITE)], url[len(SQLITE) :]
    if start != SQLITE or path in ("", ":memory:"):
        return url
    return SQLITE + str(Path(path).absolute())  # the dispatcher works in another folder


@lru_cache(maxsize=1)
def project() -> Path:
    """The folder that holds ``app.py``, ``pages/`` and ``sample_data/``: the checkout, or their copy in the wheel."""
    package = Path(__file__).resolve().parent
    packaged = package / "_web"
    return packaged if packaged.is_dir() else package.parent
