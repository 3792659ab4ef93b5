"""Excel workbooks (.xlsx), one sheet, row by row; formulas as the values they had when saved, never computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from typing import Any

from ctx.errors import BadInput
from ctx.imports import limits
from ctx.imports.names import brief, listed, quoted
from ctx.imports.sources import Source, check_unpacked, zip_members
from ctx.imports.tables import Cell, Reading, Row, Table, cell, fitted, header, headless, unnamed

LOOKED_AT = 200


def table(source: Source, reading: Reading) -> Table:
    """The columns and rows of a sheet: the first, or the one asked for. Raises BadInput."""
    members = zip_members(source.path, source.name)
    packed = max(1, sum(info.compress_size for info in members))
    check_unpacked(source.name, sum(info.file_size for info in members), packed, limits.MOST_SHEETS)
    with _book(source) as book:
        sheets = list(book.sheetnames)
    if reading.sheet and reading.sheet not in sheets:
        raise BadInput(f"{source.name} has no sheet {quoted(reading.sheet)}. There are: {listed(sheets)}.")
    if not sheets:
        raise BadInput(f"{source.name} has no sheet: choose another file.")
    sheet = reading.sheet or sheets[0]
    first = list(islice(_rows(source, sheet), LOOKED_AT))
    if not first:
        raise BadInput(f"The sheet {quoted(sheet)} of {source.name} is empty: choose another sheet or file.")
    has_header = reading.header if reading.header is not None else not headless([row.cells for row in first])
    width = max(len(row.cells) for row in first)
    columns, notes = header(first[0].cells, source.name) if has_header else (unnamed(width), [])
    notes = notes if has_header else ["The first row is data: the columns have no names."]
    if len(sheets) > 1:
        notes.append(f"Only the sheet {quoted(sheet)} is read; there are: {listed(sheets)}.")

    def read() -> Iterator[Row]:
        for row in islice(_rows(source, sheet), 1 if has_header else 0, None):
            filled = [*row.cells, *[""] * (len(columns) - len(row.cells))]
            cells, refused, repaired = fitted(filled, len(columns))
            yield Row(row.number, cells, refused, repaired)

    return Table(source.name, "Excel", columns, read, tuple(notes))


@contextmanager
def _book(source: Source) -> Iterator[Any]:
    """The workbook, its file closed whatever happens; openpyxl leaves that of a broken one open."""
    try:
        import openpyxl
    except ImportError:
        raise BadInput(
            f"{source.name} is an Excel workbook, which needs the package “openpyxl”, not installed here: "
            "save the sheet as CSV, or install it."
        ) from None
    with source.path.open("rb") as file:
        try:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        except Exception as error:  # whatever a broken workbook makes of its reader
            raise _damaged(source, error) from None
        with closing(book):
            yield book


def _rows(source: Source, sheet: str) -> Iterator[Row]:
    """The rows that hold anything, empty cells at their ends left out."""
    with _book(source) as book:
        try:
            found = book[sheet]
            for number, values in enumerate(found.iter_rows(values_only=True), 1):
                if len(values) > 2**14 or number > limits.MOST_ROWS:
                    raise BadInput(f"Row {number} of {source.name} lies beyond what a sheet can hold: save it again.")
                cells: list[Cell] = [cell(value) for value in values]
                while cells and not cells[-1]:
                    cells.pop()
                if cells:
                    yield Row(number, cells)
        except BadInput:
            raise
        except Exception as error:  # as above
            raise _damaged(source, error) from None


def _damaged(source: Source, error: Exception) -> BadInput:
    said = brief(error) or type(error).__name__
    return BadInput(f"{source.name} can't be read as an Excel workbook ({said}): save it again, or as CSV.")
