"""Sample sentences with names in two languages, written for this project: for where nothing can be fetched, and tests.

Each file of ``sample_data/`` has the columns ``id,text,frame``; the text marks its entities (``[PER Ada Lovelace]``).
Sentences of one frame share a construction, so the frame is the example's group. All people, firms and incidents are
made up; towns and countries are real.
"""

from __future__ import annotations

from typing import ClassVar

from ctx.parts import Context, Example

COLUMNS = ["id", "text", "frame"]


class SampleNames(Context):
    """Sentences of one file in ``sample_data/``, in words; Chinese in characters."""

    application = "ner"
    labels = ("LOC", "ORG", "PER")
    licence = "MIT (this project)"
    citation = "Sentences written for this project."
    sample = True
    file: ClassVar[str]

    def examples(self) -> list[Example]:
        """All sentences in the file's order; raises Unavailable where the file is missing or damaged."""
        from ctx.sample_files import rows
        from ctx.tagged import joined, marked

        return [joined(id, marked(text, self.language), frame) for id, text, frame in rows(self.file, COLUMNS)]

    def digest(self) -> str:
        """SHA-256 of the file; raises Unavailable where it is missing."""
        from ctx.sample_files import digest

        return digest(self.file)


class OfficeEnglish(SampleNames):
    """Office mail, minutes and notices in English."""

    name = "ner/sample-office-en"
    title = "Office notes in English (sample)"
    language = "en"
    domain = "office notes"
    culture = "English-speaking"
    file = "office-en.csv"
    origin = "sample_data/office-en.csv"


class TravelChinese(SampleNames):
    """Travellers' notes in Chinese."""

    name = "ner/sample-travel-zh"
    title = "Travel notes in Chinese (sample)"
    language = "zh"
    domain = "travel notes"
    culture = "Chinese"
    file = "travel-zh.csv"
    origin = "sample_data/travel-zh.csv"
