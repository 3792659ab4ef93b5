"""Searches for the tests: a small one, and what a worker does with it, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from stores import lesson

from ctx.records import Run, Study
from ctx.store import Store, open_store
from ctx.sweeps.plan import Axis, Sweep, cell_of, spec
from ctx.sweeps.search import begin, carry_on
from ctx.worker import run_here

LAMS, RATES = (
    Axis(name="schedule.lam", values=(0.1, 0.5, 1.0, 5.0)),
    Axis(name="optim.lr", values=(0.001, 0.01, 0.1)),
)
SWEEP = Sweep(base=lesson(epochs=1), axes=(LAMS, RATES), draws=2, search=6)
Cells = list[dict[str, Any]]


@pytest.fixture
def store(home: Path) -> Store:
    return open_store()


def started(store: Store, sweep: Sweep = SWEEP) -> Study:
    study = store.add_study("", spec(sweep), [])
    begin(store, study)
    return study


def choose(store: Store) -> Cells | None:
    """What a worker does with a search that is due; None where none is."""
    job = store.claim_job("me", ["search"])
    if job is None:
        return None
    found = carry_on(store, job)
    store.finish_job(job, result=found)
    return list(found["cells"])


def train(store: Store, study: Study) -> None:
    for _, _, run in store.study_runs(study.id):
        if run.state == "queued":
            run_here(store, run, threads=1)


def cells(store: Store, study: Study) -> Cells:
    """The cells of a study in the order in which they were chosen."""
    found = dict.fromkeys(arm for arm, _, _ in store.study_runs(study.id) if not cell_of(arm)[1])
    return [cell_of(arm)[0] for arm in found]


def to_its_end(store: Store, study: Study) -> Cells:
    while choose(store):
        train(store, study)
    return cells(store, study)


def change(store: Store, statement: str, **values: Any) -> None:
    with store.engine.begin() as connection:
        connection.execute(text(statement), values)


def with_a_failure(store: Store) -> tuple[Study, Run]:
    """A search whose first cells have trained, and the run of them that failed."""
    study = started(store)
    choose(store)
    claimed = store.claim("me", threads=1)
    assert claimed is not None
    store.finish(claimed, "failed", error="There is too little memory.")
    train(store, study)
    return study, claimed


def over(store: Store, study: Study) -> bool:
    """Whether a search has chosen its last cells."""
    job = store.search_job(study.id)
    return job is not None and job.state == "done"
