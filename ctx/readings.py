"""What pages read of runs at work, once for all who look: only what is new, and not more often than one can see.

A class that watches one study asks for the same rows thirty times a second; the store is asked three times.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from ctx.records import WAITING, Row, Run, Told

FRESH_SECONDS = 0.3  # how old a reading of a run at work may be
MOST = 1000  # readings that are kept, the least recently used out
T = TypeVar("T")


class CurveReader(Protocol):
    """The part of the store that gives curves."""

    def series(self, ids: Sequence[str], names: Sequence[str] = (), after: int = -1) -> Mapping[str, Told]:
        """Steps and values by run and name."""


class Reader(CurveReader, Protocol):
    """The part of the store that is read here."""

    def study_runs(self, study_id: str) -> list[Row]:
        """A study's rows in order."""


@dataclass(frozen=True)
class Curves:
    """A run's curves as far as they have been read. ``revision`` differs wherever they do."""

    told: Told
    revision: tuple[str, int, int]  # the run, its attempt, how many points
    final: bool  # the run had ended when they were read
    when: float


@dataclass(frozen=True)
class Rows:
    """A study's rows as they were read."""

    rows: list[Row]
    when: float


class Readings:
    """Rows of studies and curves of runs; safe to share between threads."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._rows: OrderedDict[Hashable, Rows] = OrderedDict()
        self._curves: OrderedDict[Hashable, Curves] = OrderedDict()
        self._lock = threading.Lock()

    def study(self, study_id: str, now: bool = False) -> list[Row]:
        """(arm, draw, run) of a study's rows, as they were a moment ago; ``now``: as they are."""
        with self._lock:
            before = self._rows.get(study_id)
            if now or before is None or _old(before.when):
                read = time.monotonic()
                before = Rows(self.reader.study_runs(study_id), read)
                _keep(self._rows, study_id, before)
            return before.rows

    def curves(self, run: Run, names: Sequence[str]) -> Curves:
        """The metrics of these names (or prefixes that end in "/") of a run, as it was just read from the store."""
        key = (run.id, tuple(names))
        with self._lock:
            found = self._curves.get(key)
            if found is None or found.revision[1] != run.attempt or not (found.final or not _old(found.when)):
                found = self._read(run, names, found)
            _keep(self._curves, key, found)
            return found

    def _read(self, run: Run, names: Sequence[str], before: Curves | None) -> Curves:
        known = before.told if before is not None and before.revision[1] == run.attempt else {}
        last = max((steps[-1] for steps, _ in known.values() if len(steps)), default=0)
        when = time.monotonic()
        # the last step again: what an epoch's end tells comes after the update's own
        new = self.reader.series([run.id], names, after=int(last) - 1).get(run.id, {})
        told = {name: _joined(known, new, name, last) for name in dict.fromkeys([*known, *new])}
        count = sum(len(steps) for steps, _ in told.values())
        return Curves(told, (run.id, run.attempt, count), run.state not in WAITING, when)


def _old(when: float) -> bool:
    return time.monotonic() - when > FRESH_SECONDS


def _keep(held: OrderedDict[Hashable, T], key: Hashable, value: T) -> None:
    held[key] = value
    held.move_to_end(key)
    while len(held) > MOST:
        held.popitem(last=False)


def _joined(known: Told, new: Told, name: str, last: float) -> tuple[np.ndarray, np.ndarray]:
    if name not in known:
        return new[name]
    steps, values = known[name]
    kept = np.searchsorted(steps, last)
    more = new.get(name, (steps[:0], values[:0]))
    return np.concatenate([steps[:kept], more[0]]), np.concatenate([values[:kept], more[1]])
