"""The best fixed λ of those that were trained here with otherwise the same settings: what a learnt one is held to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ctx.charts import number
from ctx.config import RunConfig
from ctx.curves import CurveReader
from ctx.errors import BadInput
from ctx.i18n import t
from ctx.lab.effect import lam
from ctx.parts import Metric
from ctx.records import Run, kept_score

JOINT = "joint"  # the schedule that has a λ
MOST_RUNS = 300  # of the latest that are looked through
SHORT = 8  # characters of an id
NAMED = 3  # ids that a sentence holds
WEIGHT = ("lam", "shape", "lam_from", "switch")  # what λ is, among joint's knobs
APART = {"seed", "balancer", "schedule", "beams"}  # what may differ, or is compared by itself


@dataclass(frozen=True)
class Tried:
    """A fixed λ: its validation score on the target, the mean over these runs."""

    lam: float
    score: float
    runs: tuple[str, ...]


def words(config: RunConfig) -> str:
    """What settings of alike runs hold, for `ctx.store.Store.runs`."""
    return " ".join(word for word in (JOINT, *(one.id for one in config.contexts().values())) if word.isascii())


def tried(config: RunConfig, runs: Iterable[Run], reader: CurveReader) -> list[Tried]:
    """Every λ of finished runs that differ from a run's settings in λ, balancer and draw alone, the lowest first.

    None where the run itself is not joint: no λ is an alternative then.
    """
    if config.schedule.name != JOINT:
        return []
    metric = f"validation/target/{headline(config).name}"
    alike = {run.id: (run, found) for run in runs if (found := _lam(config, run)) is not None}
    curves = reader.series(list(alike), [metric]) if alike else {}
    scores: dict[float, dict[str, float]] = {}
    for id, (run, value) in alike.items():
        score = kept_score(curves.get(id, {}).get(metric), run.final or {})
        if score is not None:
            scores.setdefault(value, {})[id] = score
    return [Tried(value, float(np.mean(list(own.values()))), tuple(own)) for value, own in sorted(scores.items())]


def _lam(config: RunConfig, run: Run) -> float | None:
    """The λ of a finished run that is alike and has a fixed one."""
    if run.state != "done":
        return None
    try:
        theirs = run.config
    except BadInput:
        return None
    fixed = theirs.schedule.name == JOINT and "shape" not in theirs.schedule.knobs
    return lam(theirs) if fixed and theirs.balancer.name == "fixed" and _rest(theirs) == _rest(config) else None


def _rest(config: RunConfig) -> dict[str, Any]:
    """All that has to be the same."""
    shares = {name: value for name, value in config.schedule.knobs.items() if name not in WEIGHT}
    return config.model_dump(mode="json", exclude=APART) | {"shares": shares}


def headline(config: RunConfig) -> Metric:
    """The metric that λ is chosen by."""
    found: Metric = config.task().metrics[0]
    return found


def best(found: Sequence[Tried], metric: Metric) -> Tried | None:
    """The one with the best score; None of none."""
    sign = 1 if metric.higher_is_better else -1
    return max(found, key=lambda one: sign * one.score, default=None)


def sentence(found: Sequence[Tried], metric: Metric) -> str:
    """Which λ is the best, of which, and whose runs say so; "" of none."""
    first = best(found, metric)
    if first is None:
        return ""
    ids = [id[:SHORT] for id in first.runs]
    named = ", ".join(ids[:NAMED]) + (" …" if len(ids) > NAMED else "")
    values: Mapping[str, str] = {"lam": f"{first.lam:g}", "metric": metric.label, "runs": named}
    if len(found) == 1:
        return t(
            "Dashed: λ = {lam}, the only fixed one that was trained here with these settings (runs {runs}).", **values
        )
    return t(
        "Dashed: λ = {lam}, the best by the validation score ({metric}) of the fixed ones that were trained here with "
        "these settings: {scores}. It is of the runs {runs}.",
        scores=", ".join(f"{one.lam:g} ({number(one.score)})" for one in found),
        **values,
    )
