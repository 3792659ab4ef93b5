"""Points of a source phase that several runs had: stored once, read as if each had its own, whichever of them goes.

PostgreSQL is tested too where CTX_TEST_POSTGRES names a database (postgresql+psycopg://…) that schemas may be made in.
"""

import itertools
import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import create_engine, event, func, make_url, select, text
from stores import lesson, stored

from ctx.phases import Ended, Point
from ctx.records import Run
from ctx.schema import metrics
from ctx.store import Store, open_store

LAST, EPOCH = 12, 6
PHASE = Ended("a source phase", LAST)
COMMON: list[Point] = [
    (0, "phase", 0.0),
    *((step, name, 1 / (step + 3 + len(name))) for name in ("loss/source", "total") for step in range(1, LAST + 1)),
    *((step, "validation/source/r2", math.nan if not step else step / 7) for step in range(0, LAST + 1, EPOCH)),
]


SERVER = os.environ.get("CTX_TEST_POSTGRES")


@pytest.fixture(params=["sqlite", *(["postgresql"] if SERVER else [])])
def store(request: pytest.FixtureRequest, home: Path) -> Iterator[Store]:
    if request.param == "sqlite" or SERVER is None:
        yield open_store()
        return
    schema, engine = f"test_{os.getpid()}_{id(request):x}", create_engine(SERVER)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    inside = make_url(SERVER).update_query_dict({"options": f"-csearch_path={schema}"})
    made = open_store(inside.render_as_string(hide_password=False))
    yield made
    made.close()
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@dataclass
class Runs:
    """Runs with the same source phase, each with a constant guess of its own labels and a target phase of its own."""

    store: Store
    points: dict[str, list[Point]] = field(default_factory=dict)

    def begin(self, constant: float = 1.0, owner: str = "local", moves_on: bool = True) -> Run:
        """A claimed run, with the points that it is to have."""
        run = self.store.add_run(lesson(), owner, again=True)
        claimed = self.store.claim("me", only=run.id)
        assert claimed is not None
        own: list[Point] = [(0, "constant/source", 0.5), (0, "constant/target", constant)]
        if moves_on:
            own += [(LAST, "phase", 1.0)]
            own += [(step, "loss/target", constant * step) for step in range(LAST + 1, LAST + 5)]
        self.points[run.id] = [*COMMON, *own]
        return claimed

    def part(self, run: Run, first: int, last: int) -> list[Point]:
        return [point for point in self.points[run.id] if first <= point[0] <= last]

    def train(self, run: Run, finish: bool = True) -> Run:
        """The run has the phase by itself."""
        assert self.store.write(run, self.part(run, 0, 3))
        assert self.store.write(run, self.part(run, 4, LAST), ended=PHASE)
        return self.go_on(run, finish)

    def take_over(self, run: Run, finish: bool = True) -> Run:
        """The run takes the phase over: all of it is written with its end."""
        assert self.store.write(run, self.part(run, 0, LAST), ended=PHASE)
        return self.go_on(run, finish)

    def go_on(self, run: Run, finish: bool) -> Run:
        assert self.store.write(run, self.part(run, LAST + 1, 99))
        if finish:
            assert self.store.finish(run, "done", {})
        return run

    def wanted(self, run: Run) -> dict[tuple[str, int], float]:
        return {(name, step): float(value or 0) for step, name, value in self.points[run.id]}

    def whole(self, *runs: Run) -> None:
        """Each reads as it should, and not a point of it twice."""
        for run in runs:
            np.testing.assert_equal(stored(self.store, run.id), self.wanted(run))

    def purge(self, *runs: Run) -> None:
        self.store.delete([run.id for run in runs])
        assert set(self.store.purge()) == {run.id for run in runs}


@pytest.fixture
def runs(store: Store) -> Runs:
    return Runs(store)


def rows(store: Store, *of: Run) -> int:
    """Rows of the metrics, of these runs or in all."""
    query = select(func.count()).select_from(metrics)
    with store.engine.connect() as connection:
        return int(
            connection.execute(query.where(metrics.c.run_id.in_([r.id for r in of])) if of else query).scalar_one()
        )


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
