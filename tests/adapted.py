"""Runs of tunings of which little learns, on backbones of every kind, for the tests of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import seq2seq_models
import test_folder
import torch
from torch import Tensor, nn

from ctx import adapters
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical
from ctx.model import Model, build
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.setup import Setup
from ctx.train import Trainer

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
