"""A file as it lies there, or packed with gzip or zip: read in pieces, its unpacked size capped while it streams."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from ctx.errors import BadInput
from ctx.imports import limits
from ctx.imports.names import brief, shown

CHUNK = 1 << 16
DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile, RuntimeError, OSError)
CLUTTER = ("__MACOSX/", ".DS_Store")


@dataclass(frozen=True)
class Source:
    """A file: where it lies, what it is called (a name is never a path), what it is packed with, what lies inside."""

    path: Path
    name: str
    packed: str = ""
    member: str = ""

    @property
    def extension(self) -> str:
        """The ending of the unpacked file's name, in small letters, with the dot: ``.csv``."""
        inner = self.member if self.packed == "zip" else self.name.removesuffix(".gz").removesuffix(".GZ")
        return PurePosixPath(inner).suffix.casefold()

    def chunks(self) -> Iterator[bytes]:
        """The unpacked bytes in pieces; raises BadInput where they are damaged or become too many."""
        size = max(1, self.path.stat().st_size)
        done = 0
        with self._opened() as file:
            while chunk := self._read(file):
                done += len(chunk)
                if self.packed:
                    check_unpacked(self.name, done, size)
                yield chunk

    def head(self, size: int = CHUNK) -> bytes:
        """The first bytes, unpacked."""
        with self._opened() as file:
            return self._read(file, size)

    def facts(self) -> dict[str, Any]:
        """Its name, and the SHA-256 and size of the file as it lies there, packed or not."""
        with self.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"name": self.name, "sha256": digest, "bytes": self.path.stat().st_size}

    def _read(self, file: IO[bytes], size: int = CHUNK) -> bytes:
        try:
            return file.read(size)
        except DAMAGED as error:
            raise self._damaged(error) from None

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        with ExitStack() as stack:
            try:
                if self.packed == "gzip":
                    file = cast(IO[bytes], stack.enter_context(gzip.open(self.path)))
                elif self.packed == "zip":
                    archive = stack.enter_context(zipfile.ZipFile(self.path))
                    file = stack.enter_context(archive.open(self.member))
                else:
                    file = stack.enter_context(self.path.open("rb"))
            except (*DAMAGED, NotImplementedError, KeyError) as error:
                raise self._damaged(error) from None
            yield file

    def _damaged(self, error: Exception) -> BadInput:
        said = brief(error) or type(error).__name__
        return BadInput(f"{self.name} can't be read ({said}): it is damaged or locked; save it again, unpacked.")


def source(path: Path, name: str = "") -> Source:
    """The file at ``path``, called ``name`` where it was uploaded. Raises BadInput."""
    name = shown(name or path.name)
    try:
        if not path.is_file():
            raise BadInput(f"There is no file {brief(path, 200)}: check the name and the folder.")
        with path.open("rb") as file:
            start = file.read(4)
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise BadInput(f"{name} can't be opened ({brief(error)}): check its name and permissions.") from None
    if not size:
        raise BadInput(f"{name} is empty: choose another file.")
    if size > limits.MOST_BYTES:
        raise BadInput(f"{name} has {size / 1e6:.0f} MB, more than {limits.MOST_BYTES / 1e6:.0f}: import a part of it.")
    if start[:2] == b"\x1f\x8b":
        return Source(path, name, "gzip")
    if start == b"PK\x03\x04":
        return _zipped(path, name)
    return Source(path, name)


def _zipped(path: Path, name: str) -> Source:
    infos = zip_members(path, name)
    names = [info.filename for info in infos]
    if "xl/workbook.xml" in names:
        return Source(path, name, "excel")
    inside = [info for info in infos if not info.is_dir() and not any(c in info.filename for c in CLUTTER)]
    if len(inside) != 1:
        raise BadInput(f"{name} holds {len(inside)} files, and one is wanted: unpack it and import them one by one.")
    check_unpacked(name, inside[0].file_size, max(1, inside[0].compress_size))
    if inside[0].flag_bits & 1:
        raise BadInput(f"{name} is locked with a password: unpack it first.")
    return Source(path, name, "zip", inside[0].filename)


def zip_members(path: Path, name: str) -> list[zipfile.ZipInfo]:
    """What a zip file's directory lists; raises BadInput where it has none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.infolist()
    except (*DAMAGED, NotImplementedError, ValueError) as error:
        raise BadInput(
            f"{name} looks like a zip file and can't be read as one ({brief(error)}): save it again."
        ) from None


def check_unpacked(name: str, unpacked: int, packed: int, most: int = 0) -> None:
    """Raise BadInput where so many bytes come out of so few, or too many altogether."""
    most = most or limits.MOST_BYTES
    if unpacked > most:
        raise BadInput(f"{name} unpacks to more than {most / 1e6:.0f} MB: import a part of it.")
    if unpacked > limits.RATIO_FROM and unpacked > limits.MOST_RATIO * packed:
        raise BadInput(
            f"{name} unpacks to more than {limits.MOST_RATIO} times its size, as no real text does: "
            "import the unpacked file, or a part of it."
        )
