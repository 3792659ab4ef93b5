"""What pages read of runs at work, once for all who look: only what is new, and not more often than one can see.

A class that watches one study asks for the same rows thirty times a second; the store is asked three times.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from ctx.curves import CurveReader
from ctx.records import WAITING, Row, Run, Told

FRESH_SECONDS = 0.3  # how old a reading of a run at work may be
MOST_STUDIES = 50
MOST_POINTS = 2_000_000  # of curves that are kept: 32 MB
T = TypeVar("T")


class Reader(CurveReader, Protocol):
    """The part of the store that is read here."""

    def study_runs(self, study_id: str) -> list[Row]:
        """A study's rows in order."""


@dataclass(frozen=True)
class Curves:
    """A run's curves as far as they have been read. ``revision`` differs wherever they do."""

    told: Told
    run: str
    attempt: int
    names: tuple[str, ...]
    final: bool  # the run had ended when they were read
    when: float
    points: int  # how many have been read

    @property
    def revision(self) -> tuple[str, int, tuple[str, ...], int, bool]:
        """Names what has been read."""
        return self.run, self.attempt, self.names, self.points, self.final


class Shelf(Generic[T]):
    """Values by key, the least recently used out when their sizes are more than ``most``.

    One thread makes a value, the others that want it wait for that; those that want another one don't.
    """

    def __init__(self, most: int, size: Callable[[T], int] = lambda _: 1) -> None:
        self.most, self.size = most, size
        self._held: OrderedDict[object, T] = OrderedDict()
        self._locks: dict[object, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: object, good: Callable[[T], bool], make: Callable[[T | None], T]) -> T:
        """What is kept where it is good, else what ``make`` makes of it."""
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            found = self._held.get(key)
            if found is None or not good(found):
                found = make(found)
        with self._lock:
            self._held[key] = found
            self._held.move_to_end(key)
            while len(self._held) > 1 and sum(map(self.size, self._held.values())) > self.most:
                self._locks.pop(self._held.popitem(last=False)[0], None)
        return found


class Readings:
    """Rows of studies and curves of runs; safe to share between threads."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._rows = Shelf[tuple[float, list[Row]]](MOST_STUDIES)
        self._curves = Shelf[Curves](MOST_POINTS, lambda curves: curves.points)

    def study(self, study_id: str, now: bool = False) -> list[Row]:
        """(arm, draw, run) of a study's rows, as they were a moment ago; ``now``: as they are."""
        return self._rows.get(
            study_id,
            lambda found: not now and _fresh(found[0]),
            lambda _: (time.monotonic(), self.reader.study_runs(study_id)),
        )[1]

    def curves(self, run: Run, names: Sequence[str]) -> Curves:
        """The metrics of these names (or prefixes that end in "/") of a run, as it was just read from the store."""
        wanted = tuple(names)

        def good(found: Curves) -> bool:
            ended = run.state not in WAITING
            return found.attempt == run.attempt and (found.final or (not ended and _fresh(found.when)))

        return self._curves.get((run.id, wanted), good, lambda before: self._read(run, wanted, before))

    def _read(self, run: Run, names: tuple[str, ...], before: Curves | None) -> Curves:
        when, ended = time.monotonic(), run.state not in WAITING
        known: Told = {}
        if before is not None and before.attempt == run.attempt and not ended:  # an ended one is read once more, whole
            known = before.told
        last = max((steps[-1] for steps, _ in known.values() if len(steps)), default=0)
        if run.step < last:  # its checkpoint was lost, and it starts over
            known, last = {}, 0
        # the last step again: what an epoch's end tells comes after the update's own
        new = self.reader.series([run.id], names, after=int(last) - 1).get(run.id, {})
        told = {name: _joined(known, new, name, last) for name in dict.fromkeys([*known, *new])}
        return Curves(told, run.id, run.attempt, names, ended, when, sum(len(steps) for steps, _ in told.values()))


def _fresh(when: float) -> bool:
    return time.monotonic() - when < FRESH_SECONDS


def _joined(known: Told, new: Told, name: str, last: float) -> tuple[np.ndarray, np.ndarray]:
    if name not in known:
        return new[name]
    steps, values = known[name]
    kept = np.searchsorted(steps, last)
    more = new.get(name, (steps[:0], values[:0]))
    return np.concatenate([steps[:kept], more[0]]), np.concatenate([values[:kept], more[1]])
