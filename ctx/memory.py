"""What a process holds of the machine's memory, and giving back what it no longer needs."""

from __future__ import annotations

import ctypes
import gc
import os
import time
from contextlib import suppress
from pathlib import Path

LARGE = 700_000_000  # bytes; a worker with a pretrained encoder and nothing else stays below
HIGH, SPARE_SECONDS = 800_000_000, 2.0  # bytes beyond which a training process gives back; how often at most
SELDOM = 8  # times that, where it stays beyond


def resident() -> int:
    """Bytes of memory that this process has now; 0 where the system doesn't say (it is read from Linux's /proc)."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def give_back() -> None:
    """Give freed memory back to the system at once, where it can (glibc keeps it for the process otherwise)."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


class Spare:
    """Called at every update, it keeps a large process from growing.

    What an update frees lies between what is in use, where glibc keeps it: a worker of 680 MB had soon 1.1 GB. Giving
    it back costs 15 ms, and some more when it is needed again, so it is done now and then and in large processes alone.
    """

    def __init__(self) -> None:
        self.next = time.monotonic() + SPARE_SECONDS

    def __call__(self) -> None:
        """Give back what can be, if it is time; seldom where that is too little to come below."""
        if time.monotonic() < self.next:
            return
        wait = SPARE_SECONDS
        if resident() > HIGH:
            give_back()
            wait *= SELDOM if resident() > HIGH else 1
        self.next = time.monotonic() + wait


def tidy() -> None:
    """In a large process, drop what is out of use: models refer to themselves, so Python finds them late."""
    if resident() > LARGE:
        gc.collect()
        give_back()
