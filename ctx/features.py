"""Outputs of frozen layers kept on disk, where every process finds them: a file for each (weights, depth, tokens).

A row stands at a place that follows from the texts' lengths, so workers may fill a file together; its checksum is
written after it, so a row that a crash, a full disk or a flipped bit left wrong is one that isn't there. Rows are read
and written with plain calls, not through mapped memory: a file cut short under a mapping would end the process.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from ctx import kept

HEADER = struct.Struct("<4sIII")  # what it is, numbers a state, whether a row is one state, rows
MAGIC, ENTRY, NUMBER = b"ctx1", 4, 4  # bytes of a checksum, and of a float32


class Rows:
    """The rows of one file: ``[W]`` each, or ``[T, W]`` without padding. What fails is left out, never raised."""

    def __init__(self, name: str, lengths: np.ndarray) -> None:
        """``name`` says what the numbers follow from; ``lengths``: tokens of each row ``[N]``."""
        self.lengths = lengths
        self.starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        self.file = kept.opened("features", name) if hasattr(os, "pread") else None
        self.head: tuple[int, bool] | None = None  # numbers a state, whether a row is one state

    def __del__(self) -> None:
        if self.file is not None:
            with suppress(OSError):
                os.close(self.file)

    def read(self, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Those of the rows that are there and whole, each with its number."""
        if self.file is None or (self.head is None and not self._know()):
            return
        assert self.head is not None
        found = self._at(HEADER.size, ENTRY * len(self.lengths))
        sums = np.frombuffer(found[: len(found) // ENTRY * ENTRY], np.uint32)
        for row in rows[rows < len(sums)]:
            if sums[row]:
                content = self._at(*self._place(row))
                if _sum(content) == sums[row]:
                    yield int(row), self._shaped(content)

    def write(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Keep rows ``[n, W]``, or ``[n, T, W]`` of which the padding is left out; ``values`` are float32."""
        if self.file is None:
            return
        with suppress(OSError):
            self._say(values.shape[-1], values.ndim == 2)
            for row, value in zip(rows, values, strict=True):
                content = np.ascontiguousarray(value if value.ndim == 1 else value[: self.lengths[row]]).tobytes()
                place, size = self._place(row)
                if os.pwrite(self.file, content, place) == size:
                    os.pwrite(self.file, np.uint32(_sum(content)).tobytes(), HEADER.size + ENTRY * int(row))

    def _know(self) -> bool:
        """Read the file's own account of itself."""
        content = self._at(0, HEADER.size)
        if len(content) == HEADER.size:
            magic, width, flat, rows = HEADER.unpack(content)
            if (magic, rows) == (MAGIC, len(self.lengths)) and 0 < width < 2**16:
                self.head = width, bool(flat)
        return self.head is not None

    def _say(self, width: int, flat: bool) -> None:
        """Write it, where the file says nothing or something else."""
        if self.head != (width, flat) and self.file is not None:
            self.head = width, flat
            os.pwrite(self.file, HEADER.pack(MAGIC, width, flat, len(self.lengths)), 0)

    def _place(self, row: int) -> tuple[int, int]:
        """Where a row begins, and its bytes."""
        assert self.head is not None
        width, flat = self.head
        first, count = (int(row), 1) if flat else (int(self.starts[row]), int(self.lengths[row]))
        begin = HEADER.size + ENTRY * len(self.lengths)
        return begin + NUMBER * width * first, NUMBER * width * count

    def _at(self, place: int, size: int) -> bytes:
        assert self.file is not None
        with suppress(OSError):
            return os.pread(self.file, size, place)
        return b""

    def _shaped(self, content: bytes) -> np.ndarray:
        assert self.head is not None
        width, flat = self.head
        numbers = np.frombuffer(bytearray(content), np.float32)  # of its own: tensors may be written to
        return numbers if flat else numbers.reshape(-1, width)


def _sum(content: bytes) -> int:
    """The checksum of a row; 0 stands for a row that isn't there."""
    return zlib.crc32(content) or 1
