"""A module for each context: it moves by its own batches alone, and a context not learnt from has another's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from adapted import CAFES, CHINESE, GADGETS, PER_CONTEXT, config, models, moved, named, outputs, trained
from torch import nn

from ctx import adapters, nearest
from ctx.batches import rows_of
from ctx.config import ContextChoice, RunConfig, SourceChoice, canonical, check
from ctx.errors import BadInput
from ctx.lab import learned
from ctx.lab.settings import setting
from ctx.parts import Choice
from ctx.plan import Phase
from ctx.prefix import Memo
from ctx.registry import make
from ctx.setup import Setup
from ctx.train import Trainer

__all__ = ["models"]


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


def test_a_knob_without_effect_makes_no_other_run(models: dict[str, Choice]) -> None:
    def of(module: str, size: int) -> Choice:
        tuning = Choice(name="per-context", knobs={"module": module, "size": size})
        return canonical(config(models["tiny"], tuning)).tuning

    assert of("embedding", 16) == of("embedding", 32)
    assert of("adapter", 16) != of("adapter", 32)


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
    as_cafes = replace(rows, name="", context=CAFES, drawn={})
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


def test_modules_of_contexts_are_not_learnt_one_after_the_other(models: dict[str, Choice]) -> None:
    one = config(models["bert"], Choice(name="per-context"), schedule=Choice(name="sequential"))
    with pytest.raises(BadInput, match=r"per-context .* sequential .* choose the schedule “Both at once .joint.”"):
        check(one)
    full = one.model_copy(update={"tuning": Choice(name="full")})
    assert "per-context" not in setting(full, "tuning").options
    joint = full.model_copy(update={"schedule": Choice(name="joint")})
    assert "per-context" in setting(joint, "tuning").options


def test_only_the_contexts_that_are_trained_have_a_module(models: dict[str, Choice]) -> None:
    unseen = Choice(name="joint", knobs={"lam": 0.0})
    one, two = (
        config(models["tiny"], PER_CONTEXT[0], schedule=schedule) for schedule in (unseen, Choice(name="joint"))
    )
    assert 2 * learned.added(learned.stretches(one)[-1]) == learned.added(learned.stretches(two)[-1]) > 0
