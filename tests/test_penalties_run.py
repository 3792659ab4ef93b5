"""Penalties in real small runs: a term of the total, resumed bit-equal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from test_interfaces import resumed

from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical, check
from ctx.errors import BadInput, RunFailed
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.registry import part, registry
from ctx.setup import Setup
from ctx.state import Event
from ctx.train import Trainer, train

PAIRS = {
    "sentiment": ("sentiment/sample-cafes-en", "sentiment/sample-gadgets-en"),
    "ner": ("ner/sample-office-en", "ner/sample-travel-zh"),
    "lesson": ("lesson/relative", "lesson/base"),
    "translation": ("translation/sample-cafe-en-es", "translation/sample-office-en-es"),
    "summarisation": ("summarisation/sample-notices-en", "summarisation/sample-notices-es"),
}
ALIGNING, GUARDING = ("coral", "dann", "mmd"), ("distill", "ewc")
SCHEDULE = {"l2sp": "sequential"} | dict.fromkeys(ALIGNING, "joint") | dict.fromkeys(GUARDING, "sequential")
TERMS = {
    "coral": {"covariance"},
    "dann": {"domain"},
    "mmd": {"distance"},
    "distill": {"teacher"},
    "ewc": {"kept"},
    "l2sp": {"start", "head"},
}
WILD = Optim(epochs=5, min_updates=60, batch=8, lr=1.0, head_lr=1.0, weight_decay=10, clip=1e30)
SMALL = {"tiny": {"layers": 1, "width": 16}, "mlp": {}}


def config(
    application: str = "sentiment", *penalties: Choice, schedule: str | Choice = "joint", **changes: Any
) -> RunConfig:
    source, target = PAIRS[application]
    backbone = "mlp" if application == "lesson" else "tiny"
    return RunConfig(
        sources=(SourceChoice(id=source, size=24),),
        target=ContextChoice(id=target, size=12),
        backbone=Choice(name=backbone, knobs=SMALL[backbone]),
        schedule=Choice(name=schedule) if isinstance(schedule, str) else schedule,
        tuning=Choice(name="full"),
        penalties=penalties,
        optim=Optim(epochs=2, min_updates=3, batch=8),
    ).model_copy(update=changes)


def usual(name: str, application: str = "sentiment", **changes: Any) -> RunConfig:
    """A run in which the penalty means something."""
    knobs = {"l2sp": {"head": 0.1}, "ewc": {"examples": 5}, "dann": {"hidden": 8}}.get(name, {})
    return config(application, Choice(name=name, knobs=knobs), **{"schedule": SCHEDULE[name]} | changes)


def steps(asked: RunConfig) -> list[dict[str, float]]:
    """What every update logs; nothing is tested afterwards."""
    found = []
    for event in train(asked, features=Memo()):
        found += [dict(event.values)] if event.kind == "step" else []
        if event.step == event.steps:
            break
    return found


def test_the_six_penalties_are_there() -> None:
    assert set(TERMS) <= set(registry("penalties"))


@pytest.mark.parametrize("application", PAIRS)
@pytest.mark.parametrize("name", TERMS)
def test_a_penalty_runs_with_every_task_or_says_why_not(name: str, application: str) -> None:
    asked = usual(name, application)
    found = steps(asked.model_copy(update={"optim": Optim(epochs=1, min_updates=3, batch=8)}))
    for values in found:
        terms = {term: value for term, value in values.items() if term.startswith("term/")}
        there = TERMS[name] if name not in GUARDING or "loss/target" in values else set()
        if name == "l2sp":  # layers begin at random, and a head afresh; the target has them all handed over
            there = {"start"} if "loss/target" in values else {"head"}
        assert set(terms) == {f"term/{name}/{term}" for term in there}
        weighted = sum(value for one, value in values.items() if one.startswith("weighted/"))
        assert values["total"] == pytest.approx(weighted + sum(terms.values()), rel=1e-6)
    assert all(math.isfinite(value) for values in found for value in values.values())
    assert any(value for values in found[-2:] for one, value in values.items() if one.startswith("term/"))


@pytest.mark.parametrize("name", TERMS)
def test_a_run_with_a_penalty_stopped_and_resumed_is_bit_equal(name: str) -> None:
    resumed(usual(name))


@pytest.mark.parametrize("name", ["l2sp", *GUARDING])
def test_where_layers_learn_above_frozen_ones_a_resumed_run_is_bit_equal_too(name: str) -> None:
    resumed(usual(name, "ner", tuning=Choice(name="freeze", knobs={"layers": 0})))


@pytest.mark.parametrize("other", ["l2sp", "distill"])
def test_what_matters_is_not_weighed_again_after_a_run_was_stopped(other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = usual("ewc", penalties=(usual(other).penalties[0], usual("ewc").penalties[0]))
    stopped = next(event for event in train(asked, features=Memo()) if event.values.get("term/ewc/kept"))
    state, cls = stopped.snapshot(), part("penalties", "ewc")
    monkeypatch.setattr(cls, "_importance", lambda *_: pytest.fail("it was known"))
    rest = list(train(asked, resume=state, features=Memo()))
    assert len(rest) > 2


def test_three_that_look_back_while_layers_begin_to_learn_are_resumed_bit_equal() -> None:
    together = [usual(name).penalties[0] for name in ("ewc", "distill", "l2sp")]
    resumed(usual("ewc", "ner", tuning=Choice(name="gradual"), penalties=tuple(together)))


def test_distillation_of_texts_that_are_changed_or_mixed_is_resumed_bit_equal() -> None:
    resumed(usual("distill", augment=(Choice(name="deletion"), Choice(name="mixup"))))


def test_several_penalties_add_up_and_are_resumed_bit_equal() -> None:
    asked = config("sentiment", Choice(name="mmd"), Choice(name="dann"), Choice(name="coral"))
    resumed(asked)
    for values in steps(asked):
        terms = [value for name, value in values.items() if name.startswith(("term/", "weighted/"))]
        assert values["total"] == pytest.approx(sum(terms), rel=1e-9)


@pytest.mark.parametrize("name", TERMS)
def test_a_penalty_of_no_weight_is_none(name: str) -> None:
    plain = config(schedule=SCHEDULE[name])
    off = plain.model_copy(update={"penalties": (Choice(name=name, knobs={"weight": 0.0}),)})
    assert canonical(off) == canonical(plain)


@pytest.mark.parametrize("name", ["l2sp", *GUARDING])
def test_a_heavy_penalty_keeps_the_model_nearer_to_what_was_handed_over(name: str) -> None:
    def way(weight: float) -> float:
        knobs = {"weight": weight} | ({"examples": 20} if name == "ewc" else {})
        asked = config("lesson", Choice(name=name, knobs=knobs), schedule="sequential")
        opposed = asked.sources[0].model_copy(update={"knobs": {"relatedness": -1.0}})
        asked = asked.model_copy(update={"sources": (opposed,), "optim": Optim(epochs=2, min_updates=20, batch=8)})
        trainer = Trainer(Setup(canonical(asked)), Memo())
        handed: dict[str, torch.Tensor] = {}
        for event in trainer.run(None):
            if event.values.get("phase") == 1:
                handed = trainer.model.copies(trainer.at.touched)
        assert handed
        assert bool(trainer.total.state()) == bool(weight), "weights that nothing reads are not kept"
        now = dict(trainer.model.named_parameters())
        with torch.no_grad():
            return float(torch.stack([(now[key] - was).square().sum() for key, was in handed.items()]).sum())

    assert way({"l2sp": 30.0, "ewc": 1e4, "distill": 30.0}[name]) < 0.5 * way(0.0)


@pytest.mark.parametrize("tuning", ["full", "gradual"])
@pytest.mark.parametrize("name", ["l2sp", "ewc"])
def test_a_run_with_it_keeps_one_more_copy_of_the_weights(name: str, tuning: str) -> None:
    asked = usual(name, "ner", tuning=Choice(name=tuning), optim=Optim(epochs=3, min_updates=2, batch=8))

    class Seen(Trainer):
        def _updated(self, values: dict[str, float]) -> Event:
            found = super()._updated(values)
            sizes.append(sum(one.nbytes for one in self.total.state().values()))
            return found

    sizes: list[int] = []
    trainer = Seen(Setup(canonical(asked)), Memo())
    for event in trainer.run(None):
        if event.step == event.steps:
            break
    once = sum(p.nbytes for p in trainer.model.parameters())
    scalars = 4 * len(list(trainer.model.parameters()))
    assert 0.9 * once < max(sizes) <= once + scalars


def test_a_second_source_counts_as_the_sources_side() -> None:
    second = SourceChoice(id="sentiment/sample-cafes-zh", size=12)
    asked = usual("dann")
    found = steps(asked.model_copy(update={"sources": (*asked.sources, second)}))
    assert all("term/dann/domain" in values and "told/dann/accuracy" in values for values in found)


def test_the_discriminators_accuracy_and_the_ramp_are_curves() -> None:
    found = steps(usual("dann"))
    for number, values in enumerate(found):
        assert values["told/dann/mu"] == pytest.approx(2 / (1 + math.exp(-10 * number / len(found))) - 1, abs=1e-12)
        assert 0 <= values["told/dann/accuracy"] <= 1


def test_target_texts_without_a_weight_on_their_labels_are_still_seen() -> None:
    asked = usual("dann", schedule=Choice(name="joint", knobs={"lam": 0.0}))
    assert canonical(asked).schedule == asked.schedule
    assert all("term/dann/domain" in values and values["weighted/target"] == 0 for values in steps(asked))
    held = {"schedule": asked.schedule, "backbone": Choice(name="minilm")}
    alone = config("sentiment", Choice(name="l2sp"), **held)
    assert canonical(alone).schedule.name == "source-only"


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("schedule", sorted(registry("schedules")))
def test_a_penalty_is_refused_or_a_term_of_some_update_whatever_the_schedule(name: str, schedule: str) -> None:
    asked = usual(name, schedule=Choice(name=schedule))
    try:
        check(asked)
    except BadInput:
        return
    assert any(key.startswith(f"term/{name}/") for values in steps(asked) for key in values)


def test_replay_leaves_nothing_behind_to_be_guarded() -> None:
    with pytest.raises(BadInput, match="the schedule replay goes on training on all of them: choose the schedule"):
        check(usual("ewc", schedule="replay"))


def test_penalties_are_one_run_in_whatever_order_they_were_asked_for() -> None:
    two = Choice(name="mmd"), Choice(name="coral")
    assert canonical(config("sentiment", *two)) == canonical(config("sentiment", *reversed(two)))


@pytest.mark.parametrize("name", ["coral", "mmd"])
def test_one_text_a_side_is_too_few_to_compare(name: str) -> None:
    asked = usual(name)
    with pytest.raises(BadInput, match="needs 2 texts of a context in an update, and there would be 1: raise batch"):
        check(asked.model_copy(update={"optim": Optim(batch=1)}))


@pytest.mark.parametrize("name", ALIGNING)
def test_batches_that_are_compared_are_random_samples_not_texts_of_one_length(name: str) -> None:
    def spread(asked: RunConfig) -> float:
        """Of the lengths in a batch, as a share of that in the whole context."""
        setup = Setup(canonical(asked))
        rows, sampler = setup.rows["source"], setup.samplers["source"]
        lengths = [rows.encoded.lengths[sampler[n]] for n in range(2 * sampler.cycle)]
        return float(np.mean([one.std() for one in lengths]) / rows.encoded.lengths[rows.learn].std())

    plain = config(sources=(SourceChoice(id=PAIRS["sentiment"][0]),))
    assert spread(plain) < 0.6
    assert spread(plain.model_copy(update={"penalties": (Choice(name=name),)})) > 0.75


@pytest.mark.parametrize(
    ("changes", "lower"),
    [
        ({"penalties": (Choice(name="l2sp", knobs={"weight": 1e30}),)}, "the weight of the penalty l2sp"),
        ({"penalties": (Choice(name="l2sp", knobs={"weight": 1e9}),)}, "the weight of the penalty l2sp"),
        ({"optim": WILD, "penalties": ()}, "the learning rates"),
        ({"optim": WILD, "penalties": (Choice(name="l2sp", knobs={"weight": 1e-30}),)}, "the learning rates"),
    ],
)
def test_a_run_that_diverges_says_what_to_lower(changes: dict[str, Any], lower: str) -> None:
    with pytest.raises(
        RunFailed, match=rf"^It diverged at step \d+: the loss grew beyond all bounds\. Lower {lower}\.$"
    ):
        steps(usual("l2sp", **changes))


ALL = {"texts": "all"}


@pytest.mark.parametrize("application", PAIRS)
@pytest.mark.parametrize("name", ALIGNING)
def test_all_texts_of_the_target_are_read_without_their_labels(name: str, application: str) -> None:
    asked = config(application, Choice(name=name, knobs=ALL))
    plain = steps(asked)
    assert plain != steps(config(application, Choice(name=name)))
    trainer = Trainer(Setup(canonical(asked)), Memo())
    rows = trainer.setup.rows["target"]
    unread = np.setdiff1d(rows.pool, [*rows.learn, *rows.select])
    assert set(rows.pool) == {row for n in range(trainer.further.sampler.cycle) for row in trainer.further.sampler[n]}
    labels = rows.encoded.targets[unread]
    rows.encoded.targets[unread] = 0  # a loss that reads them is another
    try:
        assert [dict(event.values) for event in trainer.run(None) if event.kind == "step"] == plain
    finally:
        rows.encoded.targets[unread] = labels


def test_a_run_that_reads_them_is_resumed_bit_equal() -> None:
    resumed(config("sentiment", Choice(name="dann", knobs=ALL | {"hidden": 8}), Choice(name="coral", knobs=ALL)))


def test_two_penalties_read_the_same_further_texts_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[int] = []
    trainer = Trainer(
        Setup(canonical(config("lesson", Choice(name="dann", knobs=ALL), Choice(name="mmd", knobs=ALL)))), Memo()
    )
    hidden = trainer.further.hidden
    monkeypatch.setattr(trainer.further, "hidden", lambda batch: passes.append(len(batch)) or hidden(batch))
    for event in trainer.run(None):
        if event.step == event.steps:
            break
    assert passes == [8] * event.steps
