"""Sample sentiment in two languages, written for this project: serves when nothing can be fetched, and in tests.

Each file of ``sample_data/`` has the columns ``id,text,label,frame``. Sentences of one frame share a construction, so
the frame is the example's group: a model tested on other frames has to generalise.
"""

from __future__ import annotations

import csv
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from ctx.parts import Context, Example

COLUMNS = ["id", "text", "label", "frame"]


class SampleContext(Context):
    """Sentences of one file in ``sample_data/``."""

    application = "sentiment"
    labels = ("negative", "positive")
    licence = "MIT (this project)"
    citation = "Sentences written for this project."
    sample = True
    file: ClassVar[str]

    def path(self) -> Path:
        """Where the file lies."""
        from ctx.home import project

        return project() / "sample_data" / self.file

    def examples(self) -> list[Example]:
        """All sentences in the file's order; raises Unavailable where the file is missing or damaged."""
        from ctx.errors import Unavailable

        try:
            lines = self._content().decode("utf-8").splitlines()
            header, *rows = csv.reader(lines, strict=True)
        except (ValueError, csv.Error):
            raise Unavailable(self._damaged("it is not a CSV file in UTF-8")) from None
        if header != COLUMNS:
            raise Unavailable(self._damaged(f"its columns should be {', '.join(COLUMNS)}"))
        for number, row in enumerate(rows, 2):
            if len(row) != len(COLUMNS) or not all(row) or row[2] not in self.labels:
                raise Unavailable(self._damaged(f"line {number} is not an id, a text, a label and a frame"))
        return [Example(id, text, label, frame) for id, text, label, frame in rows]

    def digest(self) -> str:
        """SHA-256 of the file; raises Unavailable where it is missing."""
        return hashlib.sha256(self._content()).hexdigest()

    def _content(self) -> bytes:
        from ctx.errors import Unavailable

        try:
            place = self.path()
            stat = place.stat()
            return _read(place, stat.st_mtime_ns, stat.st_size)
        except OSError:
            raise Unavailable(
                f"The sample file {self.path()} can't be read: restore it from the project, or install ctx again."
            ) from None

    def _damaged(self, why: str) -> str:
        return f"The sample file {self.path()} is damaged ({why}): restore it from the project, or install ctx again."


@lru_cache(maxsize=8)
def _read(place: Path, changed: int, size: int) -> bytes:
    """The file, read again when it was changed."""
    return place.read_bytes()


class CafesEnglish(SampleContext):
    """Visitors' remarks on cafés and restaurants, in English."""

    name = "sentiment/sample-cafes-en"
    title = "Cafés in English (sample)"
    language = "en"
    domain = "cafés and restaurants"
    culture = "English-speaking"
    file = "cafes-en.csv"
    origin = "sample_data/cafes-en.csv"


class GadgetsEnglish(SampleContext):
    """Buyers' remarks on electronic gadgets, in English: terse, with numbers and jargon."""

    name = "sentiment/sample-gadgets-en"
    title = "Gadgets in English (sample)"
    language = "en"
    domain = "electronic gadgets"
    culture = "English-speaking"
    file = "gadgets-en.csv"
    origin = "sample_data/gadgets-en.csv"


class CafesChinese(SampleContext):
    """Visitors' remarks on cafés and restaurants, in Chinese."""

    name = "sentiment/sample-cafes-zh"
    title = "Cafés in Chinese (sample)"
    language = "zh"
    domain = "cafés and restaurants"
    culture = "Chinese"
    file = "cafes-zh.csv"
    origin = "sample_data/cafes-zh.csv"
