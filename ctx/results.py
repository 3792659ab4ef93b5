"""What arms came to: a row for each arm and context and result, draws folded, set against a pinned baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import fmean, stdev

import pandas as pd

from ctx.compare import Arm, roles
from ctx.errors import UnknownName
from ctx.metrics import per_class
from ctx.parts import Metric
from ctx.registry import part, task_of
from ctx.verdict import Difference, difference


@dataclass(frozen=True)
class Delta:
    """An arm less the baseline. ``paired``: over equal seeds; else only the two means are compared."""

    mean: float
    paired: Difference | None


@dataclass(frozen=True)
class Result:
    """A result of an arm on the test split of a context. ``spread``: standard deviation over draws, None from one.

    ``floor`` is that of always giving the same answer; ``delta`` is None where there is nothing to compare with.
    """

    arm: str
    role: str
    context: str
    metric: Metric
    draws: int
    mean: float
    spread: float | None
    floor: float | None
    delta: Delta | None = None


def metrics_of(context: str) -> tuple[Metric, ...]:
    """The results that a context's task has, the headline first; none where the context is no longer known."""
    try:
        found = task_of(part("contexts", context).application).metrics
    except UnknownName:
        return ()
    losses = [metric for metric in found if metric.name == "loss"]
    return tuple(m for m in found if m.name != "loss" or all(o.label != m.label for o in found if o not in losses))


def headlines(rows: pd.DataFrame) -> tuple[list[Metric | None], dict[str, list[float | None]]]:
    """By what each row is measured (None where that isn't known), and that result by role; no role that has none."""
    contexts = [rows[role].tolist() for role in ("target", "source") if role in rows]
    known = {one: next(iter(metrics_of(one)), None) for one in {*chain(*contexts)} if isinstance(one, str)}
    named = [next(filter(None, map(known.get, row)), None) for row in zip(*contexts, strict=True)]
    found: dict[str, list[float | None]] = {}
    for role in ("target", "source"):
        columns = {m.name: rows[f"{role}/{m.name}"].tolist() for m in {*named} if m and f"{role}/{m.name}" in rows}
        values = [columns[m.name][place] if m and m.name in columns else None for place, m in enumerate(named)]
        if any(value is not None and value == value for value in values):
            found[role] = values
    return named, found


def results(arms: Sequence[Arm], baseline: Arm | None = None) -> list[Result]:
    """Every arm's results by context, the target first; a baseline has no delta to itself."""
    found = []
    for arm in arms:
        for role in sorted(roles(arm.runs), key=lambda role: (role != "target", role)):
            context = arm.runs[role].iloc[0]
            if pd.notna(context):
                found += _of_context(arm, role, str(context), baseline)
    return found


def _of_context(arm: Arm, role: str, context: str, baseline: Arm | None) -> list[Result]:
    found = []
    for metric in metrics_of(context):
        values = arm.draws(f"{role}/{metric.name}")
        if values:
            floors = arm.draws(f"floor/{role}/{metric.name}")
            several = list(values.values())
            found.append(
                Result(
                    arm.label,
                    role,
                    context,
                    metric,
                    len(several),
                    fmean(several),
                    stdev(several) if len(several) > 1 else None,
                    fmean(floors.values()) if floors else None,
                    _delta(arm, baseline, role, context, metric),
                )
            )
    return found


def _delta(arm: Arm, baseline: Arm | None, role: str, context: str, metric: Metric) -> Delta | None:
    """Only against the same context in the same role: other test sets say nothing about this one."""
    if baseline is None or baseline is arm or role not in baseline.runs or baseline.runs[role].iloc[0] != context:
        return None
    ones, others = arm.draws(f"{role}/{metric.name}"), baseline.draws(f"{role}/{metric.name}")
    if not ones or not others:
        return None
    paired = difference(ones, others)
    return Delta(paired.mean if paired else fmean(ones.values()) - fmean(others.values()), paired)


def as_table(found: Sequence[Result]) -> pd.DataFrame:
    """One row a result, numbers as numbers: for the CSV file and the command line's JSON."""
    rows = []
    for one in found:
        paired = one.delta.paired if one.delta else None
        rows.append(
            {
                "arm": one.arm,
                "role": one.role,
                "context": one.context,
                "metric": one.metric.name,
                "draws": one.draws,
                "mean": one.mean,
                "spread": one.spread,
                "floor": one.floor,
                "delta": one.delta.mean if one.delta else None,
                "delta_low": paired.low if paired else None,
                "delta_high": paired.high if paired else None,
                "paired_draws": paired.draws if paired else None,
            }
        )
    return pd.DataFrame(rows)


def per_class_rows(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> list[dict[str, object]]:
    """Precision, recall, F1 and support of each class from confusion counts (row the true label)."""
    import numpy as np

    rows = per_class(np.asarray(counts))
    return [{"class": label, **row, "support": int(row["support"])} for label, row in zip(labels, rows, strict=True)]
