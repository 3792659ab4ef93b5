"""What every reader gives: columns, and rows of cells that can be read again from the start."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ctx.errors import BadInput
from ctx.imports import limits
from ctx.imports.names import counted, quoted

Cell = str | tuple[str, ...]


class Row(NamedTuple):
    """A row and its number, as its file counts. ``refused`` says why it can't be used, ``place`` names its file."""

    number: int
    cells: Sequence[Cell]
    refused: str = ""
    repaired: str = ""
    place: str = ""


@dataclass(frozen=True)
class Table:
    """A file as columns and rows. ``read`` starts over at every call; ``application`` is set where the format says."""

    name: str
    format: str
    columns: tuple[str, ...]
    read: Callable[[], Iterator[Row]]
    notes: tuple[str, ...] = ()
    application: str = ""
    sources: tuple[dict[str, Any], ...] = field(default=(), compare=False)

    def rows(self) -> Iterator[Row]:
        """Every row; raises BadInput, at the latest where there are too many."""
        for count, row in enumerate(self.read(), 1):
            if count > limits.MOST_ROWS:
                raise BadInput(f"{self.name} has more than {limits.MOST_ROWS:,} rows: import a part of it.")
            yield row


@dataclass(frozen=True)
class Reading:
    """How a file is to be read where the guess is wrong; empty: guessed."""

    format: str = ""
    encoding: str = ""
    delimiter: str = ""
    header: bool | None = None
    sheet: str = ""


def cell(value: Any) -> Cell:
    """A value as text, or as several texts, one more than are used at most; nothing and not-a-number are empty."""
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        inner = [cell(one) for one in value[: limits.MOST_WORDS + 1]]
        if long := next((one for one in inner if isinstance(one, tuple) and len(one) > limits.MOST_WORDS), None):
            return long  # joined it would look like a whole text
        return tuple(one if isinstance(one, str) else " ".join(one) for one in inner)
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict) else str(value)


def flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record whose records are columns too: ``{"translation": {"en": …}}`` has the column ``translation.en``."""
    found: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict) and value:
            found |= {f"{key}.{inner}": one for inner, one in value.items()}
        else:
            found[key] = value
    return found


def header(cells: Sequence[Cell], source: str) -> tuple[tuple[str, ...], list[str]]:
    """Column names as they were given, empty and equal ones told apart, and what was done. Raises BadInput."""
    if len(cells) > limits.MOST_COLUMNS:
        raise BadInput(
            f"{source} has {len(cells):,} columns, more than {limits.MOST_COLUMNS:,}: is the delimiter right?"
        )
    given = [" ".join((one if isinstance(one, str) else " ".join(one)).split()) for one in cells]
    wanted = [one or f"column {number}" for number, one in enumerate(given, 1)]
    found = apart(wanted)
    notes = []
    for number, (one, name, called) in enumerate(zip(given, wanted, found, strict=True), 1):
        if not one:
            notes.append(f"Column {number} has no name: it is called “column {number}”.")
        if called != name:
            notes.append(f"{quoted(name)} is there more than once: column {number} is called {quoted(called)}.")
    return found, notes


def apart(names: Sequence[str]) -> tuple[str, ...]:
    """Names that differ: what was there before gets a number, ``text (2)``."""
    found: dict[str, None] = {}
    counts: dict[str, int] = {}
    for name in names:
        called = name
        while called in found:
            counts[name] = counts.get(name, 1) + 1
            called = f"{name} ({counts[name]})"
        found[called] = None
    return tuple(found)


def unnamed(width: int) -> tuple[str, ...]:
    """Column names where there is no header."""
    return tuple(f"column {number}" for number in range(1, width + 1))


def headless(rows: Sequence[Sequence[Cell]]) -> bool:
    """Whether the first row looks like data: a number, a long text, or a value that its column holds again."""
    if not rows:
        return False
    first, rest = rows[0], rows[1:]
    for place, one in enumerate(first):
        if not isinstance(one, str) or not one.strip():
            continue
        if len(one) > 60 or _is_number(one):
            return True
        if any(place < len(row) and row[place] == one for row in rest):
            return True
    return False


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def fitted(cells: Sequence[Cell], width: int) -> tuple[Sequence[Cell], str, str]:
    """A row's cells for a header of ``width``: the cells, why it is refused, how it was repaired."""
    if len(cells) == width:
        return cells, "", ""
    if len(cells) > width and not any(cells[width:]):
        return cells[:width], "", f"left out beyond the header: {counted(len(cells) - width, 'empty cell')}"
    return (), f"it has {counted(len(cells), 'cell')}, the header has {width}", ""
