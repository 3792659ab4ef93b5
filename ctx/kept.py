"""What was computed once and is kept in ``CTX_HOME``: JSON documents and arrays, written whole or not at all.

All of it is a cache: what can't be read is computed again, and a full disk only makes things slower.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4
from zipfile import BadZipFile

import numpy as np

from ctx.home import home


def named(*content: Any) -> str:
    """A name for what follows from this content, which is plain data."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def document(folder: str, name: str) -> dict[str, Any] | None:
    """The document kept under this name; None where there is none that can be read."""
    with suppress(OSError, ValueError):
        found = json.loads(_place(folder, name, "json").read_bytes())
        return found if isinstance(found, dict) else None
    return None


def keep_document(folder: str, name: str, found: dict[str, Any]) -> None:
    """Keep a document under this name."""
    _write(_place(folder, name, "json"), json.dumps(found, ensure_ascii=False).encode())


def drop_document(folder: str, name: str) -> None:
    """Remove the document kept under this name, if it is there."""
    with suppress(OSError):
        _place(folder, name, "json").unlink(missing_ok=True)


def array(folder: str, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """The array kept under this name, or the one made now, kept from then on."""
    place = _place(folder, name, "npy")
    with suppress(OSError, ValueError):
        return np.asarray(np.load(place, allow_pickle=False))
    made, content = make(), BytesIO()
    np.save(content, made, allow_pickle=False)
    _write(place, content.getvalue())
    return made


def arrays(folder: str, name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The named arrays kept under this name, or those made now, kept from then on."""
    place = _place(folder, name, "npz")
    with suppress(OSError, ValueError, EOFError, BadZipFile, AttributeError):
        return dict(np.load(BytesIO(place.read_bytes()), allow_pickle=False))
    made, content = make(), BytesIO()
    np.savez(content, allow_pickle=False, **made)
    _write(place, content.getvalue())
    return made


def _place(folder: str, name: str, ending: str) -> Path:
    return home() / folder / f"{name}.{ending}"


def _write(place: Path, content: bytes) -> None:
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f"{place.name}.{uuid4().hex}.part")
        part.write_bytes(content)
        part.replace(place)
