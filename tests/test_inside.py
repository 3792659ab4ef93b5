"""What is said of the gradients is what they are, and looking changes nothing of a run."""

from __future__ import annotations

import pytest
import torch

from ctx import inside
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.setup import Setup
from ctx.train import Trainer, train

CONFIG = RunConfig(
    sources=(SourceChoice(id="sentiment/sample-cafes-en", size=60),),
    target=ContextChoice(id="sentiment/sample-gadgets-en", size=20),
    backbone=Choice(name="tiny"),
    schedule=Choice(name="joint", knobs={"lam": 0.5}),
    tuning=Choice(name="full"),
    optim=Optim(epochs=2, min_updates=20, batch=8),
)
TWO = (*CONFIG.sources, SourceChoice(id="sentiment/sample-cafes-zh", size=40, weight=0.25))


def apart(config: RunConfig) -> tuple[dict[str, list[torch.Tensor]], list[str]]:
    """Each context's gradient at the first update, each by a backward pass of its own; the parameters' blocks."""
    found, blocks = {}, []
    for key in config.contexts():
        trainer = Trainer(Setup(canonical(config)), Memo())
        torch.manual_seed(config.seed)
        trainer.begin()
        trainer.started()
        losses = {}
        for name in trainer.setup.phases[0].active(0):
            batch = trainer._next(name)
            losses[name] = trainer.setup.task.loss(trainer._forward(name, batch)[1], batch)
        losses[key].backward()
        found[key] = [torch.zeros_like(p) if p.grad is None else p.grad for p in trainer.shared]
        names = {id(p): name for name, block in trainer.model.blocks.items() for p in block.parameters()}
        blocks = [names[id(p)] for p in trainer.shared]
    return found, blocks


def cosine(alone: dict[str, list[torch.Tensor]], key: str, blocks: list[str], inside: set[str]) -> float:
    """Of a context's gradient and the target's in some blocks."""
    one, other = (
        torch.cat([g.flatten() for g, block in zip(alone[name], blocks, strict=True) if block in inside])
        for name in (key, "target")
    )
    return float(torch.cosine_similarity(one, other, dim=0))


@pytest.mark.parametrize("sources", [CONFIG.sources, TWO])
@pytest.mark.parametrize("frozen", [0, 1])
def test_norms_and_cosines_are_those_of_the_contexts_own_gradients(
    sources: tuple[SourceChoice, ...], frozen: int
) -> None:
    tuning = Choice(name="freeze", knobs={"layers": frozen}) if frozen else CONFIG.tuning
    config = CONFIG.model_copy(update={"sources": sources, "tuning": tuning})
    alone, blocks = apart(config)
    events = list(train(config, features=Memo()))
    said = next(event.values for event in events if event.kind == "step")
    flat = {key: torch.cat([g.flatten() for g in one]) for key, one in alone.items()}
    for key, one in flat.items():
        assert said[f"gradient/{key}"] == pytest.approx(float(one.norm()), rel=1e-3)
        if key == "target":
            continue
        assert said[f"cosine/{key}"] == pytest.approx(cosine(alone, key, blocks, set(blocks)), abs=1e-3)
        for block in set(blocks):
            assert said[f"cosine/{key}/{block}"] == pytest.approx(cosine(alone, key, blocks, {block}), abs=1e-3)
    assert {name.split("/")[2] for name in said if name.startswith("cosine/source/")} == set(blocks)


def test_it_is_looked_at_now_and_then() -> None:
    looked = [event.step - 1 for event in train(CONFIG, features=Memo()) if "cosine/source" in event.values]
    assert looked == [0, 30]
    assert [step for step in range(9000) if inside.due(step, 9000)][:3] == [0, 150, 300]


@pytest.mark.parametrize("tuning", ["full", "head"])
def test_looking_changes_nothing(tuning: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = CONFIG.model_copy(update={"tuning": Choice(name=tuning)})
    seen = list(train(config, features=Memo()))
    monkeypatch.setattr(inside, "due", lambda step, steps: False)
    unseen = list(train(config, features=Memo()))
    new = ("cosine/", "gradient/", "lr/")
    for one, other in zip(seen, unseen, strict=True):
        assert {name: value for name, value in one.values.items() if not name.startswith(new)} == other.values
    ends = seen[-1].snapshot().tensors, unseen[-1].snapshot().tensors
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())
    assert any(name.startswith("cosine/") for name in seen[1].values) == (tuning == "full")


def test_rates_are_those_of_the_blocks_that_learn() -> None:
    config = CONFIG.model_copy(update={"tuning": Choice(name="freeze", knobs={"layers": 1})})
    first = next(event.values for event in train(config, features=Memo()) if event.kind == "step")
    rates = {name: value for name, value in first.items() if name.startswith("lr/")}
    assert set(rates) == {"lr/layer2"}
    assert rates["lr/layer2"] == pytest.approx(config.learning_rates()[0] / (0.1 * 40), rel=1e-6)
