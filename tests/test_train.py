"""The loop: what it logs is the formula, frozen means frozen, and stopping changes nothing."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical, key
from ctx.errors import BadInput
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.setup import Setup
from ctx.state import Event, State
from ctx.train import Trainer, train

OPTIM = Optim(epochs=2, min_updates=6, batch=16)
SOURCE = SourceChoice(id="sentiment/sample-cafes-en", size=60)
TARGET = ContextChoice(id="sentiment/sample-gadgets-en", size=20)


def tiny(schedule: str = "joint", tuning: str = "full", seed: int = 0, **knobs: object) -> RunConfig:
    """A small run on the bundled samples."""
    tunings = {"freeze": {"layers": 1}}
    return RunConfig(
        sources=(SOURCE,),
        target=TARGET,
        backbone=Choice(name="tiny"),
        schedule=Choice(name=schedule, knobs=dict(knobs)),
        tuning=Choice(name=tuning, knobs=tunings.get(tuning, {})),
        optim=OPTIM,
        seed=seed,
    )


def lesson(relatedness: float = 1.0, schedule: str = "joint", **more: object) -> RunConfig:
    """A run of the first lesson."""
    return RunConfig(
        sources=(SourceChoice(id="lesson/relative", size=200, knobs={"relatedness": relatedness}),),
        target=ContextChoice(id="lesson/base", size=20),
        backbone=Choice(name="mlp"),
        schedule=Choice(name=schedule),
        tuning=Choice(name="full"),
        **{"optim": OPTIM} | more,  # type: ignore[arg-type]
    )


def record(events: list[Event]) -> list[tuple[int, dict[str, float]]]:
    return [(event.step, dict(event.values)) for event in events]


def same_weights(one: State, other: State) -> bool:
    return one.tensors.keys() == other.tensors.keys() and all(
        torch.equal(value, other.tensors[name]) for name, value in one.tensors.items()
    )


@pytest.mark.parametrize("schedule", ["joint", "sequential", "target-only", "source-only"])
@pytest.mark.parametrize("tuning", ["full", "freeze", "head"])
def test_every_schedule_runs_with_every_tuning_and_logs_the_formula(schedule: str, tuning: str) -> None:
    knobs = {"lam": 0.3} if schedule == "joint" else {}
    events = list(train(tiny(schedule, tuning, **knobs), features=Memo()))
    steps = [event.values for event in events if event.kind == "step"]
    assert len(steps) == events[-1].steps == events[-1].step
    for values in steps:
        raw = {name.removeprefix("loss/"): v for name, v in values.items() if name.startswith("loss/")}
        if schedule == "joint":
            assert values["total"] == pytest.approx(raw["source"] + 0.3 * raw["target"], rel=1e-6)
            assert values["weighted/target"] == pytest.approx(0.3 * raw["target"], rel=1e-12)
        else:
            assert [values["total"]] == pytest.approx(list(raw.values()))
    assert all(math.isfinite(v) for event in events for v in event.values.values())


def test_both_contexts_are_evaluated_before_training_and_at_every_epoch_and_tested_once() -> None:
    events = list(train(tiny(), features=Memo()))
    looks = [event for event in events if "validation/source/macro_f1" in event.values]
    assert [event.step for event in looks] == [0, 6, 12]
    assert all("validation/target/macro_f1" in event.values for event in looks)
    assert [event.kind for event in events if event.final] == ["end"]
    assert set(events[-1].final["metrics"]["target"]) == {"macro_f1", "accuracy", "loss"}


@pytest.mark.parametrize("config", [tiny(), tiny("sequential", "freeze"), tiny("sequential", "head"), lesson()])
def test_a_run_resumed_at_any_step_is_bit_equal_to_the_uninterrupted_one(config: RunConfig) -> None:
    whole = list(train(config, features=Memo()))
    end = whole[-1].snapshot()
    for stop in (0, 3, 7, len(whole) // 2, len(whole) - 2):
        events = train(config, features=Memo())
        first = list(itertools.islice(events, stop + 1))
        state = first[-1].snapshot()
        events.close()
        torch.manual_seed(99)  # another run in between must not matter
        rest = list(train(config, resume=state, features=Memo()))
        assert record(first) + record(rest) == record(whole)
        assert same_weights(rest[-1].snapshot(), end)
        assert rest[-1].final == whole[-1].final


@pytest.mark.parametrize(("tuning", "frozen"), [("freeze", 2), ("head", 3)])
@pytest.mark.parametrize("schedule", ["joint", "sequential"])
def test_a_frozen_layer_never_moves(tuning: str, frozen: int, schedule: str) -> None:
    trainer = Trainer(Setup(canonical(tiny(schedule, tuning))), Memo())
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    for _ in trainer.run(None):
        pass
    blocks = [f"blocks.{name}." for name in trainer.model.blocks]
    for name, p in trainer.model.named_parameters():
        below = any(name.startswith(block) for block in blocks[:frozen])
        assert torch.equal(p, before[name]) == below, name


def test_the_gradient_at_lambda_zero_is_the_source_only_gradient() -> None:
    def gradient(weights: dict[str, float]) -> list[torch.Tensor]:
        trainer = Trainer(Setup(canonical(tiny("joint", lam=1.0))), Memo())
        trainer.begin()
        trainer.model.eval()  # without dropout the source's batch gives one gradient
        losses = {}
        for key_ in weights:
            batch = trainer._next(key_)
            losses[key_] = trainer.setup.task.loss(trainer._forward(key_, batch)[1], batch)
        trainer.total.balancer.backward(losses, weights, [])
        return [p.grad for p in trainer.model.parameters() if p.grad is not None]

    both, alone = gradient({"source": 1.0, "target": 0.0}), gradient({"source": 1.0})
    assert len(both) == len(alone) > 0
    assert all(torch.equal(a, b) for a, b in zip(both, alone, strict=True))


def test_joint_with_lambda_zero_is_the_source_only_run() -> None:
    assert canonical(tiny("joint", lam=0.0)) == canonical(tiny("source-only"))
    assert key(tiny("joint", lam=0.0)) == key(tiny("source-only"))


def test_paired_arms_share_the_subset_the_start_and_the_order() -> None:
    joint, alone = (Trainer(Setup(canonical(tiny(name))), Memo()) for name in ("joint", "target-only"))
    one, other = joint.setup, alone.setup
    assert np.array_equal(one.rows["target"].learn, other.rows["target"].learn)
    assert all(np.array_equal(one.samplers["target"][n], other.samplers["target"][n]) for n in range(9))
    assert all(torch.equal(p, q) for p, q in zip(joint.model.parameters(), alone.model.parameters(), strict=True))


def test_other_draws_differ() -> None:
    one, other = (Setup(canonical(tiny(seed=seed))) for seed in (0, 1))
    assert not np.array_equal(one.rows["target"].learn, other.rows["target"].learn)


def test_the_weights_kept_are_those_with_the_lowest_selection_loss() -> None:
    config = lesson().model_copy(update={"target": ContextChoice(id="lesson/base", size=200), "optim": Optim(epochs=6)})
    trainer = Trainer(Setup(canonical(config)), Memo())
    rows = trainer.setup.rows["target"].select
    losses = {}
    for event in trainer.run(None):
        if event.kind == "epoch" and event.step < event.steps:
            losses[event.step] = trainer.evaluator.metrics("target", rows)["loss"]
    losses[event.step] = math.inf if event.final["kept_step"] != event.step else -math.inf
    kept = event.final["kept_step"]
    assert kept == event.step or losses[kept] == min(losses.values())
    assert len(rows) == 40


@pytest.mark.parametrize(
    ("means", "error", "kept"),
    [
        ([0.1, 0.3, 0.2], 0.0, [1, 2]),
        ([0.1, 0.3, 0.2], 0.15, [1, 2, 3]),
        ([0.1, 0.5, 0.4, 0.3], 0.15, [1, 2, 3]),
        ([0.3, 0.3], 0.0, [1]),
    ],
    ids=["told apart", "within an error", "measured from the best, not the last kept", "no better"],
)
def test_the_last_texts_not_worse_by_a_standard_error_are_kept_though_the_loss_rises(
    means: list[float], error: float, kept: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = RunConfig(
        target=ContextChoice(id="summarisation/sample-notices-en", size=120),
        backbone=Choice(name="tiny"),
        schedule=Choice(name="target-only"),
        optim=Optim(epochs=len(means), min_updates=2, batch=8),
    )
    trainer = Trainer(Setup(canonical(config)), Memo())
    said, asked = iter(means), []
    task, select = trainer.setup.task, trainer.setup.rows["target"].select
    known = {str(text) for text in trainer.setup.rows["target"].encoded.references[select]}
    score = task.scores

    def scored(answers: np.ndarray, references: np.ndarray) -> np.ndarray:
        if not {str(text) for text in references} <= known:
            return score(answers, references)
        count = len(references)
        asked.append(count)
        return next(said) + error * (count - 1) ** 0.5 * np.where(np.arange(count) % 2, 1, -1)

    monkeypatch.setattr(task, "scores", scored)
    events = list(trainer.run(None))
    updates = trainer.setup.phases[0].updates
    assert asked == [len(select)] * len(means)
    assert len(select) % 2 == 0
    assert [event.step // updates for event in events if "kept" in event.values] == kept
    assert events[-1].final["kept_step"] == kept[-1] * updates


def test_answers_come_in_the_order_of_their_rows_however_few_fit_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(Setup(canonical(tiny())), Memo())
    trainer.begin()
    rows = trainer.setup.rows["target"].test
    together = trainer.evaluator.answers("target", rows)
    monkeypatch.setattr("ctx.evaluation.TOKENS", 1)
    np.testing.assert_allclose(trainer.evaluator.answers("target", rows), together, rtol=1e-4, atol=1e-5)


def test_a_loss_that_is_no_number_is_never_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([0.5, math.nan, 0.4, 0.9])
    trainer = Trainer(Setup(canonical(lesson(optim=Optim(epochs=4, min_updates=5)))), Memo())
    trainer.setup.rows["target"] = replace(trainer.setup.rows["target"], select=np.arange(5))
    look = trainer.evaluator.metrics

    def evaluate(key_: str, rows: np.ndarray, looks: int | None = None) -> dict[str, float]:
        return {"loss": next(losses)} if len(rows) == 5 else look(key_, rows, looks)

    monkeypatch.setattr(trainer.evaluator, "metrics", evaluate)
    events = list(trainer.run(None))
    updates = trainer.setup.phases[0].updates
    assert [event.step for event in events if "kept" in event.values] == [updates, 3 * updates]
    assert events[-1].final["kept_step"] == 3 * updates


def test_below_a_hundred_labels_the_last_weights_are_kept() -> None:
    events = list(train(lesson(), features=Memo()))
    assert events[-1].final["kept_step"] == events[-1].steps
    assert events[-1].final["labels_used"] == {"source": 200, "target": 20}


def test_a_sequential_run_hands_its_weights_over_unless_told_not_to() -> None:
    def first_target_loss(copy: bool) -> float:
        config = lesson(schedule="sequential", optim=Optim(epochs=4))
        knobs = Choice(name="sequential", knobs={"copy_weights": copy})
        events = train(config.model_copy(update={"schedule": knobs}), features=Memo())
        return next(e.values["loss/target"] for e in events if "loss/target" in e.values)

    fresh = next(
        e.values["loss/target"]
        for e in train(lesson(schedule="target-only", optim=Optim(epochs=4)), features=Memo())
        if e.kind == "step"
    )
    assert first_target_loss(copy=False) == pytest.approx(fresh, rel=1e-6)
    assert first_target_loss(copy=True) < 0.8 * fresh


def test_a_wrong_shape_is_refused_rather_than_broadcast() -> None:
    setup = Setup(canonical(lesson()))
    batch = setup.rows["target"].encoded.batch(np.arange(10))
    with pytest.raises(ValueError, match="differ in shape"):
        setup.task.loss(torch.zeros(10), batch)
    assert nn.functional.mse_loss(torch.zeros(10, 1), torch.zeros(10, 1)) == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schedule": Choice(name="joint", knobs={"lam": -1})}, "greater than or equal to 0"),
        ({"schedule": Choice(name="joint", knobs={"lam": math.nan})}, "finite"),
        ({"schedule": Choice(name="joint", knobs={"lamb": 1})}, "has no knob"),
        ({"schedule": Choice(name="jiont")}, "There are: intermediate, joint"),
        ({"tuning": Choice(name="freeze", knobs={"layers": 3})}, "choose a number from 0 to 2"),
        ({"backbone": Choice(name="tiny", knobs={"readout": 3})}, "choose from 0 to 2"),
        ({"backbone": Choice(name="mlp")}, "choose another backbone"),
        ({"backbone": Choice(name="folder")}, "name a folder"),
        ({"target": ContextChoice(id=SOURCE.id)}, "named twice"),
        ({"target": ContextChoice(id="lesson/base")}, "of one application"),
        ({"target": ContextChoice(id="sentiment/nowhere")}, "no context called"),
        ({"target": ContextChoice(id=TARGET.id, size=10**6)}, "ask for at most"),
        ({"sources": ()}, "add --source"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_sentence(change: dict[str, object], says: str) -> None:
    with pytest.raises(BadInput, match=says) as refused:
        canonical(tiny().model_copy(update=change))
    assert "\n" not in str(refused.value)
