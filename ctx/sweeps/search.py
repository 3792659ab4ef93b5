"""Which cells a search trains next: Optuna's TPE, told what the cells before gave on the target's validation split.

The test split is never looked at. What comes next follows from the seed and from what was told, and from nothing else:
a search that was paused or killed goes on as if it had not been, and nothing of Optuna's own is stored.

TPE: Bergstra et al., Algorithms for Hyper-Parameter Optimization, NeurIPS 2011.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from ctx.errors import Unavailable
from ctx.i18n import t
from ctx.records import UNFINISHED, Job, Row, Study, kept_score
from ctx.sweeps.plan import Axis, Sweep, arm, cell_of, metric, rows, swept

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from ctx.store import Store

NEEDS = "optuna>=5,<6"
FIRST = 6  # cells at most that are drawn at random before there is anything to go by, and trained together
MOST_ASKED = 50  # answers in a row that name cells which were tried already
NUMBERS = (int, float)


@dataclass(frozen=True)
class Tried:
    """A cell and its validation score, the mean over its draws; None where a run of it failed."""

    cell: Mapping[str, Any]
    score: float | None


def check_installed() -> None:
    """Raises Unavailable where Optuna is not installed."""
    if find_spec("optuna") is None:
        raise Unavailable(
            t("A search needs Optuna, which is not installed here: pip install '{needs}', then search.", needs=NEEDS)
        )


def tried(store: Store, sweep: Sweep, found: Sequence[Row]) -> list[Tried]:
    """What a search's runs have given so far, a cell after the other; no baselines, no cells that train."""
    cells: dict[str, list[Row]] = {}
    for row in found:
        if not cell_of(row[0])[1]:
            cells.setdefault(row[0], []).append(row)
    name = _curve(sweep)
    curves = store.series([run.id for _, _, run in found], [name])
    told = []
    for at, own in cells.items():
        runs = [run for _, _, run in own]
        if any(run.state in UNFINISHED and run.deleted is None for run in runs):
            continue
        scores = [
            kept_score(curves[run.id].get(name), run.final or {}) if run.state == "done" else None for run in runs
        ]
        known = [score for score in scores if score is not None]
        told.append(Tried(cell_of(at)[0], float(np.mean(known)) if len(known) == len(scores) else None))
    return told


def _curve(sweep: Sweep) -> str:
    return f"validation/target/{metric(sweep).name}"


def best(sweep: Sweep, told: Sequence[Tried]) -> Tried | None:
    """The cell with the best validation score; None before any has one."""
    sign = 1 if metric(sweep).higher_is_better else -1
    return max((one for one in told if one.score is not None), key=lambda one: sign * (one.score or 0), default=None)


def next_cells(sweep: Sweep, told: Sequence[Tried]) -> list[dict[str, Any]]:
    """What to train after these: first some cells at random, then one at a time; none when enough were tried."""
    left = sweep.most - len(told)
    count = min(left, 1 if told else _first(sweep))
    found: list[dict[str, Any]] = []
    for _ in range(count):
        found.append(_ask(sweep, told, found))
    return found


def _first(sweep: Sweep) -> int:
    return max(1, min(FIRST, sweep.most // 3))


def _ask(sweep: Sweep, told: Sequence[Tried], chosen: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The cell that Optuna names, among those that are neither told nor chosen already."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seeds = np.random.SeedSequence([sweep.base.seed, len(told) + len(chosen)])
    seed = int(seeds.generate_state(1)[0])
    study = optuna.create_study(
        direction="maximize" if metric(sweep).higher_is_better else "minimize",
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=_first(sweep)),
    )
    axes = {axis.name: ordered(axis) for axis in sweep.axes}
    space = {axis.name: _distribution(axis) for axis in sweep.axes}
    for one in told:
        places = {name: _place(values, one.cell[name]) for name, values in axes.items()}
        state = optuna.trial.TrialState.FAIL if one.score is None else optuna.trial.TrialState.COMPLETE
        study.add_trial(optuna.create_trial(params=places, distributions=space, value=one.score, state=state))
    known = {arm(cell) for cell in (*(one.cell for one in told), *chosen)}
    for _ in range(MOST_ASKED):  # an answer that stays open counts as a poor one, so that the next lies elsewhere
        trial = study.ask(space)
        cell = {name: values[trial.params[name]] for name, values in axes.items()}
        if arm(cell) not in known:
            return cell
    rest = [cell for cell in sweep.cells if arm(cell) not in known]
    return rest[seed % len(rest)]


def ordered(axis: Axis) -> list[Any]:
    """The values of an axis; numbers by their size and None, which stands for all or no limit, after them."""
    if not _has_order(axis):
        return list(axis.values)
    return sorted(axis.values, key=lambda value: math.inf if value is None else value)


def _has_order(axis: Axis) -> bool:
    return all(value is None or (isinstance(value, NUMBERS) and not isinstance(value, bool)) for value in axis.values)


def _place(values: Sequence[Any], value: Any) -> int:
    return list(map(str, values)).index(str(value))


def _distribution(axis: Axis) -> BaseDistribution:
    """What Optuna is told of an axis: the places of its values.

    Numbers are told by their place in order, at equal distances as on the map: who lists 0, 0.01, 0.1, 1 has said on
    which scale they matter, and a logarithm would have no room for the 0. Of names Optuna knows no order.
    """
    from optuna.distributions import CategoricalDistribution, IntDistribution

    count = len(axis.values)
    return IntDistribution(0, count - 1) if _has_order(axis) else CategoricalDistribution(range(count))


def summary(store: Store, sweep: Sweep, found: Sequence[Row]) -> dict[str, Any]:
    """What a search has come to, as plain data: cells ``tried`` and ``failed``, the ``best`` with its score."""
    told = tried(store, sweep, found)
    first = best(sweep, told)
    return {
        "tried": len(told),
        "of": sweep.size,
        "most": sweep.most,
        "failed": sum(one.score is None for one in told),
        "judged_by": _curve(sweep),
        "best": {"cell": dict(first.cell), "validation": first.score} if first else None,
    }


def sentence(trials: Mapping[str, Any]) -> str:
    """As in “20 of 84 cells were tried: Optuna chose them by the validation score.”, of a `summary`."""
    said = t(
        "{n} of {all} cells were tried: Optuna chose them by the validation score.", n=trials["tried"], all=trials["of"]
    )
    return said + (" " + t("{n} of them failed.", n=trials["failed"]) if trials["failed"] else "")


def caution() -> str:
    """What a reader of a searched map's averages has to know."""
    return t(
        "Values that did well were tried more often: averages over other settings, and what matters, lean to them."
    )


# -- in the store


def begin(store: Store, study: Study) -> None:
    """Let a search go on: its next cells are chosen once all its runs have ended. Nothing where enough were tried."""
    sweep = swept(study)
    assert sweep is not None
    if sweep.search is not None and not enough(sweep, store.study_runs(study.id)):
        store.add_job("search", {"study": study.id}, study.owner)


def carry_on(store: Store, job: Job) -> dict[str, Any]:
    """Choose the next cells of the job's study, and queue their runs. What was chosen; raises CtxError."""
    check_installed()
    study = store.study(job.payload["study"])
    sweep = swept(study)
    assert sweep is not None
    found = store.study_runs(study.id)
    told = tried(store, sweep, found)
    training = len(told) < _count(found)  # a failed run has just been taken up again: once more when it has ended
    chosen = [] if training else next_cells(sweep, told)
    if chosen or training:
        store.extend_study(study, rows(sweep, chosen), job, again=bool(study.config.get("again")))
    return {"cells": chosen}


def enough(sweep: Sweep, found: Sequence[Row]) -> bool:
    """Whether all cells that a search may try are in its study, trained or not."""
    return _count(found) >= sweep.most


def _count(found: Sequence[Row]) -> int:
    """How many cells rows are of."""
    return len({at for at, _, _ in found if not cell_of(at)[1]})
