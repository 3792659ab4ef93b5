"""Sample sentiment in two languages, written for this project: serves when nothing can be fetched, and in tests.

Each file of ``sample_data/`` has the columns ``id,text,label,frame``. Sentences of one frame share a construction, so
the frame is the example's group: a model tested on other frames has to generalise.
"""

from __future__ import annotations

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

    def examples(self) -> list[Example]:
        """All sentences in the file's order; raises Unavailable where the file is missing or damaged."""
        from ctx.sample_files import damaged, rows

        found = rows(self.file, COLUMNS)
        for number, (_, _, label, _) in enumerate(found, 2):
            if label not in self.labels:
                raise damaged(self.file, f"line {number} has the label “{label}”, not {' or '.join(self.labels)}")
        return [Example(id, text, label, frame) for id, text, label, frame in found]

    def digest(self) -> str:
        """SHA-256 of the file; raises Unavailable where it is missing."""
        from ctx.sample_files import digest

        return digest(self.file)


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
