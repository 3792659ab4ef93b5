"""How a run learned, as lines to draw: loss of each context over the examples seen, and the moments that matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ctx import charts
from ctx.config import RunConfig
from ctx.i18n import t
from ctx.lab.names import short

BRIEF = ("validation/", "constant/", "seen/", "phase", "kept")  # what has to be read of a run that is folded
NAMES = ("loss/", *BRIEF)  # the same with a point a step
BINS = 150  # points of a training curve that are drawn
Points = Mapping[str, tuple[np.ndarray, np.ndarray]]  # a run's metrics: name to steps and values
XY = tuple[np.ndarray, np.ndarray]
NOTHING: XY = (np.empty(0), np.empty(0))


@dataclass(frozen=True)
class How:
    """How to draw: loss as % of the constant guess's or raw; over this context's examples or all that were seen."""

    percent: bool = True
    own: bool = True


def table(points: pd.DataFrame) -> dict[str, XY]:
    """One run's rows of the store as arrays by name."""
    return {
        str(name): (own["step"].to_numpy(float), own["value"].to_numpy(float))
        for name, own in points.groupby("name", sort=False)
    }


def lines(runs: Sequence[Points], context: str, how: How, names: Mapping[str, str]) -> list[charts.Line]:
    """The lines of one context: of one run training thin and validation bold; of several each thin, their mean bold.

    ``names``: what the legend says for "training", "validation", "draw".
    """
    colour = charts.TARGET if context == "target" else charts.SOURCE
    held = [curve(run, f"validation/{context}/loss", context, how) for run in runs]
    drawn = [charts.Line(names["draw"], x, y, colour) for x, y in held if len(x)] if len(runs) > 1 else []
    if len(runs) == 1:
        trained = binned(curve(runs[0], f"loss/{context}", context, how))
        drawn += [charts.Line(names["training"], *trained, colour)] if len(trained[0]) else []
    middle = mean(held)
    return [*drawn, charts.Line(names["validation"], *middle, colour, bold=True)] if len(middle[0]) else drawn


def reference(runs: Sequence[Points], context: str, how: How, name: str) -> list[charts.Line]:
    """The validation curve of a baseline, dotted in grey: the mean over its runs."""
    x, y = mean([curve(run, f"validation/{context}/loss", context, how) for run in runs])
    return [charts.Line(name, x, y, charts.REFERENCE, bold=True, dash="dot")] if len(x) else []


def mean(held: Sequence[XY]) -> XY:
    """The mean over curves, point by point: draws of one arm differ by a few examples at the end of an epoch."""
    there = [(x, y) for x, y in held if len(x)]
    if not there:
        return NOTHING
    index = np.concatenate([np.arange(len(x)) for x, _ in there])
    count = np.bincount(index)
    x, y = (np.bincount(index, weights=np.concatenate(values)) / count for values in zip(*there, strict=True))
    return x, y


def curve(run: Points, name: str, context: str, how: How) -> XY:
    """One metric of one run over the examples seen."""
    steps, values = run.get(name, NOTHING)
    if how.percent:
        _, constant = run.get(f"constant/{context}", NOTHING)
        if not len(constant) or not constant[0]:
            return NOTHING
        values = 100 * values / constant[0]
    return seen(run, context, how.own, steps), values


def seen(run: Points, context: str, alone: bool, at: np.ndarray) -> np.ndarray:
    """Examples seen by these steps, of this context or of all: known at the ends of epochs, straight between them."""
    keys = [f"seen/{context}"] if alone else [name for name in run if name.startswith("seen/")]
    known = [run[key] for key in keys if key in run]
    if not known:
        return at
    steps = known[0][0]
    examples = np.sum([values[: len(steps)] for _, values in known], axis=0)
    found: np.ndarray = np.interp(at, steps, examples)
    if len(steps) > 1:  # the epoch that is not over yet goes on like the last one
        slope = (examples[-1] - examples[-2]) / max(steps[-1] - steps[-2], 1)
        found = np.where(at > steps[-1], examples[-1] + slope * (at - steps[-1]), found)
    return found


def binned(found: XY, bins: int = BINS) -> XY:
    """At most so many points, each the mean of its neighbours; the noise of single batches is left out."""
    x, y = found
    if len(x) <= bins:
        return found
    place = np.arange(len(x)) * bins // len(x)
    count = np.bincount(place)
    return np.bincount(place, weights=x) / count, np.bincount(place, weights=y) / count


def marks(runs: Sequence[Points], context: str, how: How) -> list[charts.Mark]:
    """Hand-overs, and of one run the step whose weights were kept (each draw has its own)."""
    run = runs[0]
    phases = run.get("phase", NOTHING)[0]
    found = [charts.Mark(float(x), t("hand-over")) for x in seen(run, context, how.own, phases[phases > 0])]
    kept = run.get("kept", NOTHING)[0]
    if len(kept) and len(runs) == 1:
        found.append(charts.Mark(float(seen(run, context, how.own, kept[-1:])[0]), t("kept")))
    return found


def titles(config: RunConfig, context: str, how: How) -> tuple[str, str]:
    """The axes' titles, with units."""
    name = short(config.contexts()[context].id)
    x = t("examples of {name} seen", name=name) if how.own else t("examples seen, all contexts")
    return x, t("loss, % of a constant guess's") if how.percent else t("loss (raw)")
