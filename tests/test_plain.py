"""With every method off, a run is a loop as one would write it by hand: equal weights, to the bit."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical
from ctx.model import build
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.setup import Setup, deterministic
from ctx.train import Trainer

SENTIMENT = ("sentiment/sample-cafes-en", "sentiment/sample-gadgets-en")


def config(schedule: Choice, backbone: str = "tiny") -> RunConfig:
    return RunConfig(
        sources=(SourceChoice(id=SENTIMENT[0], size=40),),
        target=ContextChoice(id=SENTIMENT[1], size=24),
        backbone=Choice(name=backbone),
        schedule=schedule,
        tuning=Choice(name="full"),
        optim=Optim(epochs=2, min_updates=6, batch=8, lr=1e-3, head_lr=1e-2),
        keep="last",
    )


def by_hand(asked: RunConfig, phases: list[dict[str, float]]) -> dict[str, torch.Tensor]:
    """Every phase: AdamW with a linear warm-up and decay, the contexts' losses weighed and added, clipping."""
    setup, optim = Setup(asked), asked.optim
    deterministic()
    model = build(asked, setup.rows, setup.task).train()
    (head,) = model.heads.values()
    torch.manual_seed(asked.seed)
    taken = {key: iter(range(10**6)) for key in ("source", "target")}
    for weights in phases:
        total = next(phase.epochs * phase.updates for phase in setup.phases if set(phase.weights) == set(weights))
        body, top = asked.learning_rates()
        groups = [
            {
                "params": [p],
                "lr": top if name.startswith("heads") else body,
                "weight_decay": optim.weight_decay * (p.ndim > 1),
            }
            for name, p in model.named_parameters()
        ]
        adam = torch.optim.AdamW(groups, fused=True)
        full, warm = [group["lr"] for group in adam.param_groups], optim.warmup * total
        for done in range(total):
            share = min((done + 1) / warm, (total - done) / (total - warm), 1.0)
            for group, lr in zip(adam.param_groups, full, strict=True):
                group["lr"] = lr * share
            losses = []
            for key, weight in weights.items():
                batch = setup.batches[key][next(taken[key])]
                losses.append(weight * cross_entropy(head(model.run(batch), batch), batch.targets))
            adam.zero_grad(set_to_none=True)
            torch.stack(losses).sum().backward()
            nn.utils.clip_grad_norm_(model.parameters(), optim.clip)
            adam.step()
    return dict(model.named_parameters())


@pytest.mark.parametrize(
    ("schedule", "phases"),
    [
        (Choice(name="target-only"), [{"target": 1.0}]),
        (Choice(name="joint", knobs={"lam": 0.3}), [{"source": 1.0, "target": 0.3}]),
        (Choice(name="sequential"), [{"source": 1.0}, {"target": 1.0}]),
    ],
)
def test_with_every_method_off_a_run_is_the_plain_loop(schedule: Choice, phases: list[dict[str, float]]) -> None:
    asked = canonical(config(schedule))
    trainer = Trainer(Setup(asked), Memo())
    for _ in trainer.run(None):
        pass
    wanted = by_hand(asked, phases)
    assert all(torch.equal(p, wanted[name]) for name, p in trainer.model.named_parameters())
    fresh = build(asked, trainer.setup.rows, trainer.setup.task)
    assert not any(torch.equal(p, wanted[name]) for name, p in fresh.named_parameters() if p.ndim > 1)
