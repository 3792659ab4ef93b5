"""Runs that took a source phase over, in a store: the points they show, and what becomes of them when one is killed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select
from stores import stored, truth

from ctx.config import ContextChoice, RunConfig
from ctx.gc import collect
from ctx.readings import Readings
from ctx.records import Run
from ctx.schema import metrics
from ctx.state import Event
from ctx.store import Store, open_store
from ctx.worker import run_here, train_run
from tests.test_handover import LESSON, one_thread, phases, with_

__all__ = ["one_thread"]
END = 98  # the last update of the source phase; the target's has 12


class KilledError(BaseException):
    """What no worker survives."""


def arms(*sizes: int) -> list[RunConfig]:
    """The source alone, then runs that differ from their hand-over on."""
    targets = [ContextChoice(id="lesson/relative", size=size) for size in sizes]
    return [with_(LESSON, "source-only"), *(LESSON.model_copy(update={"target": target}) for target in targets)]


def trained(store: Store, config: RunConfig, watch: Callable[[Event], None] | None = None) -> Run:
    return run_here(store, store.add_run(config), watch, threads=1)


def counted(store: Store, run: Run) -> int:
    with store.engine.connect() as connection:
        query = select(func.count()).select_from(metrics).where(metrics.c.run_id == run.id)
        return int(connection.execute(query).scalar_one())


def test_runs_that_took_it_over_have_the_points_of_runs_that_trained_it_and_no_copies(home: Path) -> None:
    store, configs = open_store(), arms(20, 20, 50, 50, 80)
    configs[2], configs[4] = (with_(configs[n], "sequential", copy_weights=False) for n in (2, 4))
    wanted = [truth(config)[0] for config in configs]
    runs = [trained(store, config) for config in configs]
    assert [(run.final or {}).get("taken_over", 0) for run in runs] == [0, *[END] * 5]
    assert [stored(store, run.id) for run in runs] == wanted
    before = sum(step < END for _, step in wanted[0])
    own = [counted(store, run) - sum(step >= END for _, step in want) for run, want in zip(runs, wanted, strict=True)]
    guesses = [sum(want[at] != wanted[0][at] for at in wanted[0] if at[1] < END) for want in wanted]
    assert own == [before, *guesses[1:]]
    assert guesses[3] == len(["constant/target"])
    for gone in range(len(runs) - 1):
        store.delete([runs[gone].id])
        assert collect(store).runs == 1
        assert [stored(store, run.id) for run in runs[gone + 1 :]] == wanted[gone + 1 :]


def test_another_store_has_points_of_its_own(home: Path) -> None:
    first = open_store()
    (wanted, _, _), config = truth(LESSON), LESSON
    trained(first, config)
    second = open_store(f"sqlite:///{home / 'another.sqlite'}")
    copied, referring = trained(second, config), trained(second, with_(config, "sequential", copy_weights=False))
    assert (copied.final or {})["taken_over"] == (referring.final or {})["taken_over"] == END
    assert stored(second, copied.id) == wanted
    assert counted(second, copied) == len(wanted)
    assert counted(second, referring) < len(wanted) - END


def test_a_page_that_follows_it_sees_what_it_saw_of_runs_with_points_of_their_own(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctx.recorder.FLUSH_SECONDS", -1.0)
    monkeypatch.setattr("ctx.readings.FRESH_SECONDS", -1.0)
    store, wanted = open_store(), truth(LESSON)[0]
    trained(store, with_(LESSON, "source-only"))
    queued, read, seen = store.add_run(LESSON), Readings(store), set[int]()

    def look(event: Event) -> None:
        run = store.run(queued.id)
        told = read.curves(run, ["loss/", "constant/", "validation/", "seen/"]).told
        found = {(name, int(step)): value for name, one in told.items() for step, value in zip(*one, strict=True)}
        names = {name for name, _ in wanted if name.startswith(("loss/", "constant/", "validation/", "seen/"))}
        begun = {at: value for at, value in wanted.items() if at[0] in names and at[1] <= run.step}
        missing = begun.keys() - found.keys()
        assert found == {at: begun[at] for at in begun.keys() - missing}
        assert {step for _, step in missing} <= {run.step}, "but what an epoch's end tells after its last update"
        seen.add(run.step)

    run_here(store, queued, look, threads=1)
    assert {0, END, END + 1, END + 12} <= seen
    assert not seen & set(range(1, END))


@pytest.mark.parametrize("at", [END - 1, END, END + 5])
def test_a_child_that_is_killed_and_redone_doubles_nothing(at: int, home: Path) -> None:
    store, config = open_store(), with_(LESSON, "sequential", copy_weights=False)
    parent, child = trained(store, LESSON), store.add_run(config)
    wanted = truth(LESSON)[0], truth(config)[0]

    def killed(event: Event) -> None:
        if event.step == at:
            raise KilledError

    claimed = store.claim("me", threads=1)
    assert claimed is not None
    with pytest.raises(KilledError):
        train_run(store, claimed, killed)
    store.release("me")
    again = run_here(store, store.run(child.id), threads=1)
    assert (again.state, again.attempt) == ("done", 2)
    assert (stored(store, parent.id), stored(store, child.id)) == wanted
    assert counted(store, again) == sum(step >= END for _, step in wanted[1])


@pytest.mark.parametrize("lost", [False, True], ids=["taken over by itself", "trained again"])
def test_a_parent_that_is_killed_after_its_phase_leaves_no_hole(lost: bool, home: Path) -> None:
    store, config = open_store(), with_(LESSON, "sequential", copy_weights=False)
    wanted = truth(LESSON)[0], truth(config)[0]
    queued = store.add_run(LESSON)

    def killed(event: Event) -> None:
        if event.step == END + 5:
            raise KilledError

    claimed = store.claim("me", threads=1)
    assert claimed is not None
    with pytest.raises(KilledError):
        train_run(store, claimed, killed)
    child = trained(store, config)
    store.release("me")
    if lost:
        phases(home)[0].unlink()
    steps: list[int] = []
    again = run_here(store, queued, lambda event: steps.append(len(stored(store, child.id))), threads=1)
    assert set(steps) == {len(wanted[1])}, "whole at every moment"
    assert ("taken_over" in (again.final or {})) != lost
    assert (stored(store, queued.id), stored(store, child.id)) == wanted
