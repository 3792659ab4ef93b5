"""CoNLL: a word a line, its tag in the last column, a blank line after each sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from ctx.imports import limits
from ctx.imports.lines import Line, encoding, lines
from ctx.imports.names import quoted
from ctx.imports.sources import Source
from ctx.imports.tables import Reading, Row, Table

TAG = re.compile(r"O|[BIESLU]-\S+")
COLUMNS = ("words", "tags", "document")
NEW_DOCUMENT = "-DOCSTART-"


def looks_like(texts: list[str]) -> bool:
    """Whether lines are words with tags: at least two columns, the last a tag, in nine of ten lines."""
    filled = [columns(text) for text in texts if text.strip() and not text.startswith(("# ", NEW_DOCUMENT))]
    tagged = [found for found in filled if len(found) > 1 and TAG.fullmatch(found[-1])]
    return len(filled) > 1 and len(tagged) >= 0.9 * len(filled)


def columns(text: str) -> list[str]:
    """A line's columns: parted by tabs where it has one, by spaces otherwise."""
    text = text.strip("\r\n \t")
    return text.split("\t") if "\t" in text else [one for one in text.split(" ") if one]


def table(source: Source, reading: Reading) -> Table:
    """A row a sentence: its words, its tags, the number of its document. Raises BadInput."""
    found = encoding(source, reading.encoding)
    notes = (found.note, "A row is a sentence, its number that of its first line.")
    return Table(source.name, "CoNLL", COLUMNS, lambda: _sentences(lines(source, found)), notes, "ner")


def head(source: Source, reading: Reading, most: int = 200) -> list[str]:
    """The first lines of a text file, to see what it is."""
    return [line.text for line in islice(lines(source, encoding(source, reading.encoding)), most)]


def _sentences(given: Iterator[Line]) -> Iterator[Row]:
    words: list[str] = []
    tags: list[str] = []
    document = number = 0
    refused = repaired = ""

    def sentence() -> Row:
        cells = () if refused else (tuple(words), tuple(tags), str(document))
        return Row(number, cells, refused, repaired)

    for line in given:
        parts = columns(line.text)
        if line.refused or (parts and parts[0] != NEW_DOCUMENT and not _remark(parts)):
            number = number or line.number
            repaired = repaired or line.repaired
            refused = refused or _fault(line, parts, len(words))
            if not refused:
                words.append(parts[0])
                tags.append(parts[-1])
        elif number and not parts:
            yield sentence()
            words, tags, number, refused, repaired = [], [], 0, "", ""
        document += parts[:1] == [NEW_DOCUMENT]
    if number:
        yield sentence()


def _remark(parts: list[str]) -> bool:
    return parts[0].startswith("#") and not (len(parts) > 1 and TAG.fullmatch(parts[-1]))


def _fault(line: Line, parts: list[str], words: int) -> str:
    if line.refused:
        return f"line {line.number}: {line.refused}"
    if len(parts) < 2:
        return f"line {line.number} has no tag: {quoted(line.text)}"
    return f"it has more than {limits.MOST_WORDS:,} words" if words >= limits.MOST_WORDS else ""
