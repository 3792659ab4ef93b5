"""A tensor of a safetensors file, read where it lies: what was read can be let go again, and stays read for others.

For files that were fetched or made whole and are only ever replaced: one cut short under a mapping ends the process.
"""

from __future__ import annotations

import json
import mmap
from pathlib import Path

import torch

HALF = "F16"  # the only kind that is kept in files so large


class Mapped:
    """``values``: a float16 tensor of the file, never to be written to.

    The system gives 64 kB around every number that is read, so a few words of a large embedding would soon have the
    whole of it counted as this process's memory. `rest` takes that back.
    """

    def __init__(self, file: Path, name: str) -> None:
        """Raises OSError where the file can't be read, KeyError where it lacks the tensor."""
        with file.open("rb") as opened:  # a private mapping: the file can't be changed through it
            self._map = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
        begin = 8 + int.from_bytes(self._map[:8], "little")
        about = json.loads(self._map[8:begin])[name]
        if about["dtype"] != HALF:
            raise KeyError(f"{name} of {file.name} is {about['dtype']}, not {HALF}")
        first, last = about["data_offsets"]
        self.values = torch.frombuffer(self._map, dtype=torch.float16, count=(last - first) // 2, offset=begin + first)
        self.values = self.values.view(about["shape"])

    def rest(self) -> None:
        """Hold none of it until it is read again, where the system can do that."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
