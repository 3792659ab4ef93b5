"""A source phase that another run has had: the same numbers to the bit, and nothing of what is damaged or other."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlalchemy import func, select
from stores import stored, truth

from ctx import checkpoint
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical
from ctx.gc import collect
from ctx.handover import Handover
from ctx.parts import Choice
from ctx.plan import Phase
from ctx.readings import Readings
from ctx.records import Run
from ctx.registry import part
from ctx.schema import metrics
from ctx.setup import Setup
from ctx.state import Event
from ctx.store import Store, open_store
from ctx.train import train
from ctx.worker import run_here, train_run

FAST = Optim(epochs=2, min_updates=6, batch=16)
LESSON = RunConfig(
    sources=(SourceChoice(id="lesson/base"),),
    target=ContextChoice(id="lesson/relative", size=20),
    backbone=Choice(name="mlp"),
    schedule=Choice(name="sequential"),
    tuning=Choice(name="full"),
    optim=FAST,
)
WRITES = LESSON.model_copy(
    update={
        "sources": (SourceChoice(id="translation/sample-cafe-en-pt", size=60),),
        "target": ContextChoice(id="translation/sample-cafe-en-es", size=60),
        "backbone": Choice(name="tiny"),
        "tuning": Choice(name="head"),
    }
)
TAGS = LESSON.model_copy(
    update={
        "sources": (SourceChoice(id="ner/names-en", size=60),),
        "target": ContextChoice(id="ner/sample-office-en", size=20),
        "backbone": Choice(name="tiny"),
        "augment": (Choice(name="deletion"),),
    }
)


def with_(config: RunConfig, schedule: str, **knobs: object) -> RunConfig:
    return config.model_copy(update={"schedule": Choice(name=schedule, knobs=knobs)})


def all_of(config: RunConfig, sharing: bool = True) -> tuple[list[Event], dict[tuple[str, int], float], Event]:
    events = list(train(config, sharing=sharing))
    return events, {(name, e.step): value for e in events for name, value in e.values.items()}, events[-1]


def phases(home: Path) -> list[Path]:
    return sorted((home / "phases").glob("*"))


@pytest.fixture(autouse=True)
def one_thread(home: Path) -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("config", [LESSON, WRITES, TAGS], ids=["numbers", "texts", "tags"])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Choice(name="sequential"), Choice(name="source-only")),
        (Choice(name="source-only"), Choice(name="sequential")),
        (Choice(name="source-only"), Choice(name="sequential", knobs={"copy_weights": False})),
    ],
    ids=["handed over first", "alone first", "not copied"],
)
def test_what_is_taken_over_is_what_would_have_been_trained(
    config: RunConfig, first: Choice, second: Choice, home: Path
) -> None:
    _, _, begun = all_of(config.model_copy(update={"schedule": first}))
    assert begun.final is not None
    assert "taken_over" not in begun.final
    asked = config.model_copy(update={"schedule": second})
    _, plain, expected = all_of(asked, sharing=False)
    events, found, last = all_of(asked)
    assert found == plain
    assert expected.final is not None
    assert last.final == expected.final | {"taken_over": max(event.step for event in events if event.gone)}
    weights, wanted = (event.snapshot().weights().tensors for event in (last, expected))
    assert weights.keys() == wanted.keys()
    assert all(torch.equal(weights[name], wanted[name]) for name in wanted)
    assert expected.outputs is not None
    assert last.outputs is not None
    assert all((last.outputs[name] == expected.outputs[name]).all() for name in expected.outputs)
    assert len(phases(home)) == 1


def named(config: RunConfig) -> str:
    path = Handover(Setup(canonical(config))).path
    return path.stem if path else ""


def test_only_what_the_source_phase_follows_from_names_it() -> None:
    name = named(LESSON)
    assert name == named(with_(LESSON, "source-only"))
    assert name == named(with_(LESSON, "sequential", copy_weights=False))
    assert name == named(LESSON.model_copy(update={"target": ContextChoice(id="lesson/relative", size=50)}))
    assert name == named(LESSON.model_copy(update={"beams": 4}))
    others: list[dict[str, Any]] = [
        {"seed": 1},
        {"sources": (SourceChoice(id="lesson/base", size=100),)},
        {"sources": (SourceChoice(id="lesson/base", weight=2.0),)},
        {"target": ContextChoice(id="lesson/noise", size=20)},
        {"target": ContextChoice(id="lesson/relative", size=20, knobs={"relatedness": 0.3})},
        {"optim": FAST.model_copy(update={"epochs": 3})},
        {"optim": FAST.model_copy(update={"weight_decay": 0.1})},
        {"keep": "last"},
    ]
    found = [named(LESSON.model_copy(update=change)) for change in others]
    assert len({name, *found}) == len(others) + 1
    torch.set_num_threads(2)
    assert named(LESSON) != name


def test_a_phase_that_selects_on_the_target_is_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = part("schedules", "sequential")
    phases_of = schedule.phases

    def phases(self: Any, config: RunConfig, sizes: Mapping[str, int]) -> list[Phase]:
        first, second = phases_of(self, config, sizes)
        return [replace(first, select_on="target"), second]

    monkeypatch.setattr(schedule, "phases", phases)
    assert named(LESSON) == ""


@pytest.mark.parametrize("schedule", ["joint", "target-only"])
def test_a_phase_that_trains_the_target_is_nobody_elses(schedule: str, home: Path) -> None:
    assert named(with_(LESSON, schedule)) == ""
    all_of(with_(LESSON, schedule))
    assert phases(home) == []


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 16
    path.write_bytes(bytes(content))


def other_points(path: Path) -> None:
    content = path.read_bytes()
    start = content.index(b"total") + 10
    digit = next(n for n in range(start, len(content)) if chr(content[n]).isdigit())
    path.write_bytes(content[:digit] + (b"1" if content[digit : digit + 1] != b"1" else b"2") + content[digit + 1 :])


@pytest.mark.parametrize("harm", [cut, flipped, other_points, lambda path: path.write_bytes(b"")])
def test_a_damaged_phase_is_trained_again_and_replaced(harm: Callable[[Path], None], home: Path) -> None:
    _, wanted, _ = all_of(LESSON)
    (path,) = phases(home)
    whole = path.read_bytes()
    harm(path)
    events, found, _ = all_of(LESSON)
    assert found == wanted
    assert not any(event.gone for event in events)
    assert path.read_bytes() == whole


def test_where_the_disk_is_nearly_full_nothing_is_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctx.kept.FREE", 1e18)
    all_of(LESSON)
    assert phases(home) == []


def test_large_weights_are_not_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctx.handover.MOST_BYTES", 1000)
    all_of(LESSON)
    assert phases(home) == []


def test_where_there_is_no_folder_to_keep_it_in_a_run_goes_on(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "phases").write_bytes(b"a file")
    _, found, _ = all_of(LESSON)
    assert found == all_of(LESSON, sharing=False)[1]


def test_a_run_that_was_resumed_within_its_source_phase_keeps_nothing_of_it(home: Path) -> None:
    events = train(LESSON, sharing=True)
    state = next(event.snapshot() for event in events if event.step == 7)
    events.close()
    list(train(LESSON, resume=state, sharing=True))
    assert phases(home) == []


def test_a_worker_takes_it_over_and_a_stop_right_after_loses_nothing(home: Path) -> None:
    config = LESSON.model_copy(update={"optim": Optim(epochs=2)})
    points, weights, _ = truth(config)
    store = open_store()
    source = run_here(store, store.add_run(with_(config, "source-only")))
    assert source.state == "done"
    queued = store.add_run(config)
    claimed = store.claim("me", threads=1)
    assert claimed is not None
    asked, events = threading.Event(), list[Event]()
    asked.set()
    train_run(store, claimed, events.append, asked)
    assert [event.step for event in events if not event.gone] == [100]
    assert store.run(queued.id).state == "stopped"
    name = store.run(queued.id).checkpoint
    assert name is not None
    state = checkpoint.load(queued.id, name)
    assert state is not None
    store.resume(queued.id)
    done = run_here(store, store.run(queued.id))
    assert done.state == "done"
    assert done.final is not None
    assert done.final["taken_over"] == 100
    assert stored(store, queued.id) == points
    kept = checkpoint.final_weights(queued.id)
    assert kept is not None
    assert all(torch.equal(kept.tensors[key], weights[key]) for key in weights)


# -- what the store has of it

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
