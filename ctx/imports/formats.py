"""From files to a table: which format each is in, by its first bytes, its ending and what its first lines look like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from ctx.errors import BadInput
from ctx.hub import PREFIX
from ctx.imports import conll, delimited, excel, hub, jsons, limits, parallel, parquet
from ctx.imports.names import listed, shown
from ctx.imports.sources import Source, source
from ctx.imports.tables import Reading, Row, Table

FORMATS = ("csv", "tsv", "jsonl", "json", "parquet", "excel", "conll")
ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".conll": "conll",
    ".conllu": "conll",
    ".bio": "conll",
    ".iob": "conll",
    ".iob2": "conll",
}
MAGIC = {
    b"%PDF": "a PDF document",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"\xd0\xcf\x11\xe0": "an old Office document: save it as .xlsx or CSV",
    b"7z\xbc\xaf": "a 7z archive: unpack it first",
    b"Rar!": "a RAR archive: unpack it first",
    b"BZh": "packed with bzip2: unpack it first",
    b"\xfd7zXZ": "packed with xz: unpack it first",
    b"(\xb5/\xfd": "packed with Zstandard: unpack it first",
}


def open_table(
    given: Sequence[str | Path], reading: Reading | None = None, names: Sequence[str] = (), login: bool = True
) -> Table:
    """The table of one file, one folder, ``hf:owner/name``, or two parallel text files.

    ``names`` are what uploaded files were called; ``login``: the hub may be asked as who is logged in on this machine.
    Raises BadInput, Unavailable.
    """
    reading = reading or Reading()
    if reading.format and reading.format not in FORMATS:
        raise BadInput(f"There is no format “{reading.format}”. There are: {', '.join(FORMATS)}.")
    called = [*names, *[""] * (len(given) - len(names))]
    if not 1 <= len(given) <= 2:
        raise BadInput(f"{len(given)} files were given: choose one, or two parallel text files.")
    if len(given) == 1 and str(given[0]).startswith(PREFIX):
        return hub.table(str(given[0]), login)
    paths = [Path(one).expanduser() for one in given]
    if len(paths) == 2:
        pair = [source(path, name) for path, name in zip(paths, called, strict=True)]
        for one in pair:
            _check_text(one)
        return _with_sources(parallel.table(pair[0], pair[1], reading), pair)
    if paths[0].is_dir():
        return _folder(paths[0], reading)
    one = source(paths[0], called[0])
    return _with_sources(_table(one, reading), [one])


def _with_sources(table: Table, sources: Sequence[Source]) -> Table:
    return replace(table, sources=tuple(one.facts() for one in sources))


def _table(one: Source, reading: Reading) -> Table:
    kind = {"tsv": "csv", "jsonl": "json"}.get(reading.format, reading.format)
    head = one.head(8)
    if one.packed == "excel" or kind == "excel":
        return excel.table(one, reading)
    if head[:4] == b"PAR1" or kind == "parquet":
        if one.packed:
            raise BadInput(f"{one.name} is a Parquet file packed once more: unpack it first.")
        return parquet.table(one)
    _check_text(one)
    kind = kind or ENDINGS.get(one.extension, "") or _sniffed(one, reading)
    if kind == "csv" and reading.format == "tsv" and not reading.delimiter:
        reading = replace(reading, delimiter="\t")
    return {"json": jsons.table, "conll": conll.table, "csv": delimited.table}[kind](one, reading)


def _check_text(one: Source) -> None:
    head = one.head(8)
    what = next((said for start, said in MAGIC.items() if head.startswith(start)), "")
    if one.packed == "excel" or head.startswith((b"PAR1", b"PK\x03\x04", b"\x1f\x8b")):
        what = "not a text file"
    if what:
        raise BadInput(f"{one.name} is {what}: give CSV, TSV, JSON Lines, JSON, Parquet, Excel or CoNLL.")


def _sniffed(one: Source, reading: Reading) -> str:
    texts = conll.head(one, reading)
    first = next((text.lstrip() for text in texts if text.strip()), "")
    if first.startswith(("{", "[{")) or first.strip() == "[":
        return "json"
    return "conll" if conll.looks_like(texts) else "csv"


def _folder(folder: Path, reading: Reading) -> Table:
    """All files of a folder as one table: they must have the same columns."""
    known = {*ENDINGS, ".parquet", ".xlsx", ".gz", ".zip"}
    paths = sorted(path for path in folder.iterdir() if path.suffix.casefold() in known and path.is_file())
    if not paths or len(paths) > limits.MOST_FILES:
        raise BadInput(
            f"{folder} holds {len(paths)} files that can be imported, and 1 to {limits.MOST_FILES} are wanted."
        )
    sources = [source(path) for path in paths]
    tables = [_table(one, reading) for one in sources]
    for table in tables[1:]:
        if set(table.columns) != set(tables[0].columns):
            raise BadInput(
                f"{table.name} has the columns {listed(table.columns)} and {tables[0].name} "
                f"{listed(tables[0].columns)}: import them one by one."
            )
    notes = [f"{table.name}: {note}" for table in tables for note in table.notes]
    joined = replace(tables[0], name=shown(folder.resolve().name), read=partial(_joined, tables), notes=tuple(notes))
    return _with_sources(joined, sources)


def _joined(tables: list[Table]) -> Iterator[Row]:
    for table in tables:
        order = [table.columns.index(column) for column in tables[0].columns]
        for row in table.read():
            cells = [row.cells[place] for place in order] if row.cells else ()
            yield row._replace(cells=cells, place=table.name)
