"""What was computed once and is kept in ``CTX_HOME``: JSON documents and arrays, written whole or not at all.

All of it is a cache: what can't be read is computed again, and a full disk only makes things slower. A file's time is
when it was last used.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4
from zipfile import BadZipFile

import numpy as np

from ctx.home import home

FOLDERS = ("cards", "pairs", "distances", "embeddings", "splits", "tokens", "previews", "speeds", "lengths")
BULKY = ("features", "phases")  # bounded by themselves: they would push out the others
BULKY_BYTES, FREE = 2e9, 1e9  # these may take, the least recently used go; what a disk must have left for one more


def named(*content: Any) -> str:
    """A name for what follows from this content, which is plain data."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def document(folder: str, name: str) -> dict[str, Any] | None:
    """The document kept under this name; None where there is none that can be read."""
    with suppress(OSError, ValueError):
        path = place(folder, name, "json")
        found = json.loads(path.read_bytes())
        touch(path)
        return found if isinstance(found, dict) else None
    return None


def keep_document(folder: str, name: str, found: dict[str, Any]) -> None:
    """Keep a document under this name."""
    _write(place(folder, name, "json"), json.dumps(found, ensure_ascii=False).encode())


def drop_document(folder: str, name: str) -> None:
    """Remove the document kept under this name, if it is there."""
    with suppress(OSError):
        place(folder, name, "json").unlink(missing_ok=True)


def array(folder: str, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """The array kept under this name, or the one made now, kept from then on."""
    path = place(folder, name, "npy")
    with suppress(OSError, ValueError):
        found = np.asarray(np.load(path, allow_pickle=False))
        touch(path)
        return found
    made, content = make(), BytesIO()
    np.save(content, made, allow_pickle=False)
    _write(path, content.getvalue())
    return made


def arrays(folder: str, name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The named arrays kept under this name, or those made now, kept from then on."""
    path = place(folder, name, "npz")
    with suppress(OSError, ValueError, EOFError, BadZipFile, AttributeError):
        found = dict(np.load(BytesIO(path.read_bytes()), allow_pickle=False))
        touch(path)
        return found
    made, content = make(), BytesIO()
    np.savez(content, allow_pickle=False, **made)
    _write(path, content.getvalue())
    return made


def trim(most: float, before: float, folders: Sequence[str]) -> int:
    """Remove what was last used before a time (epoch seconds), then the least recently used beyond ``most`` bytes.

    Gives the bytes that it freed; of a file with holes what it takes counts.
    """
    found = []
    for path in (path for folder in folders for path in (home() / folder).glob("*")):
        with suppress(OSError):
            about = path.stat()
            size = min(about.st_size, 512 * getattr(about, "st_blocks", about.st_size))
            found.append((about.st_mtime, size, path))
    left, freed = sum(size for _, size, _ in found), 0
    for used, size, path in sorted(found):
        if used >= before and left - freed <= most:
            break
        with suppress(OSError):
            path.unlink()
            freed += size
    return freed


def make_room() -> None:
    """Make room for something bulky that isn't there yet."""
    trim(BULKY_BYTES, 0.0, BULKY)


def place(folder: str, name: str, ending: str) -> Path:
    """Where something of this name is kept."""
    assert folder in (*FOLDERS, *BULKY), folder  # others would never be trimmed
    return home() / folder / f"{name}.{ending}"


def touch(path: Path) -> None:
    """A file was used just now."""
    with suppress(OSError):  # another person's
        os.utime(path)


def _write(path: Path, content: bytes) -> None:
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{uuid4().hex}.part")
        part.write_bytes(content)
        part.replace(path)
