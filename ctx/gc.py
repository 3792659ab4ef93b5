"""Making room: deleted runs go for good, then the oldest runs' weights, until so many gigabytes are left.

Settings, curves and results of runs that were not deleted stay. What can be computed again (`ctx.kept`) goes when
nobody used it for long, or when there is much of it.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ctx import kept
from ctx.checkpoint import SUFFIX
from ctx.errors import BadInput
from ctx.home import home
from ctx.imports import uploads
from ctx.records import ENDED
from ctx.store import Store

CACHE_BYTES, CACHE_SECONDS = 500e6, 90 * 86_400  # of what can be computed again: in all, and since it was last used


@dataclass(frozen=True)
class Collected:
    """What went: deleted runs, files of weights, and bytes; and the bytes that are left in weights.

    ``cached``: bytes freed of what can be computed again.
    """

    runs: int
    files: int
    freed: int
    left: int
    cached: int


def keep_gigabytes() -> float:
    """How much of the disk weights and checkpoints may take (CTX_KEEP_GB, 5)."""
    asked = os.environ.get("CTX_KEEP_GB", "5")
    try:
        return max(0.0, float(asked))
    except ValueError:
        raise BadInput(f"CTX_KEEP_GB is “{asked}”: set it to a number of gigabytes, such as 5.") from None


def collect(store: Store, keep_gb: float | None = None, deleted_before: float | None = None) -> Collected:
    """Purge deleted runs and drop the oldest ended runs' weights beyond ``keep_gb``. Raises StoreError, BadInput.

    ``deleted_before`` (epoch seconds) spares what was deleted later and may still be brought back. Uploads that nobody
    took in for hours go too, and what was computed beyond its bounds.
    """
    uploads.sweep()
    limit = (keep_gigabytes() if keep_gb is None else keep_gb) * 1e9
    before = _bytes(store)
    purged = store.purge(deleted_before)
    for run_id in purged:
        shutil.rmtree(home() / "runs" / run_id, ignore_errors=True)
    left, files = _bytes(store), 0
    for run in reversed(store.runs(ENDED, limit=None)):
        if left <= limit:
            break
        for path in (home() / "runs" / run.id).glob(f"*{SUFFIX}"):
            with suppress(OSError):
                left -= path.stat().st_size
                path.unlink()
                files += 1
    unused = time.time() - CACHE_SECONDS
    cached = kept.trim(CACHE_BYTES, unused, kept.FOLDERS) + kept.trim(kept.BULKY_BYTES, unused, kept.BULKY)
    return Collected(len(purged), files, before - left, left, cached)


def _bytes(store: Store) -> int:
    """What the folders of this store's runs take; another store's in the same home are not ours to count."""
    here = [run.id for deleted in (False, True) for run in store.runs(limit=None, deleted=deleted)]
    return sum(_size(path) for name in here for path in (home() / "runs" / name).glob("*"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
