"""How a run learned, as lines to draw: loss of each context over the examples seen, and the moments that matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ctx import charts
from ctx.config import RunConfig
from ctx.curves import NOTHING, examples, metric
from ctx.i18n import t
from ctx.lab.names import short
from ctx.records import Series, Told

BRIEF = ("validation/", "constant/", "seen/", "phase", "kept")  # what has to be read of a run that is folded
NAMES = ("loss/", *BRIEF)  # the same with a point a step
BINS = 150  # points of a training curve that are drawn


@dataclass(frozen=True)
class How:
    """How to draw: loss as % of the constant guess's or raw; over this context's examples or all that were seen."""

    percent: bool = True
    own: bool = True

    def examples(self, run: Told, context: str, steps: np.ndarray) -> np.ndarray:
        """Where these steps of a run stand on the x axis of a context's chart."""
        return examples(run, steps, context if self.own else None)


def lines(runs: Sequence[Told], context: str, how: How, names: Mapping[str, str]) -> list[charts.Line]:
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


def reference(runs: Sequence[Told], context: str, how: How, name: str) -> list[charts.Line]:
    """The validation curve of a baseline, dotted in grey: the mean over its runs."""
    x, y = mean([curve(run, f"validation/{context}/loss", context, how) for run in runs])
    return [charts.Line(name, x, y, charts.REFERENCE, bold=True, dash="dot")] if len(x) else []


def mean(held: Sequence[Series]) -> Series:
    """The mean over curves, point by point: draws of one arm differ by a few examples at the end of an epoch."""
    there = [(x, y) for x, y in held if len(x)]
    if not there:
        return NOTHING
    index = np.concatenate([np.arange(len(x)) for x, _ in there])
    count = np.bincount(index)
    x, y = (np.bincount(index, weights=np.concatenate(values)) / count for values in zip(*there, strict=True))
    return x, y


def curve(run: Told, name: str, context: str, how: How) -> Series:
    """One metric of one run over the examples seen."""
    steps, values = metric(run, name, context if how.percent else None)
    return how.examples(run, context, steps), values


def binned(found: Series, bins: int = BINS) -> Series:
    """At most so many points, each the mean of its neighbours; the noise of single batches is left out."""
    x, y = found
    if len(x) <= bins:
        return found
    place = np.arange(len(x)) * bins // len(x)
    count = np.bincount(place)
    return np.bincount(place, weights=x) / count, np.bincount(place, weights=y) / count


def marks(runs: Sequence[Told], context: str, how: How) -> list[charts.Mark]:
    """Hand-overs, and of one run the step whose weights were kept (each draw has its own)."""
    run = runs[0]
    phases = run.get("phase", NOTHING)[0]
    found = [charts.Mark(float(x), t("hand-over")) for x in how.examples(run, context, phases[phases > 0])]
    kept = run.get("kept", NOTHING)[0]
    if len(kept) and len(runs) == 1:
        found.append(charts.Mark(float(how.examples(run, context, kept[-1:])[0]), t("kept")))
    return found


def titles(config: RunConfig, context: str, how: How) -> tuple[str, str]:
    """The axes' titles, with units."""
    name = short(config.contexts()[context].id)
    x = t("examples of {name} seen", name=name) if how.own else t("examples seen, all contexts")
    return x, t("loss, % of a constant guess's") if how.percent else t("loss (raw)")
