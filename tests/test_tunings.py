"""Which layers learn, when and how fast: by epoch, by set, slower downwards."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ctx.config import ContextChoice, canonical, key
from ctx.parts import Choice
from ctx.registry import make
from tests.test_interfaces import resumed
from tests.tuned import BLOCKS, TUNINGS, bert, config, moved, same_when_warm, trainer_of, weights

__all__ = ["bert"]


# -- gradual unfreezing


@pytest.mark.parametrize(
    ("knobs", "depths", "learns"),
    [
        ({}, [5, 3, 2, 1, 0, 0], [[], ["layer3"], ["layer2", "layer3"], BLOCKS[1:], BLOCKS, BLOCKS]),
        ({"start": 1, "interval": 2}, [3, 3, 2, 2, 1, 1], [["layer3"]] * 2 + [BLOCKS[2:]] * 2 + [BLOCKS[1:]] * 2),
    ],
    ids=["an epoch a layer", "two epochs a layer, one at the start"],
)
def test_gradual_unfreezing_moves_exactly_the_layers_it_should_at_each_epoch(
    knobs: dict[str, int], depths: list[int], learns: list[list[str]]
) -> None:
    trainer = trainer_of(config("gradual", epochs=6, **knobs))
    found, frozen, before = [], [], {}
    for event in trainer.run(None):
        if event.kind == "start":
            before = weights(trainer)
        if event.kind == "step":
            frozen.append(trainer.frozen.depth)
        if event.kind == "epoch":
            after = weights(trainer)
            found.append(moved(before, after))
            before = after
    assert found == learns
    assert frozen[::2] == depths, "the prefix is as deep as what is frozen, the read-out with it where all is"


def test_in_the_second_phase_layers_are_unfrozen_from_the_top_again() -> None:
    asked = config("gradual").model_copy(update={"schedule": Choice(name="sequential")})
    trainer = trainer_of(asked)
    depths = [trainer.frozen.depth for event in trainer.run(None) if event.kind == "step"]
    assert depths == [5, 5, 3, 3] * 2


def test_the_weights_that_are_kept_are_of_one_moment_whatever_began_to_learn_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = config("gradual", epochs=4).model_copy(
        update={"target": ContextChoice(id="sentiment/sample-gadgets-en", size=100)}
    )
    trainer = trainer_of(asked)
    lacks = iter([0.5, 0.1, 0.3, 0.4])
    monkeypatch.setattr(trainer.evaluator, "lack", lambda context, rows: (next(lacks), 0.0))
    at: dict[int, dict[str, torch.Tensor]] = {}
    for event in trainer.run(None):
        if event.kind == "step":
            at[event.step] = weights(trainer)
    best = trainer.at.kept_step
    assert best == 2 * max(at) // 4
    assert all(torch.equal(value, at[best][name]) for name, value in weights(trainer).items())
    assert moved(at[best], at[max(at)]) == BLOCKS[1:]


# -- rates


@pytest.mark.parametrize(
    ("tuning", "knobs", "wanted"),
    [
        ("full", {}, [1 / 17.576, 1 / 6.76, 1 / 2.6, 1.0]),
        ("freeze", {"layers": 1}, [None, None, 1 / 2.6, 1.0]),
        ("gradual", {"start": 2}, [None, None, 1 / 2.6, 1.0]),
    ],
)
def test_each_layer_down_learns_slower_by_the_factor(
    tuning: str, knobs: dict[str, int], wanted: list[float | None]
) -> None:
    trainer = trainer_of(config(tuning, decay=2.6, **knobs))
    trainer.begin()
    lr, head_lr = trainer.setup.config.learning_rates()
    assert trainer.optimiser.adam is not None
    rates = {id(p): group["full_lr"] for group in trainer.optimiser.adam.param_groups for p in group["params"]}
    for name, rate in zip(BLOCKS, wanted, strict=True):
        (found,) = {rates.get(id(p)) for p in trainer.model.blocks[name].parameters()}
        assert found == (rate if rate is None else pytest.approx(lr * rate, rel=1e-12)), name
    assert {rates[id(p)] for p in trainer.model.heads.parameters()} == {head_lr}


def test_a_rate_that_is_the_same_for_all_layers_is_the_plain_run() -> None:
    assert key(config("full", decay=1.0, reinit=0)) == key(config("full"))
    assert canonical(config("full", decay=1.0, reinit=0)).tuning == Choice(name="full")
    assert key(config("full", decay=2.6)) != key(config("full"))


# -- sets of layers


@pytest.mark.parametrize(
    ("learn", "blocks", "depth"),
    [("1, 3", ["layer1", "layer3"], 1), ("embedding", ["embedding"], 0), ("head, Embedding,2", BLOCKS[0:3:2], 0)],
)
def test_only_the_chosen_layers_learn_and_those_frozen_above_drop_nothing_out(
    learn: str, blocks: list[str], depth: int
) -> None:
    trainer = trainer_of(config("choose", learn=learn))
    before = weights(trainer)
    for event in trainer.run(None):
        if event.kind == "step":
            assert trainer.frozen.depth == depth
            for name in BLOCKS:
                modules = list(trainer.model.blocks[name].modules())
                assert {module.training for module in modules} == {name in blocks}, name
    assert moved(before, weights(trainer)) == blocks
    assert event.final is not None
    learnt = sum(p.numel() for name in blocks for p in trainer.model.blocks[name].parameters())
    assert event.final["parameters"]["learn"] == learnt + sum(p.numel() for p in trainer.model.heads.parameters())


def test_chosen_layers_learn_at_rates_of_their_own() -> None:
    tuning = make("tunings", Choice(name="choose", knobs={"learn": "1, 3", "decay": 2.0}))
    assert tuning.rates(3, 0) == [0.0, 0.25, 0.0, 1.0]


def test_what_passes_through_a_frozen_layer_is_the_gradient_of_the_plain_model() -> None:
    """Of one batch, without dropout: the chosen layers' gradients are those of the run in which all learn."""
    found = []
    for tuning, knobs in (("choose", {"learn": "1, 3"}), ("full", {})):
        trainer = trainer_of(config(tuning, **knobs))
        trainer.begin()
        trainer.model.eval()
        batch = trainer._next("target")
        _, out, _ = trainer._forward("target", batch)
        trainer.setup.task.loss(out, batch).backward()
        found.append({name: p.grad for name, p in trainer.model.named_parameters() if p.grad is not None})
    chosen, plain = found
    assert {name.split(".")[1] for name in chosen if name.startswith("blocks.")} == {"layer1", "layer3"}
    for name, grad in chosen.items():
        assert torch.allclose(grad, plain[name], rtol=1e-4, atol=1e-7), name


@pytest.mark.parametrize(
    ("tuning", "knobs", "wanted"),
    [
        ("choose", {"learn": "embedding, 1-3"}, Choice(name="full")),
        ("choose", {"learn": "3,2"}, Choice(name="freeze", knobs={"layers": 1})),
        ("choose", {"learn": "1-3"}, Choice(name="freeze", knobs={"layers": 0})),
        ("choose", {"learn": "head"}, Choice(name="head")),
        ("choose", {"learn": ""}, Choice(name="head")),
        ("choose", {"learn": " 2 , Embedding"}, Choice(name="choose", knobs={"learn": "embedding, 2"})),
        ("choose", {"learn": "1"}, Choice(name="choose")),
        ("choose", {"learn": "2-3", "decay": 2.0}, Choice(name="freeze", knobs={"layers": 1, "decay": 2.0})),
        ("choose", {"learn": "3", "decay": 2.0}, Choice(name="freeze", knobs={"layers": 2})),
        ("choose", {"learn": "embedding, 1-3", "decay": 2.0}, Choice(name="full", knobs={"decay": 2.0})),
        ("freeze", {"layers": 2, "decay": 2.6}, Choice(name="freeze", knobs={"layers": 2})),
        ("freeze", {"layers": 3, "decay": 2.6}, Choice(name="head")),
        ("gradual", {"start": 0, "interval": 1, "decay": 1.0}, Choice(name="gradual")),
    ],
)
def test_what_trains_alike_has_one_name(tuning: str, knobs: dict[str, object], wanted: Choice) -> None:
    assert canonical(config(tuning, **knobs)).tuning == wanted


# -- the same numbers, whatever was computed before, wherever it was stopped


@pytest.mark.parametrize(("tuning", "knobs"), [TUNINGS[0], TUNINGS[3], TUNINGS[5]])
def test_a_run_goes_on_bit_equal(tuning: str, knobs: dict[str, object]) -> None:
    resumed(config(tuning, **knobs))


@pytest.mark.parametrize(("tuning", "knobs"), TUNINGS[3:])
def test_a_warm_memo_gives_the_same_bits_as_a_cold_one(
    bert: Choice, tuning: str, knobs: dict[str, object], home: Path
) -> None:
    same_when_warm(config(tuning, bert, **knobs), bert)
