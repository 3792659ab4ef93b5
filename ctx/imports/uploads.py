"""Uploaded files until they are taken in: each upload in a private folder under CTX_HOME, gone when nobody
looked at them for two hours.

What people called their files is kept as a text beside them, never used as a path. What was found out about an upload
(`ctx.imports.findings`) lies in the same folder and goes with it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from ctx.errors import BadInput
from ctx.home import home
from ctx.hub import NAME, PREFIX
from ctx.imports.names import quoted
from ctx.imports.stored import unwritten

LIMIT = 100  # megabytes of a file; what .streamlit/config.toml says too
MOST_BYTES = 1 << 32  # of all uploads together
MOST_FILES = 2
KEPT_SECONDS = 7_200
TOKEN = re.compile(r"[0-9a-f]{32}")
NAMES = "names.json"


def root() -> Path:
    """The folder of all uploads."""
    return home() / "uploads"


def place(token: str) -> Path:
    """The folder of one upload; raises BadInput for what is no token or no longer there."""
    if not TOKEN.fullmatch(token) or not (root() / token / NAMES).is_file():
        raise BadInput("The uploaded file is no longer here: files are kept for two hours, then choose it again.")
    return root() / token


def add(files: Sequence[tuple[str, IO[bytes]]]) -> str:
    """Copy files to a folder of their own, and give the token that names it. Raises Unavailable, BadInput."""
    if len(files) > MOST_FILES:
        raise BadInput(f"{len(files)} files were given: choose one file, or two parallel text files.")
    sweep()
    coming = sum(content.seek(0, os.SEEK_END) for _, content in files)
    for _, content in files:
        content.seek(0)
    if coming + sum(_size(folder) for folder in root().glob("*")) > MOST_BYTES:
        raise BadInput(f"Uploads take more than {MOST_BYTES / 1e9:.0f} GB on this server: try again in a few hours.")
    return _made([name for name, _ in files], [content for _, content in files])


def add_hub(name: str) -> str:
    """The same for a data set of the hub, ``owner/name``: nothing is copied. Raises BadInput, Unavailable."""
    sweep()
    name = name.strip().removeprefix(PREFIX)
    if not NAME.fullmatch(name) or ".." in name:
        raise BadInput(f"{quoted(name)} names no data set of the hub: it looks like owner/name.")
    return _made([PREFIX + name], [])


def _made(names: list[str], contents: Sequence[IO[bytes]]) -> str:
    token = secrets.token_hex(16)
    folder = root() / token
    try:
        folder.mkdir(parents=True, mode=0o700)
        for number, content in enumerate(contents):
            with (folder / f"file{number}").open("wb") as out:
                shutil.copyfileobj(content, out, 1 << 20)
        (folder / NAMES).write_text(json.dumps(names), encoding="utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise unwritten(error, root()) from error
    return token


def files(token: str) -> tuple[list[str | Path], list[str]]:
    """Where an upload's files lie, and what they were called: as `ctx.imports.take.look` takes them."""
    folder = place(token)
    names = [str(name) for name in json.loads((folder / NAMES).read_bytes())]
    if names and names[0].startswith(PREFIX) and not (folder / "file0").exists():
        return [names[0]], []
    return [folder / f"file{number}" for number in range(len(names))], names


def touch(token: str) -> None:
    """Keep an upload, since somebody looks at it. Raises BadInput where it is gone."""
    with suppress(OSError):
        os.utime(place(token))


def drop(token: str) -> None:
    """Remove an upload, if it is there."""
    with suppress(BadInput):
        shutil.rmtree(place(token), ignore_errors=True)


def sweep(seconds: float = KEPT_SECONDS) -> None:
    """Remove uploads that nobody looked at for so long."""
    for folder in root().glob("*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > seconds:
                shutil.rmtree(folder, ignore_errors=True)


def _size(folder: Path) -> int:
    found = 0
    for path in folder.glob("*"):
        with suppress(OSError):
            found += path.stat().st_size
    return found
