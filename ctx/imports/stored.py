"""Imported data under CTX_HOME: ``datasets/<application>.<name>/`` with its examples (Parquet) and what is known of it.

A folder is written beside its place and moved there whole, so that every process finds all of it or nothing. What is
forgotten keeps its description, without the examples: runs that used it can still be read.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from ctx.errors import BadInput, Unavailable
from ctx.home import home
from ctx.imports.examples import Made
from ctx.imports.names import listed, quoted

META, EXAMPLES = "meta.json", "examples.parquet"
BATCH = 20_000  # rows; also what the content's hash is taken over
STALE = 86_400
LAYOUT = 1  # raised by hand when the files are laid out differently


class Meta(BaseModel):
    """What is known of an imported context. ``owner`` is empty where everybody may use it."""

    model_config = ConfigDict(frozen=True)
    id: str
    application: str
    title: str
    owner: str = "local"
    language: str = ""
    domain: str = ""
    culture: str = ""
    licence: str = ""
    created: float
    layout: int = LAYOUT
    sources: list[dict[str, Any]]
    format: str
    mapping: dict[str, Any]
    labels: list[str]
    counts: dict[str, int]
    report: dict[str, Any]
    examples: int
    used: int
    content: str
    file: str
    forgotten: bool = False

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return place(self.id)


def root() -> Path:
    """The folder of all imported data."""
    return home() / "datasets"


def place(context_id: str) -> Path:
    """The folder of one: no part of an id is taken for a path."""
    application, _, name = context_id.partition("/")
    return root() / f"{application}.{name}"


def read_meta(folder: Path) -> Meta | None:
    """What is known of the data in a folder; None where there is nothing to be read."""
    try:
        found = Meta.model_validate_json((folder / META).read_bytes())
    except (OSError, ValidationError, ValueError):
        return None
    return found if found.layout == LAYOUT and found.folder.name == folder.name else None


def folders() -> list[tuple[Path, tuple[int, int]]]:
    """Every folder of imported data with a stamp that changes when it is replaced."""
    found = []
    with suppress(OSError), os.scandir(root()) as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                with suppress(OSError):
                    stat = (Path(entry.path) / META).stat()
                    found.append((Path(entry.path), (stat.st_ino, stat.st_mtime_ns)))
    return sorted(found)


class Writer:
    """Examples on their way to a file, a batch at a time."""

    def __init__(self, folder: Path, application: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        kind = pa.list_(pa.string()) if application == "ner" else pa.string()
        fields = [("id", pa.string()), ("input", kind), ("output", kind), ("group", pa.string()), ("rank", pa.uint64())]
        self.folder = folder
        self._schema = pa.schema(fields)
        self._file = pq.ParquetWriter(folder / EXAMPLES, self._schema)
        self._rows: list[tuple[Any, ...]] = []
        self._content = hashlib.sha256()

    def add(self, made: Made, rank: int) -> None:
        """One example; runs use those of lowest rank."""
        self._rows.append((made.id, made.input, made.output, made.group, rank))
        if len(self._rows) == BATCH:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        columns = [list(column) for column in zip(*self._rows, strict=True)]
        self._content.update(json.dumps(columns).encode())
        self._file.write_table(pa.table(columns, schema=self._schema))
        self._rows.clear()

    def close(self) -> None:
        """Let go of the file; what was not written yet is left out."""
        self._file.close()

    def finish(self) -> tuple[str, str]:
        """Write the rest; the hash of the examples, and that of their file."""
        if self._rows:
            self._flush()
        self.close()
        with (self.folder / EXAMPLES).open("rb") as file:
            os.fsync(file.fileno())
            return self._content.hexdigest(), hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def drafted(application: str) -> Iterator[Writer]:
    """A writer into a folder that is gone afterwards unless `keep` moved it. Raises Unavailable where it can't be."""
    draft = root() / f".{uuid4().hex}.part"
    try:
        draft.mkdir(parents=True)
        _sweep()
        with closing(Writer(draft, application)) as writer:
            yield writer
    except OSError as error:
        raise unwritten(error, root()) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def keep(writer: Writer, meta: Meta) -> Meta:
    """Move what was written to its place; raises FileExistsError where something else lies there."""
    with (writer.folder / META).open("w", encoding="utf-8") as file:
        file.write(meta.model_dump_json(indent=1))
        file.flush()
        os.fsync(file.fileno())
    before = read_meta(meta.folder)
    if before and before.forgotten and before.owner == meta.owner:
        shutil.rmtree(meta.folder, ignore_errors=True)
    try:
        writer.folder.rename(meta.folder)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.EACCES) and meta.folder.exists():
            raise FileExistsError(meta.id) from None
        raise
    return meta


def taken(context_id: str) -> BadInput:
    """What is said where an id is in use."""
    return BadInput(f"There is a context {context_id} already: choose another id, or delete that one first.")


def forget(context_id: str, owner: str) -> Meta:
    """Delete the examples for good; the description stays for the runs that used them. Raises BadInput."""
    found = read_meta(place(context_id))
    if found is None or found.forgotten or found.owner not in ("", owner):
        mine = [m.id for f, _ in folders() if (m := read_meta(f)) and m.owner in ("", owner) and not m.forgotten]
        raise BadInput(
            f"You have imported no context called {quoted(context_id)}. There are: {listed(mine) or 'none yet'}."
        )
    part = found.folder / f"{META}.{uuid4().hex}.part"
    try:
        part.write_text(found.model_copy(update={"forgotten": True}).model_dump_json(indent=1), encoding="utf-8")
        part.replace(found.folder / META)
        (found.folder / EXAMPLES).unlink(missing_ok=True)
    except OSError as error:
        raise unwritten(error, root()) from error
    return found


def rows(meta: Meta) -> list[dict[str, Any]]:
    """The examples that runs use, in the file's order; raises Unavailable where they are gone or damaged."""
    import pyarrow as pa

    path = meta.folder / EXAMPLES
    if meta.forgotten:
        raise Unavailable(f"The data of {meta.id} was deleted: import it again.")
    try:
        with path.open("rb") as file:
            sound = hashlib.file_digest(file, "sha256").hexdigest() == meta.file
        if sound:
            return _used(path, meta.used)
    except (OSError, pa.ArrowException):
        pass
    raise Unavailable(f"The data of {meta.id} is damaged: delete it, then import it again.")


def _used(path: Path, most: int) -> list[dict[str, Any]]:
    """At most so many rows, those of lowest rank: a batch at a time, so that memory stays bounded."""
    import numpy as np
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        ranks = file.read(["rank"])["rank"].to_numpy()
        keep = np.ones(len(ranks), dtype=bool)
        if len(ranks) > most:
            keep[np.argpartition(ranks, most)[most:]] = False
        found: list[dict[str, Any]] = []
        at = 0
        for batch in file.iter_batches(BATCH, columns=["id", "input", "output", "group"], use_threads=False):
            found += batch.take(np.flatnonzero(keep[at : at + len(batch)])).to_pylist()
            at += len(batch)
        return found


def _sweep() -> None:
    """Remove what killed processes left half-written."""
    for part in root().glob(".*.part"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > STALE:
                shutil.rmtree(part)


def unwritten(error: OSError, folder: Path) -> Unavailable:
    """What is said where a folder can't be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable(f"No space left in {folder}: free some space, or point CTX_HOME elsewhere.")
    return Unavailable(f"{folder} can't be written ({error.strerror or error}): change its permissions, or CTX_HOME.")
