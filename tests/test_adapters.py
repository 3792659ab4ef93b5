"""Tunings of which little learns: what is new starts as nothing, is counted right, and is all that moves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import seq2seq_models
import test_folder
import torch
from test_interfaces import resumed
from torch import Tensor, nn

from ctx import adapters, fused, matrices, nearest
from ctx.batches import Encoded, rows_of
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical, check
from ctx.errors import BadInput
from ctx.lab import learned
from ctx.lab.effect import learning
from ctx.lab.settings import setting
from ctx.layers import AttentionLayer, PackedLayer
from ctx.measure import batch_of
from ctx.model import Model, build, pretrained
from ctx.parts import Choice, Tuning
from ctx.plan import Phase
from ctx.prefix import Memo
from ctx.registry import make, registry
from ctx.setup import Setup
from ctx.train import Trainer, train

LORA_ALL = Choice(name="lora", knobs={"matrices": "all", "rank": 3, "alpha": 5.0})
PER_CONTEXT = tuple(Choice(name="per-context", knobs={"module": kind}) for kind in ("adapter", "lora", "embedding"))
ADDING = (Choice(name="lora"), LORA_ALL, Choice(name="adapter", knobs={"size": 5}), *PER_CONTEXT)
EVERY = (*ADDING, Choice(name="bitfit"), Choice(name="per-context", knobs={"module": "lora", "backbone": True}))
CAFES, GADGETS, CHINESE = (f"sentiment/sample-{name}" for name in ("cafes-en", "gadgets-en", "cafes-zh"))
TEXTS = ["tiny", "bert", "xlm-roberta"]
WRITING = ["t5", "mt5", "bart", "m2m_100"]  # the others' layers are as bart's
FAMILIES = [*TEXTS, *WRITING]


def named(one: Any) -> str:
    return "-".join([one.name, *map(str, one.knobs.values())]) if isinstance(one, Choice) else str(one)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Choice]:
    """A backbone of every kind that layers are named differently in."""
    place = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    test_folder.save(place / "bert", "bert")
    test_folder.save(place / "xlm-roberta", "xlm-roberta")
    found = {"tiny": Choice(name="tiny"), "mlp": Choice(name="mlp")}
    found |= {name: Choice(name="folder", knobs={"path": str(place / name)}) for name in ("bert", "xlm-roberta")}
    for family in WRITING:
        folder = seq2seq_models.save(place / family, family)
        found[family] = Choice(name="seq2seq", knobs={"path": str(folder)})
    return found


def config(backbone: Choice, tuning: Choice, **changes: Any) -> RunConfig:
    sources = (SourceChoice(id=CAFES, size=40),)
    target = ContextChoice(id=GADGETS, size=20)
    if backbone.name == "seq2seq":
        sources = (SourceChoice(id="translation/sample-cafe-en-es", size=20),)
        target = ContextChoice(id="translation/sample-office-en-es", size=10)
    plain = RunConfig(
        sources=sources, target=target, backbone=backbone, tuning=tuning, optim=Optim(epochs=2, min_updates=3, batch=8)
    )
    return plain.model_copy(update=changes)


def trained(one: RunConfig) -> tuple[Trainer, dict[str, Tensor], dict[str, Any]]:
    """A run carried out: the trainer, the weights that it began with, the results."""
    trainer = Trainer(Setup(canonical(one)), Memo())
    start = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    final = list(trainer.run(None))[-1].final
    assert final is not None
    return trainer, start, final


def moved(trainer: Trainer, start: dict[str, Tensor]) -> set[str]:
    return {name for name, p in trainer.model.named_parameters() if not torch.equal(p, start[name])}


def built(one: RunConfig) -> Model:
    setup = Setup(one)
    return build(one, setup.rows, setup.task).eval()


def randomised(model: nn.Module) -> None:
    """What is new in a model, as if it had learnt."""
    torch.manual_seed(7)
    for p in adapters.new(model):  # type: ignore[arg-type]
        nn.init.normal_(p, std=0.3)


def outputs(model: Model, setup: Setup, key: str = "target") -> Tensor:
    with torch.inference_mode():
        return model.eval().run(setup.rows[key].encoded.batch(np.arange(6)))


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


@pytest.mark.parametrize("tuning", PER_CONTEXT, ids=named)
@pytest.mark.parametrize("only", ["source", "target"])
def test_a_contexts_module_moves_by_its_own_batches_alone(
    models: dict[str, Choice], tuning: Choice, only: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(Setup(canonical(config(models["bert"], tuning))), Memo())
    start = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    monkeypatch.setattr(Phase, "active", lambda phase, update: [only])
    list(trainer.run(None))
    own, other = (CAFES, GADGETS) if only == "source" else (GADGETS, CAFES)
    found = moved(trainer, start)
    assert {name for name in start if own in name} <= found
    assert not {name for name in found if other in name}


@pytest.mark.parametrize("tuning", PER_CONTEXT, ids=named)
def test_each_text_is_read_with_the_module_of_its_context(models: dict[str, Choice], tuning: Choice) -> None:
    trainer = Trainer(Setup(canonical(config(models["bert"], tuning))), Memo())
    before = {key: outputs(trainer.model, trainer.setup, key) for key in ("source", "target")}
    with torch.no_grad():
        for name, p in trainer.model.named_parameters():
            if GADGETS in name:
                p.add_(0.5 * torch.randn_like(p))
    assert torch.equal(outputs(trainer.model, trainer.setup, "source"), before["source"])
    assert not torch.allclose(outputs(trainer.model, trainer.setup, "target"), before["target"], atol=1e-3)


SOURCES = (SourceChoice(id=CAFES, size=40), SourceChoice(id=CHINESE, size=40))


def unseen(models: dict[str, Choice], tuning: Choice, **knobs: str) -> RunConfig:
    chosen = Choice(name=tuning.name, knobs=tuning.knobs | knobs)
    return config(models["tiny"], chosen, sources=SOURCES, schedule=Choice(name="source-only"))


@pytest.mark.parametrize("tuning", PER_CONTEXT, ids=named)
def test_a_context_not_learnt_from_has_the_nearest_module_and_it_is_said(
    models: dict[str, Choice], tuning: Choice
) -> None:
    trainer, _, final = trained(unseen(models, tuning, unseen="nearest"))
    assert final["modules"] == {"source": [CAFES], "source.2": [CHINESE], "target": [CAFES]}
    rows = trainer.setup.rows["target"].encoded
    as_cafes = Encoded(**(vars(rows) | {"name": "", "context": CAFES, "drawn": {}}))
    with torch.inference_mode():
        wanted = trainer.model.eval().run(as_cafes.batch(np.arange(6)))
    assert torch.equal(outputs(trainer.model, trainer.setup), wanted)


def test_a_context_not_learnt_from_has_the_mean_of_all_and_it_is_said(models: dict[str, Choice]) -> None:
    trainer, _, final = trained(unseen(models, PER_CONTEXT[2]))
    assert final["modules"]["target"] == [CAFES, CHINESE]
    vectors = trainer.model.blocks["embedding"].added
    batch = trainer.setup.rows["target"].encoded.batch(np.arange(6))
    with torch.inference_mode():
        plain = trainer.model.eval().blocks["embedding"].inner(None, batch)
        found = trainer.model.blocks["embedding"](None, batch)
    assert torch.allclose(found, plain + (vectors[CAFES] + vectors[CHINESE]) / 2, atol=1e-6)


def test_the_mean_of_modules_is_that_of_what_they_add() -> None:
    torch.manual_seed(0)
    linear, x = nn.Linear(6, 4), torch.randn(5, 6)
    for make_one, reads in ((lambda: adapters.LowRank(6, 4, 2), x), (lambda: adapters.Bottleneck(4, 3), linear(x))):
        modules = {name: make_one() for name in "ab"}
        for module in modules.values():
            for p in module.parameters():
                nn.init.normal_(p)
        present = adapters.Present("ab", {"one": "a"})
        both = adapters.Added(linear, modules, present)
        mean = linear(x) + (modules["a"](reads) + modules["b"](reads)) / 2
        assert torch.allclose(both(x), mean, atol=1e-6)
        present.names = ("a",)
        assert torch.allclose(both(x), linear(x) + modules["a"](reads), atol=1e-6)


def test_the_distance_of_contexts_is_jensens_and_shannons() -> None:
    assert nearest.distance(np.array([1, 1]), np.array([2, 2])) == 0
    assert nearest.distance(np.array([3]), np.array([0, 5])) == pytest.approx(1)
    # P = (1/2, 1/2), Q = (1, 0), M = (3/4, 1/4): (KL(P, M) + KL(Q, M)) / 2 in bits
    divergence = (0.5 * np.log2(2 / 3) + 0.5 * np.log2(2) + np.log2(4 / 3)) / 2
    assert nearest.distance(np.array([4, 4]), np.array([7])) == pytest.approx(divergence**0.5)


def test_the_nearest_context_is_found_by_its_words(models: dict[str, Choice]) -> None:
    one = config(models["tiny"], Choice(name="per-context"))
    backbone, task = make("backbones", one.backbone), one.task()
    rows = {name: rows_of(one, ContextChoice(id=name), backbone, task) for name in (CAFES, CHINESE, GADGETS)}
    found = nearest.modules(rows, [CAFES, CHINESE], "nearest")
    assert found == {CAFES: (CAFES,), CHINESE: (CHINESE,), GADGETS: (CAFES,)}
    assert nearest.modules(rows, [CAFES, CHINESE], "mean")[GADGETS] == (CAFES, CHINESE)


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


def test_modules_of_contexts_are_not_learnt_one_after_the_other(models: dict[str, Choice]) -> None:
    one = config(models["bert"], Choice(name="per-context"), schedule=Choice(name="sequential"))
    with pytest.raises(BadInput, match=r"per-context .* sequential .* choose the schedule “Both at once .joint.”"):
        check(one)
    full = one.model_copy(update={"tuning": Choice(name="full")})
    assert "per-context" not in setting(full, "tuning").options
    joint = full.model_copy(update={"schedule": Choice(name="joint")})
    assert "per-context" in setting(joint, "tuning").options


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


def test_only_the_contexts_that_are_trained_have_a_module(models: dict[str, Choice]) -> None:
    unseen = Choice(name="joint", knobs={"lam": 0.0})
    one, two = (
        config(models["tiny"], PER_CONTEXT[0], schedule=schedule) for schedule in (unseen, Choice(name="joint"))
    )
    assert 2 * learned.added(learned.stretches(one)[-1]) == learned.added(learned.stretches(two)[-1]) > 0


def layer_of(kind: str) -> tuple[PackedLayer, Any]:
    """A plain layer in double precision, at work on the updates of a kind, and a batch for it."""
    from test_fused import LENGTHS, WIDTH, bert

    inner, batch = bert(), batch_of(LENGTHS)
    where = matrices.chosen(matrices.bert(WIDTH, 40), "all")
    if kind == "peft":
        adapters.low_rank(inner, where, 2, 6.0, 0.0)
    else:
        for matrix in where:
            parent, _, last = matrix.name.rpartition(".")
            one = adapters.LowRank(matrix.inputs, matrix.outputs, 2)
            own = inner.get_submodule(parent)
            present = adapters.Present("a", {})
            setattr(own, last, adapters.Added(inner.get_submodule(matrix.name), {"a": one}, present))
    torch.manual_seed(4)
    for name, p in inner.double().named_parameters():
        p.requires_grad_(bool(adapters.NEW & set(name.split("."))))
        if p.requires_grad:
            nn.init.normal_(p, std=0.3)
    return PackedLayer(inner), batch


@pytest.mark.parametrize("kind", ["peft", "own"])
def test_updates_in_a_layer_whose_gradient_is_written_out_have_the_gradients_of_the_modules(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from test_fused import learnt

    packed, batch = layer_of(kind)
    expected, gradients = learnt(AttentionLayer(packed.inner), batch)
    used: list[int] = []
    plain = fused.passed
    monkeypatch.setattr(fused, "passed", lambda *given: used.append(1) or plain(*given))
    found, own = learnt(packed, batch)
    assert used
    assert torch.allclose(found, expected, rtol=1e-12, atol=1e-12)
    for name, gradient in gradients.items():
        if gradient is None:
            assert own[name] is None, name
        else:
            assert torch.allclose(own[name], gradient, rtol=1e-9, atol=1e-9), name  # type: ignore[arg-type]


def test_their_gradients_are_those_of_what_is_computed() -> None:
    packed, batch = layer_of("own")
    layer = fused.layer(packed.inner)
    assert layer is not None
    assert len(layer.updates) == 6
    at = fused.places(batch, layer.heads)
    torch.manual_seed(5)
    x = torch.randn(len(batch.real), layer.weights[0].shape[1], dtype=torch.double, requires_grad=True)

    def run(x: Tensor, *factors: Tensor) -> Tensor:
        out: Tensor = fused.Fused.apply(x, at, layer, *layer.weights, *factors)  # type: ignore[no-untyped-call]
        return out

    factors = [one.detach().requires_grad_() for one in layer.factors]
    assert torch.autograd.gradcheck(run, (x, *factors), fast_mode=True)


@pytest.mark.parametrize("tuning", [Choice(name="adapter"), Choice(name="lora", knobs={"dropout": 0.2})], ids=named)
def test_a_layer_with_other_parts_is_left_to_its_modules(models: dict[str, Choice], tuning: Choice) -> None:
    trainer = Trainer(Setup(canonical(config(models["bert"], tuning))), Memo())
    trainer.begin()
    assert all(fused.layer(layer) is None for _, layer in adapters.layers(trainer.model))
