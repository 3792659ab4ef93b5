"""Two text files, line by line: a sentence and its translation, or a text and its summary."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import PurePosixPath

from ctx.errors import BadInput
from ctx.imports.lines import Line, encoding, lines
from ctx.imports.sources import Source
from ctx.imports.tables import Reading, Row, Table, header

NONE = Line(0, "")


def table(first: Source, second: Source, reading: Reading) -> Table:
    """A row a line, its columns named after what tells the files apart (``en``, ``es``). Raises BadInput."""
    pair = (first, second)
    found = [encoding(source, reading.encoding) for source in pair]
    counts = [sum(1 for _ in lines(source, one)) for source, one in zip(pair, found, strict=True)]
    if counts[0] != counts[1]:
        raise BadInput(
            f"{first.name} has {counts[0]:,} lines and {second.name} {counts[1]:,}: "
            "line n of one must be the translation or summary of line n of the other."
        )
    columns, _ = header([_called(source) for source in pair], first.name)
    notes = [f"{source.name}: {one.note}" for source, one in zip(pair, found, strict=True)]

    def read() -> Iterator[Row]:
        both = zip_longest(lines(first, found[0]), lines(second, found[1]), fillvalue=NONE)
        for number, (one, other) in enumerate(both, 1):
            cells = (one.text.removesuffix("\r"), other.text.removesuffix("\r"))
            yield Row(number, cells, one.refused or other.refused, one.repaired or other.repaired)

    return Table(f"{first.name} and {second.name}", "two text files", columns, read, tuple(notes))


def _called(source: Source) -> str:
    """``train.en`` is en, ``en.txt`` is en, ``articles.txt`` is articles."""
    path = PurePosixPath(source.name.removesuffix(".gz"))
    ending = path.suffix.removeprefix(".")
    return path.stem if ending in ("", "txt", "text") else ending
