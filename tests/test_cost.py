"""How long the Lab says that a study takes: from alike runs of the store, else from the work there is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ctx import data, machine
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical
from ctx.lab.cost import one_run_seconds, run_seconds, study_seconds
from ctx.parts import Choice
from ctx.records import Run
from ctx.registry import make
from ctx.study import arms
from ctx.tasks.translation import Translation
from ctx.together import shared_out

CONTEXT = "translation/sample-cafe-en-es"


def config(beams: int = 1, batch: int = 16, epochs: int = 2, **given: Any) -> RunConfig:
    asked: dict[str, Any] = {
        "target": ContextChoice(id=CONTEXT, size=40),
        "backbone": Choice(name="tiny"),
        "schedule": Choice(name="target-only"),
        "tuning": Choice(name="full"),
        "optim": Optim(epochs=epochs, min_updates=8, batch=batch),
        "beams": beams,
    }
    return RunConfig(**asked | given)


def finished(asked: RunConfig, seconds: float, steps: int = 16, without: str = "") -> Run:
    settings = canonical(asked).model_dump(mode="json")
    settings.pop(without, None)
    blank = dict.fromkeys(Run.__dataclass_fields__)
    final = {"train_seconds": seconds, "steps": steps}
    return Run(**blank | {"id": "a", "state": "done", "final": final, "settings": settings})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_WORKERS", "1")


def test_a_study_takes_as_long_as_an_alike_run_took() -> None:
    assert study_seconds(config(), 1, [finished(config(), 800.0)]) == pytest.approx(800)
    assert study_seconds(config(epochs=4), 1, [finished(config(), 800.0)]) == pytest.approx(
        800 * run_seconds(config(epochs=4)) / run_seconds(config())
    )
    assert 1.5 * run_seconds(config()) < run_seconds(config(epochs=4)) < 2 * run_seconds(config())


def test_only_a_study_whose_runs_are_shared_out_takes_less_than_its_runs_together(
    monkeypatch: pytest.MonkeyPatch,
    home: Path,
) -> None:
    light = config(**SENTIMENT)
    assert not shared_out(light)
    assert study_seconds(light, 4) == pytest.approx(4 * study_seconds(light, 1))
    assert shared_out(config())
    assert study_seconds(config(), 4) == pytest.approx(4 * study_seconds(config(), 1))
    monkeypatch.setenv("CTX_WORKERS", "2")
    assert study_seconds(config(), 4) == pytest.approx(2 * study_seconds(config(), 1))
    machine.keep_speeds({1: 1e6})
    monkeypatch.setattr(machine, "fastest", lambda: 2)
    assert study_seconds(config(), 4) > 1.5 * study_seconds(config(), 1), "one thread each"


OTHERS = [(config(8), config(1)), (config(1), config(8)), (config(), config(batch=8))]
SENTIMENT = {"target": ContextChoice(id="sentiment/sample-cafes-en", size=40)}


@pytest.mark.parametrize(("asked", "ran"), [*OTHERS, (config(), config(**SENTIMENT))])
def test_runs_of_other_beams_or_batches_or_applications_promise_nothing(asked: RunConfig, ran: RunConfig) -> None:
    assert study_seconds(asked, 1, [finished(ran, 8000.0)]) == study_seconds(asked, 1) < 100


def with_source(**given: Any) -> RunConfig:
    source = (SourceChoice(id="sentiment/sample-gadgets-en", size=60),)
    return config(sources=source, schedule=Choice(name="joint"), **SENTIMENT | given)


METHODS: list[dict[str, Any]] = [
    {"balancer": Choice(name="pcgrad")},
    {"balancer": Choice(name="gradnorm")},
    {"penalties": (Choice(name="mmd"),)},
    {"penalties": (Choice(name="mmd"), Choice(name="coral"))},
]


@pytest.mark.parametrize("place", range(len(METHODS)))
def test_a_method_takes_as_long_as_the_same_method_took(place: int) -> None:
    asked, plain = with_source(**METHODS[place]), with_source()
    others = [with_source(**one) for n, one in enumerate(METHODS) if n != place]
    for ran in (plain, *others):
        assert one_run_seconds(asked, [finished(ran, 8000.0)]) == one_run_seconds(asked) < 100
    assert one_run_seconds(asked, [finished(asked, 8000.0)]) == pytest.approx(8000)
    assert one_run_seconds(plain, [finished(asked, 8000.0)]) == one_run_seconds(plain)
    for left_out in ("balancer", "penalties"):  # stored before there were any
        assert one_run_seconds(plain, [finished(plain, 800.0, without=left_out)]) == pytest.approx(800)


@pytest.mark.parametrize(("tuning", "share"), [("lora", 2 / 3), ("bitfit", 2 / 3), ("full", 1.0)])
def test_where_few_weights_learn_no_time_is_counted_for_the_gradients_of_the_others(tuning: str, share: float) -> None:
    full = config(epochs=40, **SENTIMENT, backbone=Choice(name="minilm"), tuning=Choice(name="full"))
    other = full.model_copy(update={"tuning": Choice(name=tuning)})
    assert run_seconds(other) == pytest.approx(share * run_seconds(full), rel=0.1)


def test_a_pass_of_texts_without_labels_is_counted() -> None:
    plain = with_source()
    asked, unread = (
        plain.model_copy(update={"penalties": (Choice(name="mmd", knobs=knobs),)}) for knobs in ({}, {"texts": "all"})
    )
    assert run_seconds(asked) == run_seconds(plain)
    machine.keep_speeds({1: 1e6})  # so slow that the layers' work is all there is
    assert 1.2 * run_seconds(plain) < run_seconds(unread) < 1.5 * run_seconds(plain)
    seldom = Choice(name="joint", knobs={"target_share": 0.25})
    rare = [one.model_copy(update={"schedule": seldom}) for one in (plain, unread)]
    more = run_seconds(rare[1]) - run_seconds(rare[0])
    assert more == pytest.approx((run_seconds(unread) - run_seconds(plain)) / 4, rel=0.1)


def test_a_run_stored_before_there_were_beams_was_greedy() -> None:
    old = [finished(config(), 800.0, without="beams")]
    assert study_seconds(config(), 1, old) == pytest.approx(800)
    assert study_seconds(config(4), 1, old) < 100


def test_beams_mean_nothing_to_a_task_that_writes_no_texts() -> None:
    assert study_seconds(config(8, **SENTIMENT), 1, [finished(config(**SENTIMENT), 800.0)]) == pytest.approx(800)
    assert run_seconds(config(8, **SENTIMENT)) == run_seconds(config(1, **SENTIMENT))


def test_the_time_counts_the_texts_of_every_look_and_by_its_beams_those_of_the_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = data.sizes(ContextChoice(id=CONTEXT))
    tests, looks = min(200, there["test"]), min(40, there["validation"])

    def texts(asked: RunConfig) -> float:
        monkeypatch.setattr(Translation, "text_seconds", 0.0)
        without = run_seconds(asked)
        monkeypatch.setattr(Translation, "text_seconds", 1.0)
        return run_seconds(asked) - without

    assert texts(config()) == pytest.approx(tests + 2 * looks)
    assert texts(config(8, epochs=3)) == pytest.approx(8 * tests + 3 * looks)
    many = {"target": ContextChoice(id=CONTEXT, size=100)}
    assert texts(config(**many)) == pytest.approx(tests + 2 * (looks + 20))
    assert texts(config(**many, keep="last")) == pytest.approx(tests + 2 * looks)


def transfer(schedule: str, **given: Any) -> RunConfig:
    source = (SourceChoice(id="translation/sample-cafe-en-pt", size=60),)
    return config(sources=source, schedule=Choice(name=schedule), **given)


def test_the_source_alone_costs_its_tests_where_the_chosen_arm_has_trained_it() -> None:
    found = arms(transfer("sequential"))
    whole = {arm: run_seconds(one) for arm, one in found.items()}
    spared = sum(whole.values()) - study_seconds(transfer("sequential"), 1)
    assert 0.3 * whole["source-only"] < spared < whole["source-only"]
    ran = [finished(found["source-only"], 8000.0)]
    tested = whole["source-only"] - spared
    slower = 8000 / whole["source-only"]
    others = study_seconds(transfer("sequential"), 1) - tested
    assert study_seconds(transfer("sequential"), 1, ran) == pytest.approx(others + slower * tested)
    joint = arms(transfer("joint"))
    assert study_seconds(transfer("joint"), 1) == pytest.approx(sum(run_seconds(one) for one in joint.values()))
    assert study_seconds(transfer("joint"), 1, ran) > 8000


def test_a_run_that_took_its_source_phase_over_promises_nothing() -> None:
    run = finished(transfer("sequential"), 8000.0)
    assert run.final is not None
    taken = replace(run, final={**run.final, "taken_over": 8})
    assert study_seconds(transfer("sequential"), 1, [taken]) == study_seconds(transfer("sequential"), 1)
    assert study_seconds(transfer("sequential"), 1, [run]) > 8000


def test_what_alike_runs_took_counts_by_what_is_known_of_their_texts_now(home: Path) -> None:
    asked, tiny = config(**SENTIMENT), make("backbones", Choice(name="tiny"))
    ran = [finished(config(**SENTIMENT), 10.0)]
    assert study_seconds(asked, 1, ran) == pytest.approx(10)
    machine.keep_tokens(tiny, asked.contexts()["target"], 3 * machine.USUAL_TOKENS)
    assert study_seconds(asked, 1, ran) == pytest.approx(10)


def test_a_stored_run_that_this_version_cannot_read_promises_nothing() -> None:
    run = replace(finished(config(), 800.0), settings={**finished(config(), 1.0).settings, "unheard": 1})
    assert study_seconds(config(), 1, [run]) == study_seconds(config(), 1)
