"""Points that runs have in common stay whole, whichever run is deleted, taken up again or recorded meanwhile."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from phased import COMMON, LAST, PHASE, Runs, rows, runs, store
from stores import stored

from ctx.records import Run
from ctx.store import Store

__all__ = ["runs", "store"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_whichever_is_deleted_first_the_others_stay_whole(runs: Runs, order: tuple[int, ...]) -> None:
    there = [runs.train(runs.begin(1.0)), *(runs.take_over(runs.begin(constant)) for constant in (2.0, 1.0, 3.0))]
    for number in order:
        gone = there[number]
        runs.purge(gone)
        assert runs.store.points([gone.id]).empty
        left = [run for run in there if run.id in {one.id for one in runs.store.runs()}]
        runs.whole(*left)
        assert sum(rows(runs.store, run) > len(COMMON) for run in left) == min(len(left), 1), "one copy of it"
    assert rows(runs.store) == 0


@pytest.mark.parametrize("gone", [(0, 1), (1, 2), (0, 1, 2), (0, 1, 2, 3)])
def test_several_that_are_deleted_at_once(runs: Runs, gone: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    for at_once in (1, 1000):
        monkeypatch.setattr("ctx.store.AT_ONCE", at_once)
        there = [runs.train(runs.begin(1.0)), *(runs.take_over(runs.begin(constant)) for constant in (2.0, 1.0, 3.0))]
        runs.purge(*(there[number] for number in gone))
        runs.whole(*(run for number, run in enumerate(there) if number not in gone))
        runs.purge(*(run for number, run in enumerate(there) if number not in gone))


def test_a_child_that_is_put_aside_comes_back_whole_though_its_parent_is_gone(runs: Runs) -> None:
    parent, child = runs.train(runs.begin()), runs.take_over(runs.begin(2.0))
    runs.store.delete([child.id])
    runs.store.delete([parent.id])
    assert runs.store.purge(before=runs.store.run(parent.id).deleted) == [child.id]
    again = runs.take_over(runs.begin(3.0))
    runs.store.undelete([parent.id])
    runs.purge(parent)
    runs.whole(again)


def again(store: Store, run: Run) -> Run:
    """Its worker has died, and another takes it up."""
    store.release("me")
    claimed = store.claim("me", only=run.id)
    assert claimed is not None
    assert claimed.attempt == run.attempt + 1
    return claimed


def test_a_parent_that_is_trained_again_leaves_no_hole_in_its_children(runs: Runs) -> None:
    parent = runs.train(runs.begin(), finish=False)
    one, two = runs.take_over(runs.begin(2.0)), runs.take_over(runs.begin(1.0))
    retaken = again(runs.store, parent)
    assert runs.store.points([parent.id]).empty
    runs.whole(one, two)
    assert runs.store.finish(retaken, "stopped")
    runs.whole(one, two)
    runs.store.resume(parent.id)
    last = runs.store.claim("me", only=parent.id)
    assert last is not None
    runs.take_over(last)
    runs.whole(parent, one, two)
    assert rows(runs.store, parent) < len(COMMON), "it refers to one of its children now"


@pytest.mark.parametrize(("checkpoint", "holds"), [(LAST + 2, True), (LAST, True), (LAST - 1, False), (2, False)])
def test_a_parent_goes_on_from_its_checkpoint(runs: Runs, checkpoint: int, holds: bool) -> None:
    parent = runs.train(runs.begin(), finish=False)
    runs.store.checkpointed(parent, checkpoint)
    child = runs.take_over(runs.begin(2.0))
    few = rows(runs.store, child)
    retaken = again(runs.store, parent)
    upto = {at: value for at, value in runs.wanted(parent).items() if at[1] <= checkpoint}
    np.testing.assert_equal(stored(runs.store, parent.id), upto)
    runs.whole(child)
    assert (rows(runs.store, child) == few) == holds
    if not holds:
        assert runs.store.write(retaken, runs.part(retaken, checkpoint, LAST), ended=PHASE)
    runs.go_on(retaken, True)
    runs.whole(parent, child)


def test_a_checkpoint_that_is_gone_leaves_no_hole_either(runs: Runs) -> None:
    parent = runs.train(runs.begin(), finish=False)
    runs.store.checkpointed(parent, LAST + 1)
    child = runs.take_over(runs.begin(2.0), finish=False)
    runs.store.checkpointed(child, LAST + 1)
    assert runs.store.restart(parent)
    runs.whole(child)
    assert runs.store.restart(child)
    assert runs.store.points([parent.id, child.id]).empty


def test_a_child_that_is_taken_up_again_doubles_nothing(runs: Runs) -> None:
    parent, child = runs.train(runs.begin()), runs.take_over(runs.begin(2.0), finish=False)
    few = rows(runs.store, child)
    retaken = again(runs.store, child)
    assert runs.store.points([child.id]).empty
    runs.take_over(retaken, finish=False)
    runs.whole(parent, child)
    assert rows(runs.store, child) == few
    runs.store.checkpointed(retaken, LAST + 1)
    last = again(runs.store, retaken)
    assert max(step for _, step in stored(runs.store, child.id)) == LAST + 1
    assert len(stored(runs.store, child.id)) == len(runs.part(child, 0, LAST + 1))
    runs.go_on(last, True)
    runs.whole(child)


def test_a_worker_that_has_lost_its_run_refers_to_nothing(runs: Runs) -> None:
    runs.train(runs.begin())
    lost = runs.begin()
    again(runs.store, lost)
    assert not runs.store.write(lost, runs.part(lost, 0, LAST), ended=PHASE)
    assert runs.store.points([lost.id]).empty


def test_a_run_that_ends_with_all_of_it_still_to_write_refers_too(runs: Runs) -> None:
    runs.train(runs.begin())
    child = runs.begin(2.0, moves_on=False)
    assert runs.store.finish(child, "done", {}, points=runs.points[child.id], ended=PHASE)
    runs.whole(child)
    assert rows(runs.store, child) < 10


def _work(runs: Runs, number: int, kept: list[Run]) -> None:
    """Take the phase over six times; of some the worker dies at first, and half of them are deleted."""
    for turn in range(6):
        run = runs.take_over(runs.begin(float(turn)), finish=False)
        if turn % 3 == 0:
            assert runs.store.finish(run, "stopped")
            runs.store.resume(run.id)
            taken = runs.store.claim("me", only=run.id)
            assert taken is not None
            run = runs.take_over(taken, finish=False)
        assert runs.store.finish(run, "done", {})
        if (turn + number) % 2:
            runs.store.delete([run.id])
        else:
            kept.append(run)


def test_runs_that_are_recorded_while_others_go_are_whole(runs: Runs) -> None:
    kept: list[Run] = []
    with ThreadPoolExecutor(5) as pool:
        workers = [pool.submit(_work, runs, number, kept) for number in range(4)]
        purged: list[str] = []
        while not all(worker.done() for worker in workers):
            purged += runs.store.purge()
        for worker in workers:
            worker.result()
    assert len(kept) == 12
    assert purged
    runs.whole(*kept)
