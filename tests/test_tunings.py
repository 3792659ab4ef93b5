"""Which layers learn, when and how fast: by epoch, by set, slower downwards, or drawn anew; and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical, key
from ctx.model import build
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.registry import make
from ctx.setup import Setup
from ctx.train import Trainer, train
from ctx.warm import warm_runs
from tests.test_folder import save
from tests.test_interfaces import resumed

TINY = Choice(name="tiny", knobs={"layers": 3, "width": 16})
BLOCKS = ["embedding", "layer1", "layer2", "layer3"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Choice:
    folder = tmp_path_factory.mktemp("models") / "bert"
    torch.manual_seed(1)
    save(folder, "bert")
    return Choice(name="folder", knobs={"path": str(folder)})


def config(tuning: str, backbone: Choice = TINY, epochs: int = 2, seed: int = 0, **knobs: object) -> RunConfig:
    return RunConfig(
        sources=(SourceChoice(id="sentiment/sample-cafes-en", size=40),),
        target=ContextChoice(id="sentiment/sample-gadgets-en", size=20),
        backbone=backbone,
        tuning=Choice(name=tuning, knobs=knobs),
        optim=Optim(epochs=epochs, min_updates=2),
        seed=seed,
    )


def trainer_of(asked: RunConfig, features: Memo | None = None) -> Trainer:
    return Trainer(Setup(canonical(asked)), features or Memo())


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in trainer.model.named_parameters()}


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor], drawn: bool = False) -> list[str]:
    """The blocks whose parameters differ, lowest first; all of a block's do or none. ``drawn``: those of matrices."""
    found = []
    for block in BLOCKS:
        names = [name for name in before if name.startswith(f"blocks.{block}.") and not name.endswith("key.bias")]
        names = [name for name in names if before[name].ndim > 1 or not drawn]
        there = {not torch.equal(before[name], after[name]) for name in names}  # a key's bias changes no attention
        assert len(there) == 1, block
        found += [block] * there.pop()
    return found


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
        _, out = trainer._forward("target", batch)
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


# -- layers drawn anew


def drawn(asked: RunConfig) -> dict[str, torch.Tensor]:
    """The weights of the blocks that a run begins with."""
    setup = Setup(canonical(asked))
    torch.rand(3)  # whatever the generator has been used for
    return {
        name: p.detach().clone()
        for name, p in build(setup.config, setup.rows, setup.task).named_parameters()
        if name.startswith("blocks.")
    }


def test_layers_drawn_anew_begin_as_before_pretraining_the_same_in_all_arms_of_a_draw(bert: Choice) -> None:
    pretrained = drawn(config("full", bert))
    one = drawn(config("freeze", bert, layers=1, reinit=2))
    assert moved(pretrained, one, drawn=True) == ["layer2", "layer3"]
    alone = config("freeze", bert, layers=1, reinit=2).model_copy(update={"schedule": Choice(name="target-only")})
    again, other = drawn(alone), drawn(config("freeze", bert, seed=1, layers=1, reinit=2))
    assert moved(one, again, drawn=True) == []
    assert moved(one, other, drawn=True) == ["layer2", "layer3"]
    for name, value in one.items():
        if "layer3" in name and "LayerNorm.weight" in name:
            assert (value == 1).all(), name
        elif "layer3" in name and "bias" in name:
            assert (value == 0).all(), name
        elif "layer3" in name:
            assert value.std().item() == pytest.approx(0.02, rel=0.1), name
            assert not torch.equal(value, one[name.replace("layer3", "layer2")])
    assert moved(pretrained, drawn(config("full", bert))) == [], "what the process keeps of the file is as it was"


# -- the same numbers, whatever was computed before, wherever it was stopped


TUNINGS = [
    ("full", {"decay": 2.6}),
    ("freeze", {"layers": 1}),
    ("head", {}),
    ("choose", {"learn": "1, 3"}),
    ("choose", {"learn": "embedding"}),
    ("gradual", {"start": 1}),
]
ANEW = [
    ("full", {"reinit": 2, "decay": 2.0}),
    ("freeze", {"layers": 1, "reinit": 2}),
    ("gradual", {"start": 1, "reinit": 1}),
    ("choose", {"learn": "1, 3", "reinit": 1, "decay": 2.0}),
]


@pytest.mark.parametrize(("tuning", "knobs"), [TUNINGS[0], TUNINGS[3], TUNINGS[5]])
def test_a_run_goes_on_bit_equal(tuning: str, knobs: dict[str, object]) -> None:
    resumed(config(tuning, **knobs))


@pytest.mark.parametrize(("tuning", "knobs"), [*TUNINGS[3:], *ANEW])
def test_a_warm_memo_gives_the_same_bits_as_a_cold_one(
    bert: Choice, tuning: str, knobs: dict[str, object], home: Path
) -> None:
    asked = config(tuning, bert, **knobs)
    cold = list(train(asked, features=Memo()))
    features = Memo()
    others = [asked, config("head", bert), config("freeze", bert, layers=2, reinit=1), config("full", bert, seed=3)]
    warm_runs(others, features=features)
    list(train(config("head", bert), features=features))
    list(train(asked, features=features))
    warm = list(train(asked, features=features))
    assert [(e.step, e.values) for e in warm] == [(e.step, e.values) for e in cold]
    ends = cold[-1].snapshot().tensors, warm[-1].snapshot().tensors
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


@pytest.mark.parametrize(("tuning", "knobs"), ANEW)
def test_a_run_with_layers_drawn_anew_goes_on_bit_equal(bert: Choice, tuning: str, knobs: dict[str, object]) -> None:
    resumed(config(tuning, bert, **knobs))


def test_what_head_runs_read_is_not_touched_by_layers_drawn_anew(bert: Choice) -> None:
    features = Memo()
    plain = list(train(config("head", bert), features=Memo()))
    list(train(config("full", bert, reinit=3), features=features))
    warm_runs([config("freeze", bert, layers=2, reinit=1)], features=features)
    after = list(train(config("head", bert), features=features))
    assert [(e.step, e.values) for e in after] == [(e.step, e.values) for e in plain]
    assert make("backbones", bert).renews()
