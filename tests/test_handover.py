"""A source phase that another run has had: the same numbers to the bit, and nothing of what is damaged or other."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from stores import stored, truth

from ctx import checkpoint
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical
from ctx.handover import Handover
from ctx.parts import Choice
from ctx.plan import Phase
from ctx.registry import part
from ctx.setup import Setup
from ctx.state import Event
from ctx.store import open_store
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
    source = run_here(store, store.add_run(with_(config, "source-only")), threads=torch.get_num_threads())
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
