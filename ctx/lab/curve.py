"""How a run learned, as lines to draw: loss of each context over the examples seen, and the moments that matter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ctx import charts
from ctx.config import RunConfig
from ctx.i18n import t
from ctx.lab.names import short

COLUMNS = ["x", "y", "line", "bold", "run", "colour", "dash"]
NAMES = ("loss/", "validation/", "constant/", "seen/", "phase", "kept")  # what has to be read from the store
BRIEF = ("validation/", "constant/", "seen/", "phase", "kept")  # the same without a point a step
BINS = 150  # points of a training curve that are drawn


@dataclass(frozen=True)
class How:
    """How to draw: loss as % of the constant guess's or raw; over this context's examples or all that were seen."""

    percent: bool = True
    own: bool = True


def lines(points: pd.DataFrame, runs: Sequence[str], context: str, how: How, names: dict[str, str]) -> pd.DataFrame:
    """The lines of one context: training thin, validation bold; of several runs each thin and their mean bold.

    ``points``: columns run, name, step, value. ``names``: what the legend says for "training", "validation", "draw".
    """
    colour = charts.TARGET if context == "target" else charts.SOURCE
    drawn: list[pd.DataFrame] = []
    held: list[pd.DataFrame] = []
    for run in runs:
        own = points[points["run"] == run]
        checked = curve(own, f"validation/{context}/loss", context, how)
        if checked.empty:
            continue
        held.append(checked)
        if len(runs) == 1:
            trained = binned(curve(own, f"loss/{context}", context, how))
            drawn.append(trained.assign(line=names["training"], bold=False, run=run))
        else:
            drawn.append(checked.assign(line=names["draw"], bold=False, run=run))
    if held:
        middle = pd.concat(held).groupby("x", as_index=False)["y"].mean()
        drawn.append(middle.assign(line=names["validation"], bold=True, run="mean"))
    if not drawn:
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat(drawn, ignore_index=True).assign(colour=colour, dash="solid")[COLUMNS]


def reference(points: pd.DataFrame, runs: Iterable[str], context: str, how: How, name: str) -> pd.DataFrame:
    """The validation curve of a baseline, in grey: the mean over its runs."""
    held = [
        curve(points[points["run"] == run], f"validation/{context}/loss", context, how)
        for run in runs
        if (points["run"] == run).any()
    ]
    if not held:
        return pd.DataFrame(columns=COLUMNS)
    middle = pd.concat(held).groupby("x", as_index=False)["y"].mean()
    return middle.assign(line=name, bold=True, run="baseline", colour=charts.REFERENCE, dash="dot")[COLUMNS]


def curve(own: pd.DataFrame, name: str, context: str, how: How) -> pd.DataFrame:
    """Columns x, y of one metric of one run."""
    found = own[own["name"] == name].sort_values("step")
    values = found["value"].to_numpy(dtype=float)
    constant = own.loc[own["name"] == f"constant/{context}", "value"]
    if how.percent:
        if constant.empty or not constant.iloc[0]:
            return pd.DataFrame({"x": [], "y": []})
        values = 100 * values / float(constant.iloc[0])
    return pd.DataFrame({"x": seen(own, context, how.own)(found["step"].to_numpy(dtype=float)), "y": values})


def seen(own: pd.DataFrame, context: str, alone: bool) -> Steps:
    """From steps to examples seen: of this context, or of all."""
    keys = [f"seen/{context}"] if alone else [n for n in own["name"].unique() if n.startswith("seen/")]
    table = own[own["name"].isin(keys)].groupby("step")["value"].sum()
    return Steps(table.index.to_numpy(dtype=float), table.to_numpy(dtype=float))


@dataclass(frozen=True)
class Steps:
    """A step's number to the examples seen by then, straight between the epochs' ends and beyond the last."""

    steps: np.ndarray
    examples: np.ndarray

    def __call__(self, at: np.ndarray) -> np.ndarray:
        if len(self.steps) == 0:
            return at
        found: np.ndarray = np.interp(at, self.steps, self.examples)
        if len(self.steps) > 1:
            slope = (self.examples[-1] - self.examples[-2]) / max(self.steps[-1] - self.steps[-2], 1)
            found = np.where(at > self.steps[-1], self.examples[-1] + slope * (at - self.steps[-1]), found)
        return found


def binned(found: pd.DataFrame, bins: int = BINS) -> pd.DataFrame:
    """At most so many points, each the mean of its neighbours; the noise of single batches is left out."""
    if len(found) <= bins:
        return found
    return found.groupby(np.arange(len(found)) * bins // len(found), as_index=False)[["x", "y"]].mean()


def marks(points: pd.DataFrame, run: str, context: str, how: How) -> list[charts.Mark]:
    """Hand-overs, and the step whose weights were kept."""
    own = points[points["run"] == run]
    place = seen(own, context, how.own)
    phases = own[(own["name"] == "phase") & (own["step"] > 0)]["step"].to_numpy(dtype=float)
    found = [charts.Mark(float(x), t("hand-over")) for x in place(phases)]
    kept = own[own["name"] == "kept"]["step"]
    if len(kept):
        found.append(charts.Mark(float(place(np.asarray([float(kept.max())]))[0]), t("kept")))
    return found


def titles(config: RunConfig, context: str, how: How) -> tuple[str, str]:
    """The axes' titles, with units."""
    name = short(config.contexts()[context].id)
    x = t("examples of {name} seen", name=name) if how.own else t("examples seen, all contexts")
    return x, t("loss, % of a constant guess's") if how.percent else t("loss (raw)")
