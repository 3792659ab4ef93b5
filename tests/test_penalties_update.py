"""Penalties and an update: their gradients go along with those of the losses; too large a weight ends the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from stores import stored
from test_penalties_run import ALIGNING, SCHEDULE, TERMS, usual

from ctx.config import Optim, RunConfig, canonical
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.registry import part
from ctx.setup import Setup
from ctx.store import open_store
from ctx.train import Trainer
from ctx.worker import run_here


def an_update(asked: RunConfig) -> tuple[list[torch.Tensor], int]:
    """The gradients of an update, and how often it went back through the layers."""
    trainer = Trainer(Setup(canonical(asked)), Memo())
    torch.manual_seed(0)
    trainer.begin()
    if asked.schedule.name == "sequential":
        trainer.at.phase = 1
        trainer.begin()
        with torch.no_grad():
            for p in trainer.model.parameters():
                p.mul_(1.1)
    passes: list[int] = []
    trainer.model.blocks["layer1"].register_full_backward_hook(lambda *_: passes.append(1))
    trainer.at.update = 2  # DANN passes nothing on at the very beginning
    trainer._update(trainer.setup.phases[trainer.at.phase])
    grads = [p.grad for p in (*trainer.model.parameters(), *trainer.total.parameters()) if p.grad is not None]
    return grads, len(passes)


@pytest.mark.parametrize("name", TERMS)
def test_terms_go_back_through_the_layers_along_with_the_losses(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctx.inside.looks", lambda phase: frozenset())
    asked = usual(name, optim=Optim(epochs=1, min_updates=3, batch=8, clip=1e9))
    together, passes = an_update(asked)
    monkeypatch.setattr(part("balancers", "fixed"), "plain", False)
    apart, more = an_update(asked)
    contexts, extra = 1 + (name in ALIGNING), 5 * (name == "ewc")  # examples, for what matters
    if name in ("l2sp", "ewc"):
        assert passes == more == contexts + extra
    else:
        assert (passes, more) == (contexts, 2 * contexts)
    alone, _ = an_update(asked.model_copy(update={"penalties": ()}))
    assert len(together) == len(apart)
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(together, apart, strict=True))
    assert not all(torch.allclose(a, b, rtol=1e-3) for a, b in zip(together, alone, strict=False))


@pytest.mark.parametrize("weight", [1e15, 1e38, 1e40])
@pytest.mark.parametrize(("name", "knobs"), [("l2sp", {}), ("ewc", {"examples": 5}), ("dann", {}), ("coral", {})])
def test_a_weight_that_is_far_too_large_ends_the_run_with_what_to_lower(
    name: str, knobs: dict[str, Any], weight: float, home: Path
) -> None:
    asked = usual(name, penalties=(Choice(name=name, knobs=knobs | {"weight": weight}),))
    store = open_store()
    run = run_here(store, store.add_run(asked), threads=1)
    assert run.state == "failed"
    points = stored(store, run.id)
    last = max(step for kind, step in points if kind == "total") if ("total", 1) in points else 0
    assert run.error == (
        f"It diverged at step {last + 1}: the loss grew beyond all bounds. Lower the weight of the penalty {name}."
    )
    assert ("validation/target/loss", 0) in points
    assert all(("total", step) in points for step in range(1, last + 1))
    if SCHEDULE[name] == "sequential" and weight < 1e39:  # which is a number in float32
        assert last >= 1, "a curve was drawn before that"
