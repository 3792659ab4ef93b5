"""JSON Lines, and JSON that is a list of records: read record by record, never deeper than a few levels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from ctx.errors import BadInput
from ctx.imports import limits
from ctx.imports.lines import Encoding, decoded, encoding, lines
from ctx.imports.names import brief, quoted
from ctx.imports.sources import Source
from ctx.imports.tables import Reading, Row, Table, cell, flat, header

SPACE = " \t\r\n"
BY_LINE = (".jsonl", ".ndjson")
DEEP = "it is nested too deeply"
WHOLE = 1 << 25  # bytes of a document that is one record: it has to be held in memory
Record = dict[str, Any] | str  # or why there is none
Numbered = Iterator[tuple[int, Record, str]]  # with its row, and how it was repaired


class _Twice(dict[str, Any]):
    """A record that has a name more than once."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Twice(found)


DECODER = json.JSONDecoder(object_pairs_hook=_once)


def table(source: Source, reading: Reading) -> Table:
    """The columns that its first records name, and its rows. Raises BadInput."""
    found = encoding(source, reading.encoding)
    start = next((text.lstrip() for text in _texts(source, found) if text.strip()), "")
    if start.startswith("[") and source.extension not in BY_LINE:
        return _made(source, "JSON", (found.note,), lambda: _listed(source, found))
    first, _, rest = start.partition("\n")
    if source.extension == ".json" and (isinstance(_parsed(first), str) or not rest.strip()):
        name, records = _inside(source, found)
        note = f"Its rows are the list under {quoted(name)}."
        return _made(
            source, "JSON", (found.note, note), lambda: ((n, _record(r), "") for n, r in enumerate(records, 1))
        )
    return _made(source, "JSON Lines", (found.note,), lambda: _by_line(source, found))


def _made(source: Source, format: str, notes: tuple[str, ...], records: Callable[[], Numbered]) -> Table:
    columns: dict[str, None] = {}
    for _, record, _ in islice(records(), limits.SAMPLE):
        if not isinstance(record, str):
            columns.update(dict.fromkeys(record))
        if len(columns) > limits.MOST_COLUMNS:
            raise BadInput(f"{source.name} has records with more than {limits.MOST_COLUMNS:,} names: leave some out.")
    if not columns:
        number, why, _ = next(records(), (1, "there are none", ""))
        raise BadInput(f"{source.name} has no records that can be read (row {number}: {why}).")
    names, said = header(tuple(columns), source.name)

    def read() -> Iterator[Row]:
        for number, record, repaired in records():
            if isinstance(record, str):
                yield Row(number, (), record)
            else:
                yield Row(number, [cell(record.get(name)) for name in columns], "", repaired)

    return Table(source.name, format, names, read, (*notes, *said))


def _by_line(source: Source, found: Encoding) -> Numbered:
    for line in lines(source, found):
        if line.refused or line.text.strip():
            yield line.number, line.refused or _parsed(line.text), line.repaired


def _parsed(text: str) -> Record:
    try:
        return _record(DECODER.decode(text))
    except RecursionError:
        return DEEP
    except ValueError as error:
        return f"it isn't JSON ({brief(error)})"


def _record(value: Any) -> Record:
    if _depth(value) > limits.MOST_DEPTH:
        return DEEP
    if not isinstance(value, dict) or not value:
        return "it is not a record: {“name”: value, …}"
    if any(isinstance(one, _Twice) for one in (value, *value.values())):
        return "one of its names comes twice"
    return flat(value)


def _depth(value: Any) -> int:
    """How many lists and records lie inside one another, counted without recursion up to one too many."""
    level: list[Any] = [value] if isinstance(value, dict | list) else []
    depth = 0
    while level and depth <= limits.MOST_DEPTH:
        level = [one for outer in level for one in _inner(outer) if isinstance(one, dict | list)]
        depth += 1
    return depth


def _inner(outer: Any) -> Iterable[Any]:
    return outer.values() if isinstance(outer, dict) else outer


def _texts(source: Source, found: Encoding) -> Iterator[str]:
    """The text in pieces; raises BadInput at bytes that don't fit."""
    try:
        yield from decoded(source, found)
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{source.name} holds bytes that aren't {found.codec} ({error.reason}): save it again."
        ) from None


def _listed(source: Source, found: Encoding) -> Numbered:
    """The records of a list, each read as soon as it is whole."""
    texts = _texts(source, found)
    buffer = next((text.lstrip() for text in texts if text.strip()), "")[1:]
    number = at = 0
    while True:
        at = _skip(buffer, at, SPACE + "," if number else SPACE)
        if buffer[at : at + 1] == "]":
            if buffer[at + 1 :].strip() or any(text.strip() for text in texts):
                raise BadInput(f"{source.name} goes on after its list ends (row {number}): save it as one list.")
            return
        record, end = _next(buffer, at) if at < len(buffer) else ("", 0)
        if not end or end >= len(buffer):  # not whole yet, or a number that may go on
            more = "" if len(buffer) - at > limits.MOST_LINE else next(texts, "")
            if not more:
                said = record if isinstance(record, str) and record else "the list is not closed"
                raise BadInput(f"{source.name} can't be read from row {number + 1} on: {said}.")
            buffer, at = buffer[at:] + more, 0
            continue
        number += 1
        yield number, record, ""
        at = end


def _next(buffer: str, at: int) -> tuple[Record, int]:
    """The record that begins there and where it ends; a fault and 0 where it isn't whole."""
    try:
        value, end = DECODER.raw_decode(buffer, at)
    except RecursionError:
        return DEEP, 0
    except ValueError as error:
        return f"it isn't JSON ({str(error).partition(':')[0]})", 0
    return _record(value), _skip(buffer, end, SPACE)


def _skip(text: str, at: int, signs: str) -> int:
    while at < len(text) and text[at] in signs:
        at += 1
    return at


def _inside(source: Source, found: Encoding) -> tuple[str, list[Any]]:
    """The one list of records in a document that is a record itself."""
    pieces, size = [], 0
    for text in _texts(source, found):
        pieces.append(text)
        size += len(text)
        if size > WHOLE:
            raise BadInput(
                f"{source.name} is one JSON record of more than {WHOLE / 1e6:.0f} MB: save it as JSON Lines."
            )
    whole = _parsed("".join(pieces))
    if isinstance(whole, str):
        raise BadInput(f"{source.name} can't be used: {whole}.")
    lists = {name: value for name, value in whole.items() if _is_records(value)}
    if len(lists) != 1:
        raise BadInput(f"{source.name} is one JSON record with {len(lists)} lists of records in it: one is wanted.")
    return next(iter(lists.items()))


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)
