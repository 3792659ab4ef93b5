"""Points of a source phase that several runs had: stored once, read as if each had its own."""

from collections.abc import Callable

import numpy as np
import pytest
from phased import COMMON, LAST, PHASE, Runs, rows, runs, store
from sqlalchemy import event
from stores import stored

from ctx.records import Run

__all__ = ["runs", "store"]


def test_a_run_that_takes_a_phase_over_stores_only_what_is_its_own(runs: Runs) -> None:
    parent = runs.train(runs.begin())
    like, other = runs.take_over(runs.begin()), runs.take_over(runs.begin(constant=2.0))
    alone = runs.take_over(runs.begin(moves_on=False))
    runs.whole(parent, like, other, alone)
    at_the_end = ["loss/source", "total", "validation/source/r2"]
    assert rows(runs.store, parent) == len(runs.points[parent.id])
    assert rows(runs.store, alone) == len(at_the_end)
    assert rows(runs.store, like) == len(at_the_end) + len(["phase"]) + 4
    assert rows(runs.store, other) == len(at_the_end) + len(["phase"]) + 4 + len(["constant/target"])


@pytest.mark.parametrize("after", [-1, 0, 3, LAST - 1, LAST, LAST + 2])
@pytest.mark.parametrize(
    "names", [[], ["loss/"], ["loss/source", "constant/"], ["phase"], ["validation/source/r2"], ["nothing"]]
)
def test_what_is_read_is_what_a_run_with_points_of_its_own_reads(runs: Runs, names: list[str], after: int) -> None:
    runs.train(runs.begin())
    child, control = runs.take_over(runs.begin(constant=2.0)), runs.begin(constant=2.0)
    runs.store.write(control, runs.points[control.id])
    read = runs.store.series([child.id, control.id], names, after)
    np.testing.assert_equal(read[child.id], read[control.id])
    frames = [runs.store.points([run.id], names).drop(columns="run") for run in (child, control)]
    assert frames[0].equals(frames[1])


def test_runs_that_had_it_at_the_same_time_have_points_of_their_own(runs: Runs) -> None:
    one, two = runs.begin(), runs.begin(2.0)
    runs.store.write(two, runs.part(two, 0, 2))
    runs.train(one)
    runs.store.write(two, runs.part(two, 3, LAST), ended=PHASE)
    runs.go_on(two, True)
    assert rows(runs.store, two) == len(runs.points[two.id])
    runs.purge(one)
    runs.whole(two)


def test_many_runs_are_read_with_a_statement_each(runs: Runs) -> None:
    runs.train(runs.begin())
    children = [runs.take_over(runs.begin()) for _ in range(5)]
    asked: list[str] = []
    event.listen(runs.store.engine, "before_cursor_execute", lambda *about: asked.append(about[2]))
    runs.store.series([child.id for child in children], ["loss/"])
    assert sum(statement.startswith("SELECT") for statement in asked) == len(children)


def test_what_the_run_that_holds_the_phase_had_beyond_it_is_not_its_childrens(runs: Runs) -> None:
    """The hand-over itself stands at the phase's last update."""
    runs.train(runs.begin(moves_on=True))
    alone = runs.take_over(runs.begin(moves_on=False))
    assert ("phase", LAST) not in stored(runs.store, alone.id)
    runs.whole(alone)


def others(runs: Runs) -> Run:
    return runs.train(runs.begin(owner="somebody else"))


def put_aside(runs: Runs) -> Run:
    run = runs.train(runs.begin())
    runs.store.delete([run.id])
    return run


def with_more(runs: Runs) -> Run:
    run = runs.begin()
    runs.store.write(run, [(3, "of an older version", 1.0)])
    return runs.train(run)


def old(runs: Runs) -> Run:
    """A store of before: the points are there, nothing says of which phase."""
    run = runs.begin()
    runs.store.write(run, runs.part(run, 0, LAST))
    return runs.go_on(run, True)


@pytest.mark.parametrize("before", [others, put_aside, with_more, old, lambda _: None])
def test_where_nobody_holds_all_of_it_it_is_copied_and_the_next_refers_to_the_copy(
    runs: Runs, before: Callable[[Runs], Run | None]
) -> None:
    before(runs)
    child = runs.take_over(runs.begin())
    assert rows(runs.store, child) == len(runs.points[child.id])
    if before is not with_more:  # which stays the first that is asked
        assert rows(runs.store, runs.take_over(runs.begin())) < len(COMMON)
    runs.whole(child)


def test_points_that_the_other_lacks_or_has_otherwise_are_the_runs_own(runs: Runs) -> None:
    parent = runs.begin()
    given = [point for point in runs.part(parent, 0, LAST) if point[:2] != (4, "total")]
    runs.store.write(parent, [(5, "total", -1.0) if point[:2] == (5, "total") else point for point in given[:9]])
    runs.store.write(parent, given[9:], ended=PHASE)
    child = runs.take_over(runs.begin())
    runs.whole(child)
