"""Runs that a worker trains together: claimed at once, recorded one by one, right whatever happens to one of them."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import torch
from dispatched import Served, served
from sqlalchemy import text
from stores import ended, stored, until

from ctx import checkpoint
from ctx.cli import main
from ctx.config import RunConfig, canonical
from ctx.crew import claim_crew
from ctx.gathered import Features
from ctx.heads import Group
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.recorder import Keeper
from ctx.records import Run, Study
from ctx.setup import Setup
from ctx.state import Event
from ctx.store import Store, open_store
from ctx.worker import run_here
from tests.test_heads import run

__all__ = ["served"]


@pytest.fixture
def store(home: object, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return open_store()


def study(store: Store, configs: list[RunConfig]) -> tuple[Study, list[Run]]:
    made = store.add_study("", {}, [("both", n, config) for n, config in enumerate(configs)])
    return made, [row for _, _, row in store.study_runs(made.id)]


def truth(config: RunConfig) -> tuple[dict[tuple[str, int], Any], dict[str, torch.Tensor], dict[str, Any]]:
    """Points, weights and results of a run in a group of its own."""
    points: dict[tuple[str, int], Any] = {}
    last: Event | None = None
    for events in Group([Setup(canonical(config))], Memo()).run():
        for _, event in events:
            assert isinstance(event, Event)
            points |= {(name, event.step): value for name, value in event.values.items()}
            last = event
    assert last is not None
    return points, last.snapshot().weights().tensors, last.final or {}


CONFIGS = [run(seed=seed, lam=lam) for seed in range(2) for lam in (0.1, 1.0)]
CONFIGS += [run("target-only"), run("source-only")]


def right(store: Store, runs: list[Run], configs: list[RunConfig]) -> None:
    """Every run is done, with exactly the points, weights and results that it has alone."""
    for one, config in zip(runs, configs, strict=True):
        points, weights, final = truth(config)
        done = store.run(one.id)
        assert done.state == "done", done.error
        assert stored(store, one.id) == points
        kept = checkpoint.final_weights(one.id)
        assert kept is not None
        assert all(torch.equal(kept.tensors[name], value) for name, value in weights.items())
        assert (done.final or {})["metrics"] == final["metrics"]
        left = {path.name: path for path in checkpoint.folder(one.id).iterdir()}
        assert list(left) == ["final.safetensors"], left["error.txt"].read_text()


def test_the_runs_of_a_study_that_are_alike_are_claimed_and_trained_at_once(store: Store) -> None:
    other = run().model_copy(update={"tuning": Choice(name="full")})
    _, runs = study(store, [*CONFIGS, other])
    _, others = study(store, [run(seed=7)])
    seen: list[Event] = []
    run_here(store, runs[0], seen.append)
    right(store, runs[:-1], CONFIGS)
    assert [store.run(one.id).state for one in (runs[-1], others[0])] == ["queued", "queued"]
    assert {(store.run(one.id).final or {})["together"] for one in runs[:-1]} == {len(CONFIGS)}
    assert len({store.run(one.id).manifest["worker"] for one in runs[:-1]}) == 1
    assert [event.step for event in seen if event.kind == "step"] == list(range(1, 22)), "one run's events alone"


def test_a_run_in_no_study_trains_by_itself_with_the_same_numbers(store: Store) -> None:
    queued = [store.add_run(config) for config in CONFIGS[:2]]
    run_here(store, queued[0])
    assert store.run(queued[1].id).state == "queued"
    right(store, queued[:1], CONFIGS[:1])


def test_a_run_that_is_stopped_leaves_and_goes_on_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctx.recorder.POLL_SECONDS", 0.001)
    _, runs = study(store, CONFIGS)
    asked: list[set[str]] = []
    look = store.stops_requested

    def looked(held: Iterable[Run]) -> set[str]:
        asked.append(look(held))
        return asked[-1]

    def stop(event: Event) -> None:
        if event.step == 9 and event.kind == "step":
            store.request_stop([runs[2].id])
            until(lambda: len(asked) > 1 and asked[-2], "the keeper has seen and noted it")

    monkeypatch.setattr(store, "stops_requested", looked)
    run_here(store, runs[0], stop)
    stopped = store.run(runs[2].id)
    assert stopped.state == "stopped"
    assert stopped.checkpoint_step == stopped.step
    assert 9 <= stopped.step < 21
    right(store, runs[:2] + runs[3:], CONFIGS[:2] + CONFIGS[3:])
    store.resume(stopped.id)
    run_here(store, store.run(stopped.id))
    right(store, [runs[2]], [CONFIGS[2]])


def test_a_run_that_can_not_be_trained_fails_alone(store: Store) -> None:
    _, runs = study(store, CONFIGS)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE runs SET crashes = 5 WHERE id = :i"), {"i": runs[0].id})
    run_here(store, runs[0])
    assert "died 5 times" in str(store.run(runs[0].id).error)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE runs SET config = '{\"colour\": 1}' WHERE id = :i"), {"i": runs[1].id})
    run_here(store, runs[2])
    assert store.run(runs[1].id).state == "queued", "it says by itself what is wrong"
    right(store, runs[2:], CONFIGS[2:])


def test_a_run_that_took_workers_with_it_trains_alone(store: Store) -> None:
    _, runs = study(store, CONFIGS)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE runs SET crashes = 2 WHERE id = :i"), {"i": runs[1].id})
    first = store.claim("one", threads=1)
    assert first is not None
    assert {one.id for one in claim_crew(store, first)} == {one.id for one in runs} - {runs[1].id}
    second = store.claim("two", threads=1)
    assert second is not None
    assert [one.id for one in claim_crew(store, second)] == [runs[1].id]


def test_an_error_that_nobody_expected_ends_all_with_a_sentence(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    _, runs = study(store, CONFIGS[:3])

    def fail(*_: object) -> None:
        raise RuntimeError("the sky fell")

    monkeypatch.setattr(Group, "_step", fail)
    run_here(store, runs[0])
    assert {store.run(one.id).state for one in runs} == {"failed"}
    assert all("the sky fell" in str(store.run(one.id).error) for one in runs)


def test_a_killed_group_of_sixty_is_trained_again_and_nothing_is_there_twice(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTX_CHECKPOINT_SECONDS", "5")  # sixty files, each forced to the disk
    configs = [run(seed=seed, lam=lam, epochs=24) for seed in range(10) for lam in (0.01, 0.1, 0.3, 1.0, 3.0, 10.0)]
    _, runs = study(served.store, configs)
    served.ensure()
    until(lambda: len(stored(served.store, runs[-1].id)) > 50, "the group is at work")
    os.kill(served.worker(runs[0].id), signal.SIGKILL)
    for one in runs:
        assert ended(served.store, one.id).state == "done", served.log()
    again = [served.store.run(one.id) for one in runs]
    assert {one.attempt for one in again} == {2}
    assert {(one.final or {})["together"] for one in again} == {60}
    right(served.store, [runs[0], runs[31], runs[59]], [configs[0], configs[31], configs[59]])
    points = served.store.points([one.id for one in runs])
    assert len(set(points.groupby("run").size())) == 1


def test_a_run_that_is_stopped_while_texts_are_read_leaves_before_it_has_begun(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, runs = study(store, CONFIGS[:3])
    read = Features.read

    def watched(self: Features) -> Iterator[None]:
        for number, _ in enumerate(read(self)):
            if number == 0:
                keepers[0].stops.add(runs[1].id)
            yield

    keepers: list[Keeper] = []
    monkeypatch.setattr(Features, "read", watched)
    monkeypatch.setattr(Keeper, "start", lambda self: keepers.append(self))
    run_here(store, runs[0])
    left = store.run(runs[1].id)
    assert (left.state, left.step, left.checkpoint) == ("stopped", 0, None)
    right(store, [runs[0], runs[2]], [CONFIGS[0], CONFIGS[2]])


def test_a_group_saves_its_runs_now_and_then_and_goes_on_from_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTX_CHECKPOINT_SECONDS", "0")
    _, runs = study(store, CONFIGS[:3])

    def die(event: Event) -> None:
        if event.step == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_here(store, runs[0], die)
    assert {store.run(one.id).checkpoint_step for one in runs} == {11}
    run_here(store, store.run(runs[0].id))
    right(store, runs, CONFIGS[:3])


def test_of_a_group_the_run_that_diverges_fails_and_says_what_to_lower(store: Store) -> None:
    wild = run(head_lr=1.0, weight_decay=10.0, epochs=40)
    mixed = [CONFIGS[0], wild, CONFIGS[1]]
    _, runs = study(store, mixed)
    run_here(store, runs[0])
    bad = store.run(runs[1].id)
    assert bad.state == "failed"
    found = re.fullmatch(
        r"It diverged at step (\d+): the loss grew beyond all bounds. Lower the learning rates.", bad.error
    )
    assert found, bad.error
    assert bad.step == int(found[1]) - 1, "the curve up to there is kept"
    assert max(step for _, step in stored(store, bad.id)) == bad.step
    right(store, [runs[0], runs[2]], [CONFIGS[0], CONFIGS[1]])


def test_a_study_says_how_each_of_its_runs_ended(capsys: pytest.CaptureFixture[str]) -> None:
    flags = "--source sentiment/sample-cafes-en --target sentiment/sample-gadgets-en --target-size 20 --backbone tiny"
    assert main(["study", *flags.split(), "--draws", "2", "--epochs", "1", "--min-updates", "5"]) == 0
    said = capsys.readouterr().err
    assert all(f"{number} of 6:" in said for number in range(1, 7))
