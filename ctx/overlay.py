"""Curves of several runs laid over each other: draws folded into a mean and a band, thinned to what charts can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ctx.compare import Arm
from ctx.curves import MOST_POINTS, CurveReader, evenly, examples, metric
from ctx.records import Told

MOST_CURVES = 20
MOST_DRAWS = 5  # an arm's draws are drawn one by one up to so many, else as a band


@dataclass(frozen=True)
class Quantity:
    """What a chart's y axis may show. ``key``: the metrics' name with the context's key as ``{role}``.

    ``percent``: as a share of the loss of the constant guess, in %, since losses of two contexts aren't comparable.
    ``rises``: more is better.
    """

    key: str
    title: str
    percent: bool = False
    rises: bool = False

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


def overlay(store: CurveReader, arms: Sequence[Arm], quantity: Quantity, role: str) -> Overlay:
    """The curves of one quantity in one context over the examples seen, those of all contexts together."""
    shown, one_by_one = drawn(arms)
    ids = [str(run) for arm in shown for run in arm.runs["id"]]
    y, guess = quantity.key.format(role=role), role if quantity.percent else None
    told = store.series(ids, [y, "seen/", *([f"constant/{role}"] if guess else [])])
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


def curve(told: Told, name: str, percent_of: str | None = None) -> pd.DataFrame:
    """Columns step, x (examples of all contexts seen), y of one run; ``percent_of``: as `metric` reads it."""
    steps, values = metric(told, name, percent_of)
    return pd.DataFrame({"step": steps, "x": examples(told, steps), "y": values})


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
