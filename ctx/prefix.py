"""Frozen outputs, computed once: what the lowest, frozen blocks give is a function of the tokens alone.

A row's output is always computed in one shape, about 512 tokens of rows of one length bucket, filled up to that and
padded where layers don't do without (`ctx.layers.PackedLayer`), by one thread, whatever batch asks for it first: so it
is the same to the bit whether it was kept from an earlier run or not, and whoever computed it.
Kept for the life of the process; where computing them takes a pretrained encoder on disk, for all processes: one state
a text beside the memory, a state a token instead of it. In half precision, where a run asks for it: whatever these
blocks give it is rounded to IEEE float16, kept or not, so that its numbers don't depend on what was there.
Augmented examples are no rows of a context: theirs is computed plainly, batch by batch, and not kept.
"""

from __future__ import annotations

import os
import platform
from collections import OrderedDict
from collections.abc import Iterator
from functools import cache, partial
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ctx import kept, products
from ctx.batches import BUCKET
from ctx.errors import BadInput
from ctx.features import Rows
from ctx.layers import pad
from ctx.sidebyside import side_by_side

if TYPE_CHECKING:
    from ctx.batches import Batch, Encoded
    from ctx.model import Model

TOKENS, MOST, FEWEST = 512, 32, 2  # computed together: so many tokens, at most and at least so many rows
VERSION = 3  # raised by hand when the same tokens give other numbers
LAYOUT = VERSION, TOKENS, MOST, FEWEST, BUCKET
LARGEST = torch.finfo(torch.float16).max  # 65,504
WITHOUT_DISK = 13  # times as much memory for tables that would have to be computed again


class Table:
    """The outputs of one frozen prefix for one context, filled as rows are asked for.

    A row is ``[W]`` where the prefix includes the read-out, else ``[T, W]`` without padding. ``disk``: where they are
    kept beside the memory; rows of the latter kind, up to 128 times as large, instead of it. ``half``: as float16.
    """

    def __init__(self, rows: int, disk: Rows | None = None, half: bool = False) -> None:
        self.there, self.disk, self.half = np.zeros(rows, bool), disk, half
        self.ragged: dict[int, Tensor] = {}
        self.flat: Tensor | None = None
        self.bytes = 0

    @property
    def readable(self) -> bool:
        """Whether what memory drops can be read again."""
        return self.disk is not None and self.disk.usable

    def recall(self, rows: np.ndarray) -> dict[int, Tensor]:
        """Those of the rows that only the disk has; ``[W]`` rows are in memory from now on."""
        lacks = rows[~self.there[rows]]
        found = {}
        for row, value in self.disk.read(lacks) if self.disk is not None and len(lacks) else ():
            found[row] = torch.from_numpy(value)
            if value.ndim == 1:
                self._keep(row, found[row])
        return found

    def put(self, rows: np.ndarray, lengths: np.ndarray, values: Tensor) -> dict[int, Tensor]:
        """Keep ``[B, W]`` or ``[B, T, W]``, the latter without its padding, and give it row by row, as it is kept."""
        values = halved(values) if self.half else values
        disk = self.disk is not None and self.disk.write(rows, values.numpy())
        found = {}
        for row, length, value in zip(rows.tolist(), lengths.tolist(), values, strict=True):
            found[row] = value if value.ndim == 1 else value[:length].clone()
            if value.ndim == 1 or not disk:
                self._keep(row, found[row])
        return found

    def _keep(self, row: int, value: Tensor) -> None:
        if value.ndim == 1:
            if self.flat is None:
                self.flat = value.new_zeros(len(self.there), len(value))
                self.bytes = self.flat.nbytes
            self.flat[row] = value
        else:
            self.ragged[row] = value
            self.bytes += value.nbytes
        self.there[row] = True

    def get(self, batch: Batch, found: dict[int, Tensor]) -> Tensor:
        """The rows of a batch, padded to its length, float16 as float32; ``found``: those that memory doesn't have."""
        if self.flat is not None:
            out = self.flat[torch.from_numpy(batch.rows)]
        else:
            out = pad([found[row] if row in found else self.ragged[row] for row in batch.rows.tolist()], batch.length)
        return out.float() if self.half else out


class Name(NamedTuple):
    """What a table holds: the outputs of so many blocks with these weights. ``shared``: for other processes too.

    ``half``: rounded to float16.
    """

    weights: str
    depth: int
    encoded: Encoded
    shared: bool
    half: bool = False

    @property
    def key(self) -> tuple[str, int, str, bool]:
        """In a process."""
        return self.weights, self.depth, self.encoded.name, self.half

    def file(self) -> Rows | None:
        """Where other processes find it."""
        if not self.shared or not self.encoded.tokens:
            return None
        content = self.weights, self.depth, self.encoded.digest, *LAYOUT, *arithmetic()
        return Rows(kept.named(*content, *["half"] * self.half), self.encoded.lengths, self.half)


class Memo:
    """The tables of a process, the least recently used dropped beyond ``limit`` bytes (CTX_MEMO_MB, 150).

    ``shared``: tables that other processes can use are kept on disk too. Those that aren't may take ``WITHOUT_DISK``
    times as much.
    """

    def __init__(self, limit: int | None = None, shared: bool = False) -> None:
        self.limit = limit if limit is not None else int(os.environ.get("CTX_MEMO_MB", "150")) * 10**6
        self.shared = shared
        self.tables: OrderedDict[tuple[str, int, str, bool], Table] = OrderedDict()
        self.computed = 0  # rows that were not there and had to be computed

    def hidden(
        self, model: Model, weights: str, depth: int, batch: Batch, lasting: bool = False, half: bool = False
    ) -> Tensor | None:
        """What the lowest ``depth`` blocks give for a batch; None for depth 0. ``weights`` names what they hold.

        ``lasting``: these weights are a pretrained encoder's, which other processes read too. ``half``: rounded to
        float16; raises BadInput where a number is too large for that.
        """
        if depth == 0:
            return None
        if not batch.encoded.name:  # drawn for one batch only
            with torch.no_grad():
                plain = model.run(batch, stop=depth)
                return halved(plain).float() if half else plain
        name = Name(weights, depth, batch.encoded, lasting and self.shared, half)
        table = self._table(name)
        missing = np.unique(batch.rows[~table.there[batch.rows]])
        with torch.inference_mode(False), torch.no_grad():  # evaluation asks too, and training reads it later
            found = table.recall(missing)
            lacking = missing[[row not in found for row in missing.tolist()]]
            if len(lacking):
                with model.evaluated(depth):  # whoever asks, and whatever learns above what is frozen for them
                    found |= self._computed(model, depth, batch.encoded, lacking, table, self._below(name))
            out = table.get(batch, found)
        self._bound()
        return out

    def forget(self, weights: str) -> None:
        """Drop the tables of weights that are no more."""
        for name in [name for name in self.tables if name[0] == weights]:
            del self.tables[name]

    def _table(self, name: Name) -> Table:
        if name.key not in self.tables:
            self.tables[name.key] = Table(len(name.encoded.lengths), name.file(), name.half)
        self.tables.move_to_end(name.key)
        return self.tables[name.key]

    def _below(self, name: Name) -> list[tuple[int, Table]]:
        """The outputs of shallower prefixes that are there, the deepest first: the layers above go on from them.

        Never from rounded ones, which would make other numbers of theirs; those are rounded from whole ones.
        """
        found = []
        for depth in range(name.depth if name.half else name.depth - 1, 0, -1):
            one = name._replace(depth=depth, half=False)
            if one.key in self.tables or ((file := one.file()) is not None and file.path.exists()):
                found.append((depth, self._table(one)))
        return found

    def _bound(self) -> None:
        """Drop the tables that were not used for longest; the last one too where the disk has its rows."""
        for limit, spared, again in ((self.limit, 0, True), (WITHOUT_DISK * self.limit, 1, False)):
            tables = {name: table for name, table in self.tables.items() if table.readable == again}
            while len(tables) > spared and sum(table.bytes for table in tables.values()) > limit:
                oldest = next(iter(tables))
                del tables[oldest], self.tables[oldest]

    def _computed(
        self, model: Model, depth: int, encoded: Encoded, rows: np.ndarray, table: Table, below: list[tuple[int, Table]]
    ) -> dict[int, Tensor]:
        chunks, batches, packed = [], [], model.packed(depth)
        buckets = -(-encoded.lengths[rows] // BUCKET) * BUCKET if encoded.tokens else encoded.lengths[rows]
        for bucket in np.unique(buckets):
            inside = rows[buckets == bucket]
            for chunk, fewest in _chunks(inside, encoded, int(bucket), packed):
                filled = np.concatenate([chunk, np.repeat(chunk[-1:], max(0, fewest - len(chunk)))])
                batches.append(encoded.batch(filled, int(bucket)))
                batches[-1].room = _room(int(bucket))
                chunks.append(chunk)
        begun = ((batch, *_reached(below, batch)) for batch in batches)
        found: dict[int, Tensor] = {}
        for chunk, values in zip(chunks, side_by_side(partial(_passed, model, depth), begun), strict=True):
            found |= table.put(chunk, encoded.lengths[chunk], values[: len(chunk)])
        self.computed += len(rows)
        return found


def _passed(model: Model, depth: int, begun: tuple[Batch, int, Tensor | None]) -> Tensor:
    """What the lowest ``depth`` blocks give, from where some shallower prefix left off."""
    batch, start, hidden = begun
    with torch.no_grad():
        return model.run(batch, start, hidden, stop=depth)


def _reached(below: list[tuple[int, Table]], batch: Batch) -> tuple[int, Tensor | None]:
    """How deep some shallower prefix has been for all rows of a batch, and what it gave; (0, None) for none.

    Padding, which it does not have, is zeros: no token of a text sees it.
    """
    for depth, table in below:
        found = table.recall(np.unique(batch.rows))
        if all(table.there[row] or row in found for row in batch.rows.tolist()):
            return depth, table.get(batch, found)
    return 0, None


def halved(values: Tensor) -> Tensor:
    """The nearest float16; raises BadInput where a number is beyond `LARGEST`, instead of an infinite one."""
    sizes = values.abs()
    if bool((sizes > LARGEST).any()):
        raise BadInput(
            f"What the frozen layers give reaches {sizes.nan_to_num(0, torch.inf).max():,.0f}, and half precision ends "
            f"at {LARGEST:,.0f}: turn half precision off (--no-half)."
        )
    return values.half()


def _chunks(rows: np.ndarray, encoded: Encoded, length: int, packed: bool) -> Iterator[tuple[np.ndarray, int]]:
    """Rows of one bucket that are computed together, and how many at least there are to be."""
    count = _together(length) if encoded.tokens else MOST
    while len(rows):
        if packed:
            count = max(1, int((np.cumsum(encoded.lengths[rows]) <= _room(length)).sum()))
        yield rows[:count], FEWEST if packed else count
        rows = rows[count:]


def _room(length: int) -> int:
    """Tokens that are computed together of rows so long."""
    return max(TOKENS, FEWEST * length)


def _together(length: int) -> int:
    """How many rows of this length are computed together."""
    return max(FEWEST, min(MOST, TOKENS // length))


@cache
def arithmetic() -> tuple[str, ...]:
    """What the last bits of a number depend on: libraries, and the processor."""
    machine = platform.machine(), torch.backends.cpu.get_cpu_capability()
    by = ("oneDNN",) if products.onednn() else ()
    return torch.__version__, version("transformers"), *machine, *by


memo = Memo(shared=True)
