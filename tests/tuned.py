"""Runs whose layers learn at times, in sets and at rates of their own, for the tests of that."""

from __future__ import annotations

import pytest
import torch

from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.setup import Setup
from ctx.train import Trainer, train
from ctx.warm import warm_runs
from tests.test_folder import save

TUNINGS = [
    ("full", {"decay": 2.6}),
    ("freeze", {"layers": 1}),
    ("head", {}),
    ("choose", {"learn": "1, 3"}),
    ("choose", {"learn": "embedding"}),
    ("gradual", {"start": 1}),
]
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


def same_when_warm(asked: RunConfig, bert: Choice) -> None:
    """A run gives the same bits whatever others have read of the same weights before."""
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
