"""Is everything there: installed, fetched, writable, reachable, and how fast. Each line ok, or what to do."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from ctx.commands.output import Json, emit
from ctx.errors import CtxError
from ctx.home import project

NEEDED = ("streamlit", "torch", "transformers", "tokenizers", "safetensors", "sqlalchemy", "pydantic")
UPDATES = 300


@dataclass(frozen=True)
class Check:
    """One thing looked at. ``found`` says what there is; where it isn't ok, also what to do."""

    name: str
    ok: bool
    found: str


def doctor(json: Json = False) -> int:
    """Look whether everything is there: versions, data, folders, the store, and how fast this machine is."""
    looks: tuple[Callable[[], Iterator[Check]], ...] = (_python, _libraries, _fetched, _folders, _store, _speed)
    found = [check for look in looks for check in _safely(look)]
    lines = [f"{'ok     ' if check.ok else 'problem'}  {check.name}: {check.found}" for check in found]
    healthy = all(check.ok for check in found)
    emit({"ok": healthy, "checks": [asdict(check) for check in found]}, lines, json)
    return 0 if healthy else 1


def _safely(look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from look()
    except CtxError as error:
        yield Check(look.__name__.strip("_"), False, str(error))
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"
        yield Check(look.__name__.strip("_"), False, f"{said}. Install ctx-transfer again.")


def _python() -> Iterator[Check]:
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    found = f"{platform.python_version()} on {platform.system()}, {os.cpu_count()} cores"
    yield Check("python", fits, found if fits else f"{found}: install ctx under Python 3.11 to 3.13.")


def _libraries() -> Iterator[Check]:
    for name in ("ctx-transfer", *NEEDED):
        try:
            yield Check(name, True, metadata.version(name))
        except metadata.PackageNotFoundError:
            if name == "ctx-transfer":
                yield Check(name, True, f"not installed, runs from {project()}.")
                continue
            yield Check(name, False, "not installed: run `pip install .` in the project again.")


def _fetched() -> Iterator[Check]:
    from ctx import assets
    from ctx.registry import registry

    parts = [cls for kind in ("contexts", "backbones") for cls in registry(kind).values()]
    for asset in {asset.sha256: asset for cls in parts for asset in cls.assets}.values():
        size = f"{asset.megabytes:g} MB, {asset.licence}"
        place = assets.path(asset)
        if not place.is_file():
            yield Check(asset.filename, True, f"not here yet ({size}): `ctx fetch` gets it, or the first run.")
        elif _hash(place) == asset.sha256:
            yield Check(asset.filename, True, f"fetched ({size}), its SHA-256 is right.")
        else:
            yield Check(asset.filename, False, f"damaged ({place}): `ctx fetch all` fetches it again.")


def _hash(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _folders() -> Iterator[Check]:
    from ctx.home import home

    for folder in (home(), home() / "assets", home() / "runs"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"ctx")
            yield Check("folder", True, f"{folder} can be written.")
        except OSError as error:
            reason = error.strerror or str(error)
            yield Check(
                "folder", False, f"{folder} can't be written ({reason}): change its permissions or set CTX_HOME."
            )


def _store() -> Iterator[Check]:
    from ctx.schema import REVISION
    from ctx.store import open_store

    store = open_store()
    yield Check("store", True, f"{store.place}, version {REVISION}, {store.count()} runs.")


def _speed() -> Iterator[Check]:
    from ctx.store import open_store
    from ctx.worker import learn_speed

    said = ", ".join(
        f"{speed / 1e9:.0f} GFLOP/s with {'one thread' if threads == 1 else f'{threads} threads'}"
        for threads, speed in learn_speed(open_store()).items()
    )
    yield Check("layers", True, f"{said}." if said else "others are at work here, so it can't be said now.")
    with tempfile.TemporaryDirectory() as place:
        yield _training(Path(place))


def _training(place: Path) -> Check:
    """A short run of the lesson, trained like any other, in a store of its own."""
    from ctx.checkpoint import folder
    from ctx.config import RunConfig
    from ctx.store import open_store
    from ctx.worker import run_here

    settings = {
        "target": {"id": "lesson/base"},
        "backbone": {"name": "mlp"},
        "schedule": {"name": "target-only"},
        "tuning": {"name": "full"},
        "optim": {"epochs": 1, "min_updates": UPDATES},
    }
    store = open_store(f"sqlite:///{place / 'doctor.sqlite'}")
    begun = time.perf_counter()
    run = run_here(store, store.add_run(RunConfig.model_validate(settings)))
    seconds = time.perf_counter() - begun
    store.close()
    shutil.rmtree(folder(run.id), ignore_errors=True)
    if run.state != "done":
        return Check("training", False, run.error or f"the run ended as {run.state}.")
    return Check("training", True, f"{UPDATES} updates of the lesson in {seconds:.1f} s, torch's start included.")
