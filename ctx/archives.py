"""Reading a zip, wheel or tar archive without unpacking it, and without trusting the names inside it."""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import IO

from ctx.errors import Unavailable


def members(archive: Path | bytes, wanted: Iterable[str]) -> dict[str, bytes]:
    """The files of a zip, wheel or tar archive whose names match a pattern (``*/x.txt``), by name.

    ``archive`` is a path, or the bytes of an archive that lay in another. Raises Unavailable where a pattern
    matches nothing or the archive can't be read.
    """
    patterns = list(wanted)
    with reader(archive) as files:
        found = {n: files[n]().read() for n in files if any(fnmatchcase(n, p) for p in patterns)}
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in found):
            raise Unavailable(f"{_called(archive)} holds no “{pattern}”: it is another version than the one expected.")
    return found


@contextmanager
def reader(archive: Path | bytes) -> Iterator[dict[str, Callable[[], IO[bytes]]]]:
    """The archive's regular files: name to a function that opens it."""
    raw: IO[bytes] = io.BytesIO(archive) if isinstance(archive, bytes) else archive.open("rb")
    try:
        with raw:
            if zipfile.is_zipfile(raw):
                with zipfile.ZipFile(raw) as zipped:
                    yield {i.filename: partial(zipped.open, i) for i in zipped.infolist() if not i.is_dir()}
            else:
                raw.seek(0)
                with tarfile.open(fileobj=raw, mode="r:*") as tar:
                    yield {m.name: partial(_from_tar, tar, m) for m in tar.getmembers() if m.isfile()}
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise Unavailable(
            f"{_called(archive)} can't be read as an archive ({error}): delete it, then fetch again."
        ) from None


def _from_tar(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    opened = tar.extractfile(member)
    assert opened is not None  # only regular files are listed
    return opened


def _called(archive: Path | bytes) -> str:
    return "An inner archive" if isinstance(archive, bytes) else str(archive)
