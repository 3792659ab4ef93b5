"""Curves of several runs laid over each other: draws folded into a mean and a band, thinned to what charts can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from ctx.compare import Arm

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
    points = store.points(ids, [y, "seen/", *([guess] if guess else [])])
    curves = {str(run): curve(own, y, guess) for run, own in points.groupby("run")}
    means, draws = [], []
    for arm in shown:
        own = {str(run): curves[str(run)] for run in arm.runs["id"] if str(run) in curves and len(curves[str(run)])}
        if own:
            means.append(_mean(own).assign(arm=arm.label))
            if one_by_one and len(own) > 1:
                draws += [thinned(curve).assign(arm=arm.label, run=run) for run, curve in own.items()]
    return Overlay(
        _joined(means, ["arm", "step", "x", "y", "low", "high"]),
        _joined(draws, ["arm", "run", "step", "x", "y"]),
        len(shown),
        len(arms),
    )


def _joined(parts: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(columns))


def curve(points: pd.DataFrame, y: str, guess: str = "") -> pd.DataFrame:
    """Columns step, x, y of one run. ``points``: columns name, step, value; ``guess``: the metric that is 100 %."""
    by_name = {str(name): own for name, own in points.groupby("name")}
    if y not in by_name or (guess and guess not in by_name):
        return pd.DataFrame(columns=["step", "x", "y"])
    found = by_name[y]
    values = found["value"].to_numpy()
    if guess:
        values = 100 * values / by_name[guess]["value"].iloc[0]
    seen = [own for name, own in by_name.items() if name.startswith("seen/")]
    return pd.DataFrame({"step": found["step"].to_numpy(), "x": examples(found["step"], seen), "y": values})


def examples(steps: pd.Series, seen: Sequence[pd.DataFrame]) -> np.ndarray:
    """Examples seen at each step. They are told at every epoch's end; between two of them they grow evenly.

    While the first epoch runs nothing is told yet, and there are only the steps themselves.
    """
    at = steps.to_numpy(dtype=float)
    if not seen or max(own["step"].max() for own in seen) == 0:
        return at
    told = [np.interp(at, own["step"].to_numpy(dtype=float), own["value"].to_numpy()) for own in seen]
    return np.asarray(np.sum(told, axis=0))


def _mean(curves: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Mean, lowest and highest at every step that any draw has told."""
    every = pd.concat(curves.values())
    by_step = every.groupby("step", as_index=False).agg(
        x=("x", "mean"), y=("y", "mean"), low=("y", "min"), high=("y", "max")
    )
    return thinned(by_step)


def thinned(curve: pd.DataFrame, most: int = MOST_POINTS) -> pd.DataFrame:
    """At most so many rows, spread evenly, the first and the last among them."""
    if len(curve) <= most:
        return curve
    return curve.iloc[np.unique(np.linspace(0, len(curve) - 1, most).round().astype(int))]
