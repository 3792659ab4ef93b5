"""What came of a sweep, as frames: its cells, curves along one setting, what each setting matters, labels saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ctx.records import Job, Row, Study
from ctx.sweeps.plan import Sweep, cell_of, metric
from ctx.verdict import half_width

DRAW = "draw"
ROLES = {"target": "on target", "source": "on source"}  # a role and the column that holds its results
TARGET, SOURCE = ROLES.values()
SIZE = "target.size"


def frame(sweep: Sweep, rows: Sequence[Row]) -> pd.DataFrame:
    """One row a cell and draw: a column an axis, draw, run, state, on target, on source (test results, else NaN).

    An axis's None is the text "None", which is what its values are told apart by.

    ``alone``: target only in the same cell and draw, and ``gain``: the target's result less that, signed so that more
    is better; both NaN where the sweep has no baseline.
    """
    name, names = metric(sweep).name, [axis.name for axis in sweep.axes]
    found, alone = [], {}
    for arm, draw, run in rows:
        cell, baseline = cell_of(arm)
        metrics = ((run.final or {}).get("metrics") or {}) if run.state == "done" else {}
        values = {column: (metrics.get(role) or {}).get(name) for role, column in ROLES.items()}
        if baseline:
            alone[(*(str(cell[one]) for one in names), draw)] = values[TARGET]
        else:
            own = {one: "None" if cell[one] is None else cell[one] for one in names}
            found.append(own | {DRAW: draw, "run": run.id, "state": run.state} | values)
    table = pd.DataFrame(found, columns=[*names, DRAW, "run", "state", *ROLES.values()], dtype=object)
    table = table.astype({DRAW: int} | dict.fromkeys(ROLES.values(), float))
    keys = [(*map(str, row[:-1]), row[-1]) for row in table[[*names, DRAW]].itertuples(index=False)]
    table["alone"] = pd.array([alone.get(key) for key in keys], dtype=float)
    table["gain"] = (table[TARGET] - table["alone"]) * (1 if metric(sweep).higher_is_better else -1)
    return table


def folded(table: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """The means of a value over draws and over whatever else varies: columns ``by``, mean, low, high, sd, n, runs.

    ``low``, ``high``: the 95 % interval of the mean over the draws' own means, since runs of one draw share its labels.
    """
    there, keys = table[table[value].notna()], list(by)
    draws = there.groupby([*keys, DRAW], sort=False)[value].mean()
    levels = list(range(len(keys)))
    cells = draws.groupby(level=levels, sort=False).agg(mean="mean", sd="std", n="count")
    half = half_width(cells["sd"].to_numpy(), cells["n"].to_numpy())
    cells = cells.assign(low=cells["mean"] - half, high=cells["mean"] + half)
    cells["runs"] = there.groupby(keys, sort=False)["run"].agg(list)
    found: pd.DataFrame = cells.reset_index()[[*keys, "mean", "low", "high", "sd", "n", "runs"]]
    return found


def importance(table: pd.DataFrame, axes: Sequence[str], value: str) -> dict[str, float]:
    """The share of a value's variance that each axis, and the draw, explains by itself (η² of the main effects).

    What is left is what settings do together, and chance. Empty until two results differ.
    """
    there = table[table[value].notna()]
    total = float(((there[value] - there[value].mean()) ** 2).sum())
    if not total:
        return {}
    found = {}
    for name in (*axes, DRAW):
        means = there.groupby(there[name].map(str))[value].transform("mean")
        found[name] = float(((means - there[value].mean()) ** 2).sum()) / total
    return found


def labels_worth(table: pd.DataFrame, higher_is_better: bool = True) -> pd.DataFrame:
    """How many labels target only would need for what each size reaches: columns size, mean, alone, needs.

    Read off the horizontal distance between the two curves, on a logarithmic scale; NaN where target only never gets
    there within the sizes that were tried.
    """
    both = table[table[TARGET].notna() & table["alone"].notna() & (table[SIZE] != "None")].astype({SIZE: float})
    means = both.groupby(SIZE)[[TARGET, "alone"]].mean().sort_index()
    sizes, alone = means.index.to_numpy(float), means["alone"].to_numpy(float)
    better = 1.0 if higher_is_better else -1.0
    rows = []
    for size, reached in zip(sizes, means[TARGET].to_numpy(float), strict=True):
        rows.append(
            {
                "size": size,
                "mean": reached,
                "alone": alone[sizes == size][0],
                "needs": needs(sizes, better * alone, better * reached),
            }
        )
    return pd.DataFrame(rows, columns=["size", "mean", "alone", "needs"])


def needs(sizes: np.ndarray, scores: np.ndarray, reached: float) -> float:
    """The size at which a curve first comes to a score, interpolated between the logarithms of the sizes around it."""
    for i, score in enumerate(scores):
        if score >= reached:
            if i == 0:
                return float(sizes[0])
            share = (reached - scores[i - 1]) / (score - scores[i - 1])
            return float(np.exp(np.log(sizes[i - 1]) + share * np.log(sizes[i] / sizes[i - 1])))
    return float("nan")


def document(sweep: Sweep, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Every run as a command prints it: run, config, metrics, and where it stands in the map."""
    return [
        {
            "run": run.id,
            "cell": cell_of(arm)[0],
            "baseline": cell_of(arm)[1] or None,
            "draw": draw,
            "state": run.state,
            "config": run.settings,
            "metrics": (run.final or {}).get("metrics") or dict.fromkeys(ROLES),
        }
        for arm, draw, run in rows
    ]


def spent(study: Study, rows: Sequence[Row], encoded: Job | None = None) -> dict[str, Any]:
    """``cpu_seconds`` of the runs that were trained for this study, and what they had in common (``shared``).

    ``encoded``: the job that read its texts ahead of them, if one did.
    ``rows_alike``: rows of the study that are one run with another; ``held``: runs that were there before it; of the
    others: updates taken over from a source phase that another had, and examples that went through frozen layers.
    """
    runs = {run.id: run for _, _, run in rows}
    own = [run.final or {} for run in runs.values() if run.study == study.id]
    own += [encoded.result] if encoded is not None and encoded.result else []
    held = sum(run.study != study.id for run in runs.values())
    shared = {
        "rows_alike": len(rows) - len(runs),
        "held": held,
        "updates_taken_over": sum(final.get("taken_over", 0) for final in own),
        "examples_encoded": sum(final.get("encoded", 0) for final in own),
    }
    return {"cpu_seconds": sum(final.get("cpu_seconds", 0.0) for final in own), "shared": shared}
