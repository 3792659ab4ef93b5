"""Parquet: its own directory is checked before anything is unpacked, then read in batches with dictionaries kept.

A column that repeats one long text is stored once and stays once in memory, however many rows point at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from ctx.errors import BadInput
from ctx.imports import limits
from ctx.imports.names import brief, listed
from ctx.imports.sources import Source, check_unpacked
from ctx.imports.tables import Cell, Row, Table, cell, header

BATCH = 1_000  # rows
MOST_VALUES = 20_000_000  # of a column of lists
LONGEST = 4 * limits.MOST_TEXT + 4  # bytes that are looked at: more is refused all the same


def table(source: Source) -> Table:
    """The columns of text, numbers and lists of them, and the rows. Raises BadInput."""
    file = _opened(source.path, source.name)
    _check(source, file.metadata)
    fields = [file.schema_arrow.field(n) for n in range(len(file.schema_arrow.names))]
    names = [field.name for field in fields if _usable(field.type)]
    left_out = [field.name for field in fields if field.name not in names]
    if not names or len(set(names)) < len(names) or len(names) > limits.MOST_COLUMNS:
        raise BadInput(f"{source.name} has no columns of text and numbers, each with a name of its own.")
    columns, notes = header(names, source.name)
    if left_out:
        notes.append(f"Left out, since they hold neither text nor numbers: {listed(left_out)}.")

    def read() -> Iterator[Row]:
        number = 0
        for batch in _batches(source.path, source.name, names):
            for cells in zip(*batch, strict=True):
                number += 1
                yield Row(number, cells)

    return Table(source.name, "Parquet", columns, read, tuple(notes))


def _opened(path: Path, name: str, dictionaries: list[str] | None = None) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, read_dictionary=dictionaries)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(name, error) from None


def _check(source: Source, metadata: Any) -> None:
    name = source.name
    groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
    size = sum(group.total_byte_size for group in groups)
    values = max((group.column(n).num_values for group in groups for n in range(group.num_columns)), default=0)
    if metadata.num_rows > limits.MOST_ROWS:
        raise BadInput(f"{name} has {metadata.num_rows:,} rows, more than {limits.MOST_ROWS:,}: import a part of it.")
    if values > MOST_VALUES:
        raise BadInput(f"{name} has a column of {values:,} values, more than {MOST_VALUES:,}: import a part of it.")
    check_unpacked(name, size, source.path.stat().st_size)
    if not metadata.num_rows:
        raise BadInput(f"{name} has no rows: choose another file.")


def _usable(kind: Any) -> bool:
    from pyarrow import types

    if types.is_list(kind) or types.is_large_list(kind):
        return _usable(kind.value_type) and not types.is_list(kind.value_type)
    if types.is_dictionary(kind):
        return _usable(kind.value_type)
    plain = (types.is_string, types.is_large_string, types.is_integer, types.is_floating, types.is_boolean)
    return any(fits(kind) for fits in plain)


def _batches(path: Path, name: str, names: list[str]) -> Iterator[list[list[Cell]]]:
    """The columns of so many rows at a time."""
    import pyarrow as pa

    schema = _opened(path, name).schema
    leaves = [schema.column(n) for n in range(len(schema.names))]
    texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    file = _opened(path, name, texts)
    try:
        for batch in file.iter_batches(batch_size=BATCH, columns=names, use_threads=False):
            yield [_column(batch.column(one)) for one in names]
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise _damaged(name, error) from None


def _column(array: Any) -> list[Cell]:
    from pyarrow import types

    if types.is_list(array.type) or types.is_large_list(array.type):
        inner = _column(array.values)
        most = limits.MOST_WORDS + 1
        ends = pairwise(array.offsets.to_pylist())
        return [tuple(str(one) for one in inner[a : min(b, a + most)]) for a, b in ends]
    if types.is_dictionary(array.type):
        known = _texts(array.dictionary)
        return ["" if place is None else known[place] for place in array.indices.to_pylist()]
    if types.is_string(array.type) or types.is_large_string(array.type):
        return _texts(array)
    return [cell(value) for value in array.to_pylist()]


def _texts(array: Any) -> list[Cell]:
    """Texts, the beginning of those that are too long to be used; bytes that aren't UTF-8 stay to be refused."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        return [cell(value) for value in array.to_pylist()]
    binary = pa.large_binary() if pa.types.is_large_string(array.type) else pa.binary()
    beginnings = pc.binary_slice(array.cast(binary), 0, LONGEST).to_pylist()
    return ["" if raw is None else _text(raw) for raw in beginnings]


def _text(raw: bytes) -> str:
    cut = len(raw) == LONGEST
    return raw.decode("utf-8", "ignore" if cut else "surrogateescape")


def _damaged(name: str, error: Exception) -> BadInput:
    return BadInput(f"{name} can't be read as Parquet ({brief(error)}): it is damaged; save it again.")
