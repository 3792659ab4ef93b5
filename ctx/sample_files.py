"""The files of ``sample_data/``: read, checked, and named by their content."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from ctx import home
from ctx.errors import Unavailable


def path(file: str) -> Path:
    """Where the file lies."""
    return home.project() / "sample_data" / file


def rows(file: str, columns: Sequence[str]) -> list[list[str]]:
    """The rows of a CSV file with these columns, none empty; raises Unavailable where it is missing or damaged."""
    try:
        lines = _content(file).decode("utf-8").splitlines()
        header, *found = csv.reader(lines, strict=True)
    except (ValueError, csv.Error):
        raise damaged(file, "it is not a CSV file in UTF-8") from None
    if header != list(columns):
        raise damaged(file, f"its columns should be {', '.join(columns)}")
    for number, row in enumerate(found, 2):
        if len(row) != len(columns) or not all(row):
            raise damaged(file, f"line {number} has not the columns {', '.join(columns)}")
    return found


def digest(file: str) -> str:
    """SHA-256 of the file; raises Unavailable where it is missing."""
    return hashlib.sha256(_content(file)).hexdigest()


def damaged(file: str, why: str) -> Unavailable:
    """The error for a file that doesn't say what it should."""
    return Unavailable(
        f"The sample file {path(file)} is damaged ({why}): restore it from the project, or install ctx again."
    )


def _content(file: str) -> bytes:
    place = path(file)
    try:
        stat = place.stat()
        return _read(place, stat.st_mtime_ns, stat.st_size)
    except OSError:
        raise Unavailable(
            f"The sample file {place} can't be read: restore it from the project, or install ctx again."
        ) from None


@lru_cache(maxsize=8)
def _read(place: Path, changed: int, size: int) -> bytes:
    """The file, read again when it was changed."""
    return place.read_bytes()
