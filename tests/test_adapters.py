"""Tunings of which little learns: what is new starts as nothing, is counted right, and is all that moves."""

from __future__ import annotations

import pytest
import torch
from adapted import (
    ADDING,
    CAFES,
    EVERY,
    FAMILIES,
    GADGETS,
    LORA_ALL,
    PER_CONTEXT,
    TEXTS,
    built,
    config,
    models,
    moved,
    named,
    outputs,
    randomised,
    trained,
)
from test_interfaces import resumed

from ctx import adapters, matrices
from ctx.config import ContextChoice, canonical, check
from ctx.errors import BadInput
from ctx.lab import learned
from ctx.lab.effect import learning
from ctx.lab.settings import setting
from ctx.model import pretrained
from ctx.parts import Choice, Tuning
from ctx.prefix import Memo
from ctx.registry import make, registry
from ctx.setup import Setup
from ctx.train import Trainer, train

__all__ = ["models"]


@pytest.mark.parametrize("tuning", ADDING, ids=named)
@pytest.mark.parametrize("name", FAMILIES)
def test_at_its_start_it_gives_what_the_pretrained_layers_give(
    models: dict[str, Choice], name: str, tuning: Choice
) -> None:
    one = config(models[name], tuning)
    trainer = Trainer(Setup(canonical(one)), Memo())
    plain = outputs(built(config(models[name], Choice(name="full"))), trainer.setup)
    found = outputs(trainer.model, trainer.setup)
    exact = tuning.knobs.get("module") in ("lora", "embedding") or tuning.name == "lora"
    assert torch.equal(found, plain) if exact else torch.allclose(found, plain, atol=0.1 * plain.std().item())
    randomised(trainer.model)
    assert not torch.allclose(outputs(trainer.model, trainer.setup), plain, atol=1e-3), "and then something else"


@pytest.mark.parametrize(
    ("name", "tuning"),
    [(name, tuning) for name in FAMILIES for tuning in EVERY if "t5" not in name or tuning.name != "bitfit"],
    ids=named,
)
def test_what_it_says_that_learns_is_what_learns(models: dict[str, Choice], name: str, tuning: Choice) -> None:
    one = config(models[name], tuning)
    setup = Setup(canonical(one))
    trainer = Trainer(setup, Memo())
    trainer.begin()
    tuned: Tuning = setup.tuning
    model, heads = trainer.model, sum(p.numel() for p in trainer.model.heads.parameters())
    whole = sum(setup.backbone.parameters()) + tuned.extra(setup.backbone, 2) + heads
    assert sum(p.numel() for p in adapters.new(model)) == tuned.extra(setup.backbone, 2)
    learn, total = learned.counts(one)
    fresh = heads - sum(setup.backbone.decoder_parameters())
    assert model.counts(trainer.at.touched) == {"learn": learn + fresh, "total": total + fresh}
    assert total + fresh == whole


@pytest.mark.parametrize("which", ["query+value", "query", "attention", "feed-forward", "all"])
@pytest.mark.parametrize("name", ["bert", "t5", "mt5", "bart"])
def test_lora_has_as_many_parameters_as_peft_says(models: dict[str, Choice], name: str, which: str) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel, AutoModelForSeq2SeqLM

    backbone = make("backbones", models[name])
    kind = AutoModel if name == "bert" else AutoModelForSeq2SeqLM
    model = kind.from_pretrained(models[name].knobs["path"])
    encoder = model.encoder if name == "bert" else model.get_encoder()
    names = {one.name for one in matrices.chosen(backbone.matrices(), which)}
    there = [n for n, _ in encoder.named_modules() if any(n.split(".", 2)[2:] == [one] for one in names)]
    there += [
        n
        for n, _ in encoder.named_modules()
        if any(n.split(".", 1)[1:] == [f"{i}.{one}"] for i in range(3) for one in names)
    ]
    peft = get_peft_model(encoder, LoraConfig(r=7, target_modules=sorted(set(there)), lora_alpha=3))
    learn, _ = peft.get_nb_trainable_parameters()
    tuning = make("tunings", Choice(name="lora", knobs={"rank": 7, "matrices": which}))
    assert learn == tuning.extra(backbone) > 0


@pytest.mark.parametrize("tuning", [Choice(name="lora"), LORA_ALL], ids=named)
@pytest.mark.parametrize("name", FAMILIES)
def test_an_update_written_into_the_weights_gives_the_same_outputs(
    models: dict[str, Choice], name: str, tuning: Choice
) -> None:
    one = config(models[name], tuning)
    trainer = Trainer(Setup(canonical(one)), Memo())
    randomised(trainer.model)
    adapted = outputs(trainer.model.double(), trainer.setup)
    plain = built(config(models[name], Choice(name="full"))).double()
    knobs = trainer.setup.tuning.knobs
    for (_, theirs), (_, layer) in zip(adapters.layers(trainer.model), adapters.layers(plain), strict=True):
        for matrix in matrices.chosen(trainer.setup.backbone.matrices(), knobs.matrices):
            lora, own = theirs.get_submodule(matrix.name), layer.get_submodule(matrix.name)
            b, a = lora.lora_B["default"].weight, lora.lora_A["default"].weight
            with torch.no_grad():
                own.weight += knobs.alpha / knobs.rank * b @ a
    assert torch.allclose(outputs(plain, trainer.setup), adapted, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "tuning"),
    [*((name, tuning) for name in TEXTS for tuning in EVERY), ("t5", LORA_ALL), ("t5", ADDING[2])],
    ids=named,
)
def test_just_what_it_lets_learn_moves(models: dict[str, Choice], name: str, tuning: Choice) -> None:
    trainer, start, _ = trained(config(models[name], tuning))
    found = {one for one in moved(trainer, start) if one.startswith("blocks.")}
    blocks = {one for one in start if one.startswith("blocks.")}
    new = {one for one in blocks if adapters.NEW & set(one.split("."))}
    wanted = {one for one in blocks if one.endswith(".bias")} if tuning.name == "bitfit" else new
    if tuning.knobs.get("backbone"):
        assert new <= found
        assert any(one not in new for one in found)
    else:
        silent = {one for one in wanted - found if one.endswith("key.bias")}  # softmax takes no notice of it
        assert found | silent == wanted
    assert moved(trainer, start) - blocks, "the heads learn"


@pytest.mark.parametrize("tuning", EVERY, ids=named)
def test_weights_that_processes_share_are_not_written_to(models: dict[str, Choice], tuning: Choice) -> None:
    one = config(models["bert"], tuning)
    blocks, _ = pretrained(one, 4)
    before = [{name: p.clone() for name, p in block.named_parameters()} for _, block in blocks]
    trained(one)
    again, _ = pretrained(one, 4)
    for (_, block), (_, same), was in zip(blocks, again, before, strict=True):
        assert same is block
        assert {name for name, _ in block.named_parameters()} == set(was)
        assert all(torch.equal(p, was[name]) for name, p in block.named_parameters())


@pytest.mark.parametrize(
    ("tuning", "schedule"),
    [*((one, "joint") for one in EVERY), *((one, "sequential") for one in EVERY if one.name != "per-context")],
    ids=named,
)
def test_a_resumed_run_is_the_same_to_the_bit(models: dict[str, Choice], tuning: Choice, schedule: str) -> None:
    resumed(config(models["bert"], tuning, schedule=Choice(name=schedule)))


def test_checkpoints_hold_only_what_learns(models: dict[str, Choice]) -> None:
    trainer, _, final = trained(config(models["bert"], Choice(name="lora")))
    held = trainer.snapshot().weights().part("model")
    assert sum(tensor.numel() for tensor in held.values()) == final["parameters"]["learn"]


@pytest.mark.parametrize("tuning", ADDING[:3], ids=named)
def test_frozen_layers_below_the_first_changed_one_are_the_plain_ones(
    models: dict[str, Choice], tuning: Choice
) -> None:
    memo = Memo()
    first, second = (config(models["bert"], one) for one in (Choice(name="freeze", knobs={"layers": 0}), tuning))
    list(train(first, features=memo))
    computed = memo.computed
    list(train(second, features=memo))
    assert memo.computed == computed > 0
    shared, _ = pretrained(second, 4)
    assert Trainer(Setup(second)).model.blocks["embedding"] is shared[0][1]


def test_new_weights_are_the_draws_own_and_the_same_in_every_arm(models: dict[str, Choice]) -> None:
    tuning = Choice(name="per-context")
    both = config(models["bert"], tuning)
    alone = canonical(both.model_copy(update={"schedule": Choice(name="target-only")}))
    other = both.model_copy(update={"seed": 1})
    found = [dict(Trainer(Setup(canonical(one)), Memo()).model.named_parameters()) for one in (both, alone, other)]
    name = "blocks.layer2.inner.output.dense.added.{}.down.weight"
    assert torch.equal(found[0][name.format(GADGETS)], found[1][name.format(GADGETS)])
    assert torch.equal(found[0][name.format(GADGETS)], found[0][name.format(CAFES)])
    assert not torch.equal(found[0][name.format(GADGETS)], found[2][name.format(GADGETS)])
    assert name.format(CAFES) not in found[1]


@pytest.mark.parametrize(
    ("name", "tuning", "says"),
    [
        ("mlp", Choice(name="lora"), "tuning lora .* mlp has none"),
        ("mlp", Choice(name="adapter"), "tuning adapter .* mlp has none"),
        ("mlp", Choice(name="per-context"), "tuning per-context .* mlp has none"),
        ("t5", Choice(name="bitfit"), "biases learn, and this seq2seq has none"),
    ],
)
def test_where_it_means_nothing_one_sentence_says_so(
    models: dict[str, Choice], name: str, tuning: Choice, says: str
) -> None:
    one = config(models[name], tuning)
    if name == "mlp":
        lesson = sorted(name for name, cls in registry("contexts").items() if cls.application == "lesson")
        one = one.model_copy(update={"sources": (), "target": ContextChoice(id=lesson[0], size=20)})
        one = one.model_copy(update={"schedule": Choice(name="target-only")})
    with pytest.raises(BadInput, match=says):
        check(one)
    assert tuning.name not in setting(one.model_copy(update={"tuning": Choice(name="full")}), "tuning").options


def test_biases_of_the_lessons_network_learn(models: dict[str, Choice]) -> None:
    lesson = sorted(name for name, cls in registry("contexts").items() if cls.application == "lesson")
    one = config(models["mlp"], Choice(name="bitfit"), sources=(), target=ContextChoice(id=lesson[0], size=20))
    trainer, start, _ = trained(one.model_copy(update={"schedule": Choice(name="target-only")}))
    assert {name for name in moved(trainer, start) if name.startswith("blocks")} == {"blocks.layer1.inner.0.bias"}


@pytest.mark.parametrize(
    ("tuning", "says"),
    [
        (Choice(name="lora"), "4.1 k new parameters learn; the encoder's 0.6 M stay as they are. The new ones "),
        (Choice(name="bitfit"), "1.2 k of the encoder's 0.6 M parameters learn. They learn at 10 times the layers' "),
        (PER_CONTEXT[0], "8.5 k new parameters learn; the encoder's 0.6 M stay as they are. The new ones "),
        (
            PER_CONTEXT[0].model_copy(update={"knobs": {"backbone": True}}),
            "8.5 k new parameters learn, and all 0.6 M of the encoder's. The new ones ",
        ),
    ],
    ids=named,
)
def test_the_page_says_how_many_learn(models: dict[str, Choice], tuning: Choice, says: str) -> None:
    assert learning(config(models["tiny"], tuning)).startswith(says)
