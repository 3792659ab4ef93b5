"""What a process holds of the machine's memory, and giving back what it no longer needs."""

from __future__ import annotations

import ctypes
import gc
import os
from contextlib import suppress
from pathlib import Path

LARGE = 700_000_000  # bytes; a worker with a pretrained encoder and nothing else stays below


def resident() -> int:
    """Bytes of memory that this process has now; 0 where the system doesn't say (it is read from Linux's /proc)."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def give_back() -> None:
    """Give freed memory back to the system at once, where it can (glibc keeps it for the process otherwise)."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def tidy() -> None:
    """In a large process, drop what is out of use: models refer to themselves, so Python finds them late."""
    if resident() > LARGE:
        gc.collect()
        give_back()
