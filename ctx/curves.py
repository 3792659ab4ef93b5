"""What every chart over training needs: the examples seen by a step, losses as a share of a guess's, fewer points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from ctx.records import Series, Told

MOST_POINTS = 1000  # of a curve that are drawn
NOTHING: Series = (np.empty(0), np.empty(0))


class CurveReader(Protocol):
    """The part of the store that gives curves."""

    def series(self, ids: Sequence[str], names: Sequence[str] = (), after: int = -1) -> Mapping[str, Told]:
        """Steps and values by run and name."""


def examples(told: Told, at: np.ndarray, context: str | None = None) -> np.ndarray:
    """Examples seen by these steps, of one context (its key) or of all: told at the ends of epochs, straight between.

    The epoch that is not over goes on like what came before it. The steps themselves where nothing is told yet.
    """
    known = [one for name, one in told.items() if name.startswith("seen/") and name[5:] == (context or name[5:])]
    steps = known[0][0] if known else NOTHING[0]
    if len(steps) < 2:
        return at
    count = np.sum([values[: len(steps)] for _, values in known], axis=0)
    slope = (count[-1] - count[-2]) / max(steps[-1] - steps[-2], 1)
    found: np.ndarray = np.where(at > steps[-1], count[-1] + slope * (at - steps[-1]), np.interp(at, steps, count))
    return found


def metric(told: Told, name: str, percent_of: str | None = None) -> Series:
    """One metric; ``percent_of``: in % of the loss of the constant guess in this context (its key), nothing without."""
    steps, values = told.get(name, NOTHING)
    if percent_of is None:
        return steps, values
    _, constant = told.get(f"constant/{percent_of}", NOTHING)
    if not len(constant) or not constant[0]:
        return NOTHING
    return steps, 100 * values / constant[0]


def evenly(n: int, most: int = MOST_POINTS) -> np.ndarray:
    """At most so many of n places, spread evenly, the first and the last among them."""
    return np.unique(np.linspace(0, max(n - 1, 0), min(n, most)).round().astype(int))
