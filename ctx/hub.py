"""Models of the Hugging Face hub by their name, ``hf:owner/name``: fetched once into a folder, then used as any folder.

Only data is fetched: weights in safetensors, configurations and tokenizers; no pickle and no code. No torch.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from ctx.errors import BadInput, Unavailable
from ctx.filelock import locked
from ctx.home import home

PREFIX = "hf:"
NAME = re.compile(r"(?:hf:)?([A-Za-z0-9][\w.-]*/[\w.-]+)")
WANTED = ("*.safetensors", "*.json", "*.model", "*.spm", "merges.txt")
REFUSED = ("*/*",)


def offline() -> bool:
    """Whether the network is forbidden (CTX_OFFLINE)."""
    return os.environ.get("CTX_OFFLINE", "0") not in ("", "0")


def spelled(path: str) -> str:
    """One spelling of what a person names: a folder that means the same wherever a worker stands, or ``hf:owner/name``.

    ``owner/name`` is the hub's unless there is such a folder.
    """
    named = NAME.fullmatch(path)
    if named and (path.startswith(PREFIX) or not Path(path).exists()):
        return PREFIX + named[1]
    return str(Path(path).expanduser().resolve()) if path else path


def place(path: str, who: str, what: str) -> Path:
    """The folder that a spelled path means, fetched where it is the hub's; raises BadInput, Unavailable.

    ``who`` is the backbone that needs it, ``what`` it should hold.
    """
    if not path:
        raise BadInput(f"The backbone “{who}” needs a path: name a folder that holds {what}, or owner/name on the hub.")
    return fetched(path.removeprefix(PREFIX)) if path.startswith(PREFIX) else Path(path)


def fetched(name: str) -> Path:
    """The folder of a model of the hub, fetched when it isn't here; raises Unavailable, with nothing half-fetched."""
    folder = home() / "models" / name.replace("/", "--")
    if folder.is_dir():
        return folder
    if offline():
        raise Unavailable(
            f"There is no folder {name}, and CTX_OFFLINE forbids fetching a model of that name from the hub: "
            "name a folder that is there, or unset CTX_OFFLINE."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():
            _fetch(name, folder)
    return folder


def _fetch(name: str, folder: Path) -> None:
    from huggingface_hub import snapshot_download

    part = folder.with_name(f"{folder.name}.part")
    try:
        snapshot_download(name, local_dir=part, allow_patterns=list(WANTED), ignore_patterns=list(REFUSED))
    except Exception as error:  # the hub's and the network's many ways to fail
        said = " ".join(str(error).split())
        said = said if len(said) <= 100 else f"{said[:100].rsplit(' ', 1)[0]} …"
        raise Unavailable(
            f"There is no folder {name}, and no model of that name could be fetched from the hub "
            f"({type(error).__name__}: {said}): name a folder that is there, or try later."
        ) from None
    if not any(part.glob("*.safetensors")):
        shutil.rmtree(part, ignore_errors=True)
        raise Unavailable(
            f"{name} has no weights in safetensors on the hub: choose a model that has, or save it as safetensors "
            "in a folder and name that."
        )
    shutil.rmtree(part / ".cache", ignore_errors=True)
    part.rename(folder)
