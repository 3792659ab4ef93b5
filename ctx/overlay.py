"""Curves of several runs laid over each other: draws folded into a mean and a band, thinned to what charts can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import pandas as pd

from ctx.compare import Arm

Series = tuple[np.ndarray, np.ndarray]  # steps, values
MOST_CURVES, MOST_POINTS = 20, 1000
MOST_DRAWS = 5  # an arm's draws are drawn one by one up to so many, else as a band


class Points(Protocol):
    """The part of the store that is read here."""

    def points(self, ids: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
        """Columns run, name, step, value."""


@dataclass(frozen=True)
class Quantity:
    """What a chart's y axis may show. ``key``: the metrics' name with the context's key as ``{role}``.

    ``percent``: as a share of the loss of the constant guess, in %, since losses of two contexts aren't comparable.
    """

    key: str
    title: str
    percent: bool = False

    @property
    def by_context(self) -> bool:
        """Whether each context has one of its own."""
        return "{role}" in self.key


@dataclass(frozen=True)
class Overlay:
    """``means``: columns arm, x, y, low, high (over draws). ``draws``: columns arm, run, x, y; empty where folded.

    ``arms``: how many arms were drawn, of how many that were asked for.
    """

    means: pd.DataFrame
    draws: pd.DataFrame
    arms: int
    asked: int


def drawn(arms: Sequence[Arm]) -> tuple[list[Arm], bool]:
    """The arms that are drawn, and whether each draw gets a line of its own beside the mean."""
    shown = list(arms[:MOST_CURVES])
    several = [len(arm.runs) for arm in shown]
    lines = sum(n + 1 if n > 1 else 1 for n in several)
    return shown, lines <= MOST_CURVES and max(several, default=0) <= MOST_DRAWS


def overlay(store: Points, arms: Sequence[Arm], quantity: Quantity, role: str) -> Overlay:
    """The curves of one quantity in one context over the examples seen, those of all contexts together."""
    shown, one_by_one = drawn(arms)
    ids = [str(run) for arm in shown for run in arm.runs["id"]]
    y, guess = quantity.key.format(role=role), f"constant/{role}" if quantity.percent else ""
    told = series(store.points(ids, [y, "seen/", *([guess] if guess else [])]))
    curves = {run: curve(own, y, guess) for run, own in told.items()}
    means, draws = [], []
    for arm in shown:
        own = {run: curves[run] for run in arm.ids if run in curves and len(curves[run])}
        if own:
            means.append(_mean(list(own.values())).assign(arm=arm.label))
            if one_by_one and len(own) > 1:
                draws += [thinned(one).assign(arm=arm.label, run=run) for run, one in own.items()]
    return Overlay(
        _joined(means, ["arm", "step", "x", "y", "low", "high"]),
        _joined(draws, ["arm", "run", "step", "x", "y"]),
        len(shown),
        len(arms),
    )


def _joined(parts: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(columns))


def series(points: pd.DataFrame) -> dict[str, dict[str, Series]]:
    """By run and name: the steps and the values. ``points`` as the store gives them, in order of run, name, step."""
    if points.empty:
        return {}
    runs, names = points["run"].to_numpy(dtype=object), points["name"].to_numpy(dtype=object)
    steps, values = points["step"].to_numpy(dtype=float), points["value"].to_numpy(dtype=float)
    starts = np.flatnonzero((runs[1:] != runs[:-1]) | (names[1:] != names[:-1])) + 1
    found: dict[str, dict[str, Series]] = {}
    for first, end in pairwise([0, *starts.tolist(), len(points)]):
        found.setdefault(str(runs[first]), {})[str(names[first])] = (steps[first:end], values[first:end])
    return found


def curve(told: Mapping[str, Series], y: str, guess: str = "") -> pd.DataFrame:
    """Columns step, x, y of one run, from what it told by name; ``guess``: the metric that is 100 %."""
    if y not in told or (guess and guess not in told):
        return pd.DataFrame({"step": [], "x": [], "y": []})
    steps, values = told[y]
    if guess:
        values = 100 * values / told[guess][1][0]
    return pd.DataFrame({"step": steps, "x": examples(steps, told), "y": values})


def examples(steps: np.ndarray, told: Mapping[str, Series]) -> np.ndarray:
    """Examples of all contexts seen at each step. They are told at every epoch's end; between two they grow evenly.

    While the first epoch runs nothing is told yet, and there are only the steps themselves.
    """
    seen = [one for name, one in told.items() if name.startswith("seen/")]
    if not seen or max(at[-1] for at, _ in seen) == 0:
        return steps
    return np.asarray(np.sum([np.interp(steps, at, count) for at, count in seen], axis=0))


def _mean(curves: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Mean, lowest and highest at every step that any draw has told."""
    every = pd.concat(curves) if len(curves) > 1 else curves[0]
    groups = every.groupby("step")
    found = groups.mean()
    y = groups["y"]
    return thinned(found.assign(low=y.min(), high=y.max()).reset_index())


def thinned(told: pd.DataFrame) -> pd.DataFrame:
    """At most `MOST_POINTS` rows, spread evenly."""
    return told if len(told) <= MOST_POINTS else told.iloc[evenly(len(told))]


def evenly(n: int, most: int = MOST_POINTS) -> np.ndarray:
    """At most so many of n places, spread evenly, the first and the last among them."""
    return np.unique(np.linspace(0, max(n - 1, 0), min(n, most)).round().astype(int))
