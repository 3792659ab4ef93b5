"""A search in a store with real runs: what it is judged by, who carries it on, paused, killed, failed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from dispatched import Served, served
from searched import SWEEP, cells, change, choose, over, started, store, to_its_end, train, with_a_failure
from stores import lesson, until

from ctx import dispatch
from ctx.store import Store, open_store
from ctx.sweeps.plan import cell_of, spec
from ctx.sweeps.search import begin, best, carry_on, enough, summary, tried

__all__ = ["served", "store"]


# -- what is chosen, and by what


def test_cells_come_one_after_the_other_once_the_runs_before_have_ended(store: Store) -> None:
    study = started(store)
    assert len(choose(store) or []) == 2, "at random, to begin with"
    assert choose(store) is None, "their runs wait"
    assert not store.load().jobs
    train(store, study)
    assert store.load().jobs == {"search": 1}
    assert len(choose(store) or []) == 1
    train(store, study)
    assert len(to_its_end(store, study)) == 6
    assert len(store.study_runs(study.id)) == 12
    assert {draw for _, draw, _ in store.study_runs(study.id)} == {0, 1}
    job = store.search_job(study.id)
    assert job is not None
    assert job.state == "done"
    assert enough(SWEEP, store.study_runs(study.id))


def test_a_cell_is_judged_by_the_validation_score_of_the_weights_that_were_kept(store: Store) -> None:
    sweep = SWEEP.model_copy(update={"base": lesson(epochs=4, size=200), "search": 2, "draws": 2})
    study = started(store, sweep)
    to_its_end(store, study)
    rows = store.study_runs(study.id)
    first = [run for arm, _, run in rows if arm == rows[0][0]]
    for number, run in enumerate(first):
        assert run.final is not None
        kept = {"id": run.id, "step": run.final["kept_step"], "value": 10.0 + number}
        change(store, "UPDATE metrics SET value = -1 WHERE run_id = :id AND name = 'validation/target/r2'", id=run.id)
        change(
            store,
            "UPDATE metrics SET value = :value WHERE run_id = :id AND name = 'validation/target/r2' AND step = :step",
            **kept,
        )
    told = tried(store, sweep, rows)
    assert told[0].score == pytest.approx(10.5)
    assert best(sweep, told) == told[0]
    assert summary(store, sweep, rows)["best"] == {"cell": cell_of(rows[0][0])[0], "validation": pytest.approx(10.5)}


@pytest.mark.parametrize("split", ["test", "validation"])
def test_the_test_split_decides_nothing_and_the_validation_split_everything(store: Store, split: str) -> None:
    study = started(store)
    first = [choose(store)]
    train(store, study)
    _, _, run = store.study_runs(study.id)[0]
    assert run.final is not None
    before = tried(store, SWEEP, store.study_runs(study.id))
    if split == "test":
        final = run.final | {"metrics": {"target": {"r2": 99.0}, "source": {"r2": 99.0}}}
        change(store, "UPDATE runs SET final = :final WHERE id = :id", final=json.dumps(final), id=run.id)
    else:
        change(store, "UPDATE metrics SET value = 99 WHERE run_id = :id AND name LIKE 'validation/target/%'", id=run.id)
    after = tried(store, SWEEP, store.study_runs(study.id))
    assert (before == after) == (split == "test")
    assert first


def test_tampered_test_scores_lead_to_the_same_cells(store: Store) -> None:
    study = started(store)
    whole = to_its_end(store, study)
    other = started(store)  # its runs are there already
    while choose(store):
        for _, _, run in store.study_runs(other.id):
            final = json.dumps((run.final or {}) | {"metrics": {"target": {"r2": hash(run.id) % 100}, "source": None}})
            change(store, "UPDATE runs SET final = :final WHERE id = :id", final=final, id=run.id)
    assert cells(store, other) == whole


def test_what_is_in_the_store_is_not_trained_again_unless_it_is_asked_for(store: Store) -> None:
    study = started(store)
    whole = to_its_end(store, study)
    count = store.count()
    other = started(store)
    assert to_its_end(store, other) == whole
    assert store.count() == count
    again = store.add_study("", spec(SWEEP) | {"again": True}, [])
    begin(store, again)
    assert to_its_end(store, again) == whole
    assert store.count() == 2 * count


def test_baselines_are_trained_but_count_for_nothing(store: Store) -> None:
    plain = to_its_end(store, started(store))
    sweep = SWEEP.model_copy(update={"baseline": True})
    study = started(store, sweep)
    assert to_its_end(store, study) == plain
    rows = store.study_runs(study.id)
    assert {cell_of(arm)[1] for arm, _, _ in rows} == {"", "target-only"}
    assert [one.cell for one in tried(store, sweep, rows)] == plain
    alone = next(run for arm, _, run in rows if cell_of(arm)[1])
    before = tried(store, sweep, rows)
    change(store, "UPDATE runs SET state = 'failed', final = NULL WHERE id = :id", id=alone.id)
    assert tried(store, sweep, store.study_runs(study.id)) == before


# -- what goes wrong


def test_a_failed_run_makes_its_cell_a_failed_one_and_the_search_goes_on(store: Store) -> None:
    study, _ = with_a_failure(store)
    assert len(to_its_end(store, study)) == 6
    found = summary(store, SWEEP, store.study_runs(study.id))
    assert (found["tried"], found["failed"], found["of"]) == (6, 1, 12)
    assert [one.score is None for one in tried(store, SWEEP, store.study_runs(study.id))] == [True] + [False] * 5


def test_a_paused_search_rests_and_goes_on_as_if_it_had_not_been(store: Store, tmp_path: Path) -> None:
    whole = to_its_end(store, started(store))
    other = open_store(f"sqlite:///{tmp_path / 'other.sqlite'}")
    study = started(other)
    choose(other)
    train(other, study)
    choose(other)
    other.hold_search(study.id)
    other.request_stop([run.id for _, _, run in other.study_runs(study.id)])
    assert choose(other) is None
    assert not other.load().anything(), "nothing keeps a dispatcher awake"
    for _, _, run in other.study_runs(study.id):
        if run.state == "stopped":
            other.resume(run.id)
    train(other, study)
    assert choose(other) is None, "still held"
    begin(other, study)
    begin(other, study)  # a second click
    assert to_its_end(other, study) == whole


def test_what_is_being_chosen_while_somebody_pauses_is_not_queued(store: Store) -> None:
    study = started(store)
    job = store.claim_job("me", ["search"])
    assert job is not None
    store.hold_search(study.id)
    carry_on(store, job)
    assert store.study_runs(study.id) == []
    begin(store, study)
    assert len(choose(store) or []) == 2


def test_a_failed_run_that_is_taken_up_again_while_somebody_chooses_is_waited_for(store: Store) -> None:
    study, failed = with_a_failure(store)
    job = store.claim_job("me", ["search"])
    assert job is not None
    store.resume(failed.id)
    assert carry_on(store, job) == {"cells": []}
    assert len(cells(store, study)) == 2
    assert choose(store) is None
    train(store, study)
    assert len(choose(store) or []) == 1


def test_a_worker_that_dies_while_choosing_is_replaced_and_nothing_is_queued_twice(store: Store) -> None:
    study = started(store)
    first = store.claim_job("me", ["search"], lease_seconds=-1)
    second = store.claim_job("you", ["search"])
    assert first is not None
    assert second is not None
    assert first.id == second.id
    carry_on(store, second)
    carry_on(store, first)  # it was only slow
    assert len(store.study_runs(study.id)) == 4
    assert [job.state for job in store.jobs(states=None, kind="search")].count("queued") == 1


def test_a_search_whose_runs_are_all_deleted_ends(store: Store) -> None:
    study = started(store)
    choose(store)
    ids = [run.id for _, _, run in store.study_runs(study.id)]
    store.delete(ids[:1])
    assert store.search_job(study.id).state == "queued"  # type: ignore[union-attr]
    store.delete(ids)
    assert choose(store) is None
    assert not store.load().anything()


# -- carried on by a dispatcher


def test_a_search_survives_a_killed_dispatcher_and_chooses_the_same(served: Served, tmp_path: Path) -> None:
    alone = open_store(f"sqlite:///{tmp_path / 'alone.sqlite'}")
    whole = to_its_end(alone, started(alone))
    study = started(served.store)
    served.ensure()
    until(lambda: len(cells(served.store, study)) >= 3, f"the third cell; log:\n{served.log()}")
    os.killpg(served.dispatcher(), signal.SIGKILL)
    dispatch._started.pop(served.store.url).wait()
    served.ensure()
    until(lambda: over(served.store, study), f"the search ends; log:\n{served.log()}")
    assert cells(served.store, study) == whole
    assert {run.state for _, _, run in served.store.study_runs(study.id)} == {"done"}
