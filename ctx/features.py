"""Outputs of frozen layers kept on disk, where every process finds them: a file for each (weights, depth, tokens).

A row stands at a place that follows from the texts' lengths, so workers may fill a file together; its checksum is
written after it, so a row that a crash, a full disk or a flipped bit left wrong is one that isn't there. Rows are read
and written with plain calls, not through mapped memory: a file cut short under a mapping would end the process.
"""

from __future__ import annotations

import os
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np

from ctx import kept

HEADER = struct.Struct("<4sIII")  # what it is, numbers a state, whether a row is one state, rows
ENTRY = 4  # bytes of a checksum
MAGIC = {np.dtype(np.float32): b"ctx1", np.dtype(np.float16): b"ctxh"}
TOUCH_SECONDS = 60  # between two marks that a file is in use


class Rows:
    """The rows of one file: ``[W]`` each, or ``[T, W]`` without padding. What fails is left out, never raised.

    The file is opened for each call: it may be deleted, and made again by another process, at any time.
    """

    def __init__(self, name: str, lengths: np.ndarray, half: bool = False) -> None:
        """``name`` says what the numbers follow from; ``lengths``: tokens of each row ``[N]``; ``half``: as float16."""
        self.lengths, self.type = lengths, np.dtype(np.float16 if half else np.float32)
        self.starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        self.path = kept.place("features", name, "bin")
        self.touched = 0.0
        self.usable = hasattr(os, "pread")  # until a row could not be written

    def read(self, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Those of the rows that are there and whole, each with its number."""
        with self._opened(os.O_RDONLY) as file:
            shape = None if file is None else self._shape(file)
            if file is None or shape is None:
                return
            sums = np.zeros(len(self.lengths), np.uint32)
            os.preadv(file, [sums.data], HEADER.size)
            for row in rows[sums[rows] > 0].tolist():
                begin, numbers = self._place(row, *shape)
                value = np.empty(numbers, self.type)
                if os.preadv(file, [value.data], begin) == value.nbytes and _sum(value) == sums[row]:
                    yield row, value if shape[1] else value.reshape(-1, shape[0])

    def write(self, rows: np.ndarray, values: np.ndarray) -> bool:
        """Keep rows ``[n, W]``, or ``[n, T, W]`` of which the padding is left out; gives whether it could.

        ``values`` are float32, or float16 in a file of those.
        """
        if not self.usable:
            return False
        self._make()
        self.usable = False
        shape = values.shape[-1], values.ndim == 2
        with self._opened(os.O_RDWR | os.O_CREAT) as file:
            if file is None or _left(file) < kept.FREE:
                return False
            if self._shape(file) != shape:
                os.pwrite(file, HEADER.pack(MAGIC[self.type], *shape, len(self.lengths)), 0)
            for row, value in zip(rows.tolist(), values, strict=True):
                content = np.ascontiguousarray(value if shape[1] else value[: self.lengths[row]])
                if os.pwrite(file, content.data, self._place(row, *shape)[0]) < content.nbytes:
                    return False
                os.pwrite(file, np.uint32(_sum(content)).data, HEADER.size + ENTRY * row)
            self.usable = True
        return self.usable

    def _make(self) -> None:
        """Make room for a file that isn't there yet."""
        if not self.path.exists():
            kept.make_room()
            with suppress(OSError):
                self.path.parent.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def _opened(self, flags: int) -> Iterator[int | None]:
        """A descriptor; None where there can be none. An error of the disk ends the block, without a word."""
        file = None
        with suppress(OSError):
            file = os.open(self.path, flags, 0o644)
        try:
            with suppress(OSError):
                yield file
        finally:
            if file is not None:
                self._touch(file)
                os.close(file)

    def _touch(self, file: int) -> None:
        if time.monotonic() - self.touched > TOUCH_SECONDS:
            self.touched = time.monotonic()
            with suppress(OSError):  # another person's
                os.utime(file)

    def _shape(self, file: int) -> tuple[int, bool] | None:
        """Numbers a state, and whether a row is one state, by the file's own account; None where it has none."""
        content = os.pread(file, HEADER.size, 0)
        if len(content) < HEADER.size:
            return None
        magic, width, flat, rows = HEADER.unpack(content)
        right = (magic, rows) == (MAGIC[self.type], len(self.lengths)) and 0 < width < 2**16 and flat < 2
        return (width, bool(flat)) if right else None

    def _place(self, row: int, width: int, flat: bool) -> tuple[int, int]:
        """Where a row begins, and its numbers."""
        first, count = (row, 1) if flat else (int(self.starts[row]), int(self.lengths[row]))
        begin = HEADER.size + ENTRY * len(self.lengths)
        return begin + self.type.itemsize * width * first, width * count


def _sum(content: np.ndarray) -> int:
    """The checksum of a row; 0 stands for a row that isn't there."""
    return zlib.crc32(content.data) or 1


def _left(file: int) -> float:
    """Bytes that the file's disk has left for us."""
    about = os.fstatvfs(file)
    return float(about.f_bavail * about.f_frsize)
