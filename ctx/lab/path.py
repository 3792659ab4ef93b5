"""A preview as lines to draw: where values stand on the axis, where one's settings and the runs that ended stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import log10

import numpy as np

from ctx.charts import REFERENCE, SOURCE, TARGET, Mark, number
from ctx.charts_paths import Line
from ctx.config import RunConfig
from ctx.i18n import t
from ctx.lab.effect import lam
from ctx.lab.names import short
from ctx.preview import Preview
from ctx.records import Row, Told
from ctx.sweeps.found import needs

GAP = 0.45  # on the logarithmic axis, between the first or last value and what stands for none or for all
NEAR = 0.35  # numbers of labels nearer than this to the last one would run into it
HURTS = 0.005  # a smaller loss is not spoken of
POINTS = ("validation/",)  # what is read of runs


def lines(found: Preview, context: str, names: Mapping[str, str]) -> list[Line]:
    """The lines of one context; ``names``: of "both" and "alone"."""
    both, alone, zero = (np.asarray(scores[context]) for scores in (found.both, found.alone, found.zero))
    x = np.log10(found.values)
    colour = TARGET if context == "target" else SOURCE
    if found.axis == "lam":
        places = np.asarray([x[0] - GAP, *x, x[-1] + GAP])
        return [Line(names["both"], places, np.concatenate([zero, both, alone]), colour)]
    joint = Line(names["both"], np.asarray([x[0] - GAP, *x]), np.concatenate([zero, both]), colour)
    return [joint, Line(names["alone"], x, alone, REFERENCE, "dot")]


def ticks(found: Preview) -> list[tuple[float, str]]:
    """Places of the x axis and what stands there."""
    first, last = log10(found.values[0]), log10(found.values[-1])
    if found.axis == "size":
        sizes = [size for size in found.values[:-1] if log10(size) < last - NEAR] + found.values[-1:]
        return [(first - GAP, t("none")), *((log10(size), f"{size:,.0f}") for size in sizes)]
    inside = [(log10(value), f"{value:g}") for value in (0.01, 0.1, 1.0, 10.0)]
    return [(first - GAP, "0"), *inside, (last + GAP, "∞")]


def place(found: Preview, value: float | None) -> float:
    """Where λ, or a number of labels, stands on the x axis; None is the most there can be."""
    first, last = log10(found.values[0]), log10(found.values[-1])
    if value is None:
        return last + (GAP if found.axis == "lam" else 0.0)
    return first - GAP if value <= 0 else float(np.clip(log10(value), first - GAP / 2, last + GAP / 2))


def value(found: Preview, config: RunConfig) -> float | None:
    """Where a configuration stands: its λ, or its number of target labels, None for all."""
    if found.axis == "lam":
        return lam(config)
    return None if config.target is None or config.target.size is None else float(config.target.size)


def mark(found: Preview, config: RunConfig, context: str) -> Mark:
    """The place of a configuration, with its score on the path."""
    at = place(found, value(found, config))
    line = lines(found, context, {"both": "", "alone": ""})[0]
    return Mark(at, number(float(np.interp(at, line.x, line.mean))))


def landed(
    found: Preview, config: RunConfig, rows: Iterable[tuple[Row, Told]], context: str
) -> list[tuple[float, float]]:
    """Where a study's runs ended: their score on validation with the weights that were kept."""
    places = {"chosen": place(found, value(found, config)), "source-only": place(found, 0.0)}
    places["target-only"] = place(found, None) if found.axis == "lam" else places["chosen"]
    points = []
    for (arm, _, run), told in rows:
        steps, values = told.get(f"validation/{context}/{found.metric}", (np.empty(0), np.empty(0)))
        at = np.flatnonzero(steps == (run.final or {}).get("kept_step"))
        if len(at) and arm in places:
            points.append((places[arm], float(values[at[-1]])))
    return points


def sentence(found: Preview, config: RunConfig) -> str:
    """What the path says of where one stands."""
    target = short(config.target.id) if config.target else ""
    here, zero = mark(found, config, "target").text, number(float(np.mean(found.zero["target"])))
    if found.axis == "lam":
        alone = number(float(np.mean(found.alone["target"])))
        text = t("On {target} about {here} here; {zero} without any label of it, {alone} without the source.")
        return text.format(target=target, here=here, zero=zero, alone=alone)
    there = value(found, config) or found.values[-1]
    if there < found.values[0]:
        return ""  # fewer than were tried
    line = lines(found, "target", {"both": "", "alone": ""})[0]
    reached = float(np.interp(place(found, there), line.x, line.mean))
    sizes, alone_means = np.asarray(found.values), np.mean(found.alone["target"], 1)
    wanted = needs(sizes, alone_means, reached)
    if wanted != wanted:
        text = t("With the source, {n} labels reach {here}: without it not even all {most} do.")
        return text.format(n=f"{there:,.0f}", here=here, most=f"{sizes[-1]:,.0f}")
    without = float(np.interp(place(found, there), np.log10(found.values), alone_means))
    if reached < without - HURTS:
        text = t("With {n} labels the source hurts: {here} with it, {alone} without.")
        return text.format(n=f"{there:,.0f}", here=here, alone=number(without))
    if wanted < 1.05 * there:  # read off a line between two sizes
        return t("With {n} labels the source adds nothing.", n=f"{there:,.0f}")
    text = t("With the source, {n} labels reach {here}: without it that takes about {needs}.")
    return text.format(n=f"{there:,.0f}", here=here, needs=f"{float(f'{wanted:.2g}'):,.0f}")
