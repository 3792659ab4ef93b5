"""CSV and TSV: the delimiter and the header are found out, and a quote that is never closed costs its own row only."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from itertools import islice

from ctx.errors import BadInput
from ctx.imports import limits
from ctx.imports.lines import Encoding, Line, encoding, lines
from ctx.imports.sources import Source
from ctx.imports.tables import Reading, Row, Table, fitted, header, headless, unnamed

DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "vertical bar"}
LOOKED_AT = 200  # rows
AGAIN = 16 * limits.MOST_LINE  # characters that may be read once more because of quotes that are not closed

ALONE = {  # what `csv` says of a row on one line, and what is said here
    "field larger": "one of its cells has more than 131,072 characters",
    "expected after": "a quote closes in the middle of a cell",
    "new-line": "it has a carriage return in the middle",
}


def table(source: Source, reading: Reading) -> Table:
    """The file's columns and rows. Raises BadInput."""
    found = encoding(source, reading.encoding)
    delimiter = _asked(reading.delimiter) or _delimiter(source, found)
    first = list(islice(_Records(lines(source, found), delimiter), LOOKED_AT))
    if not first:
        raise BadInput(f"{source.name} holds nothing but blank lines: choose another file.")
    has_header = reading.header if reading.header is not None else not headless([row.cells for row in first])
    top = first[0]
    if top.refused and has_header:
        raise BadInput(f"The header of {source.name} can't be read: {top.refused}.")
    columns, notes = header(top.cells, source.name) if has_header else (unnamed(_usual(first)), [])
    said = [found.note, f"Columns are parted by {DELIMITERS.get(delimiter, repr(delimiter))}."]
    said += notes if has_header else ["The first row is data: the columns have no names."]
    if len(columns) == 1 and reading.delimiter:
        _check_delimiter(source, found, delimiter, columns[0])

    def read() -> Iterator[Row]:
        rows = iter(_Records(lines(source, found), delimiter))
        if has_header:
            next(rows, None)
        for row in rows:
            if row.refused:
                yield row
                continue
            cells, refused, repaired = fitted(row.cells, len(columns))
            yield Row(row.number, cells, refused, row.repaired or repaired)

    return Table(source.name, "TSV" if delimiter == "\t" else "CSV", columns, read, tuple(said))


def _asked(delimiter: str) -> str:
    named = {name: sign for sign, name in DELIMITERS.items()} | {"\\t": "\t"}
    delimiter = named.get(delimiter, delimiter)
    if delimiter and (len(delimiter) != 1 or delimiter in '\r\n" \0'):
        raise BadInput(f"The delimiter is {delimiter!r}: give one character, or comma, tab, semicolon, vertical bar.")
    return delimiter


def _delimiter(source: Source, found: Encoding) -> str:
    """The delimiter that parts most rows into equally many cells, more than one."""
    preferred = "\t" if source.extension in (".tsv", ".tab") else ","
    best, most = preferred, 0.0
    for sign in DELIMITERS:
        rows = list(islice(_Records(lines(source, found), sign), LOOKED_AT))
        widths = [len(row.cells) for row in rows if not row.refused]
        width = max(set(widths), key=widths.count, default=0)
        score = widths.count(width) / max(1, len(rows)) + (sign == preferred) / 1000
        score -= 0.3 * (not widths or len(rows[0].cells) != width)
        if width > 1 and score > most:
            best, most = sign, score
    return best


def _usual(rows: list[Row]) -> int:
    widths = [len(row.cells) for row in rows if not row.refused] or [1]
    return max(set(widths), key=widths.count)


def _check_delimiter(source: Source, found: Encoding, delimiter: str, column: str) -> None:
    """Say where another delimiter than the one asked for would have been the right one."""
    likely = _delimiter(source, found)
    if likely != delimiter and likely in column:
        raise BadInput(
            f"{source.name} has one column when parted by {DELIMITERS.get(delimiter, repr(delimiter))}: "
            f"its delimiter looks like {DELIMITERS[likely]}."
        )


class _Records:
    """Rows of cells as `csv` reads them, blank lines left out.

    The lines of a row are kept while it is read: where its quotes turn out wrong, its first line alone is refused and
    the others are read again as rows of their own.
    """

    def __init__(self, source: Iterator[Line], delimiter: str) -> None:
        self.source = source
        self.delimiter = delimiter
        self.again: deque[Line] = deque()
        self.record: list[Line] = []
        self.size = 0
        self.spent = 0

    def _feed(self) -> Iterator[str]:
        while True:
            line = self.again.popleft() if self.again else next(self.source, None)
            if line is None:
                return
            self.record.append(line)
            self.size += len(line.text)
            if self.size > limits.MOST_LINE:
                raise csv.Error("unexpected end of data")
            yield line.text + "\n"

    def __iter__(self) -> Iterator[Row]:
        number = 0
        reader = csv.reader(self._feed(), delimiter=self.delimiter, strict=True)
        while True:
            self.record, self.size = [], 0
            refused = ""
            cells: list[str] = []
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                refused = self._fault(str(error))
                reader = csv.reader(self._feed(), delimiter=self.delimiter, strict=True)
            if refused or self.record[0].refused or len(cells) > 1 or "".join(cells).strip():
                number += 1
                yield self._row(number, cells, refused)

    def _row(self, number: int, cells: list[str], refused: str) -> Row:
        if not refused and len(self.record) == 1:
            (line,) = self.record
            return Row(number, cells, line.refused, line.repaired)
        refused = refused or next((line.refused for line in self.record if line.refused), "")
        return Row(number, cells, refused, next((line.repaired for line in self.record if line.repaired), ""))

    def _fault(self, error: str) -> str:
        """Why the row at hand is refused; lines of it that may be rows of their own are put back."""
        first, *rest = self.record
        if not rest and "unexpected end" not in error:
            return next((said for sign, said in ALONE.items() if sign in error), f"it can't be parsed ({error})")
        self.spent += sum(len(line.text) for line in rest)
        if self.spent > AGAIN:
            raise BadInput(
                f"Too many quotes are never closed, such as the one that opens in line {first.number}: "
                "close them, or name the delimiter."
            )
        self.again.extendleft(reversed(rest))
        return f"the quote that opens in line {first.number} is never closed"
