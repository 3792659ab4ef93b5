"""AdamW with linear warm-up and decay, and clipping (Loshchilov & Hutter 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ctx.config import RunConfig
from ctx.model import Model


def adamw(groups: Sequence[dict[str, Any]]) -> torch.optim.AdamW:
    """The optimiser of all runs, for groups of parameters with what differs."""
    return torch.optim.AdamW(groups, fused=True)


class Optimiser:
    """One AdamW over whatever learns now. Heads have a rate of their own; biases and norms don't decay."""

    def __init__(self, config: RunConfig, model: Model) -> None:
        self.optim, self.model = config.optim, model
        self.lr, self.head_lr = config.learning_rates()
        self.heads = {id(p) for p in model.heads.parameters()}
        self.adam: torch.optim.AdamW | None = None
        self.rate = 0.0  # the share of the full learning rate in the last update
        self.learning: list[nn.Parameter] = []
        self.names: dict[str, nn.Parameter] = {}  # all that may have moments, the frozen ones too

    def arrange(self, groups: Sequence[tuple[list[nn.Parameter], float]], extra: Sequence[nn.Parameter]) -> None:
        """Let these learn: (parameters, learning-rate factor), and the parts' own at the head's rate."""
        named = {id(p): name for name, p in self.model.named_parameters()}
        rows = [(named[id(p)], p, self._rate(p) * factor) for parameters, factor in groups for p in parameters]
        rows += [(f"extra.{i}", p, self.head_lr) for i, p in enumerate(extra)]
        self.learning = [p for _, p, _ in rows]
        self.names = dict(self.model.named_parameters()) | {name: p for name, p, _ in rows}
        packed: dict[tuple[float, float], list[nn.Parameter]] = {}
        for _, p, lr in rows:
            packed.setdefault((lr, self.optim.weight_decay if p.ndim > 1 else 0.0), []).append(p)
        built = [{"params": ps, "lr": lr, "full_lr": lr, "weight_decay": d} for (lr, d), ps in packed.items()]
        if self.adam is None:
            self.adam = adamw(built)
            return
        self.adam.param_groups = []
        for group in built:
            self.adam.add_param_group(group)

    def _rate(self, p: nn.Parameter) -> float:
        return self.head_lr if id(p) in self.heads else self.lr

    def begin(self, done: int, total: int) -> None:
        """Set the rate of update ``done`` (from 0) of ``total`` in this phase, and clear the gradients."""
        assert self.adam is not None
        self.pass_on(done, total)
        for group in self.adam.param_groups:
            group["lr"] = group["full_lr"] * self.rate
        self.adam.zero_grad(set_to_none=True)

    def pass_on(self, done: int, total: int) -> None:
        """The share of the full rate that update ``done`` (from 0) of ``total`` has: warm-up, then linear decay."""
        warm = self.optim.warmup * total
        self.rate = min((done + 1) / warm if warm else 1.0, (total - done) / max(total - warm, 1.0), 1.0)

    def rates(self) -> dict[str, float]:
        """``lr/<block>``: the rate of each block of the backbone in the last update, the highest in it."""
        assert self.adam is not None
        rate = {id(p): group["lr"] for group in self.adam.param_groups for p in group["params"]}
        found = {
            f"lr/{name}": max((rate[id(p)] for p in block.parameters() if id(p) in rate), default=0.0)
            for name, block in self.model.blocks.items()
        }
        return {name: value for name, value in found.items() if value}

    def step(self) -> float:
        """Clip, update, and give the norm of the gradient before clipping."""
        assert self.adam is not None
        norm = nn.utils.get_total_norm([p.grad for p in self.learning if p.grad is not None])
        length = norm.item()
        if length > self.optim.clip:  # below, clipping would multiply by one
            nn.utils.clip_grads_with_norm_(self.learning, self.optim.clip, norm)
        self.adam.step()
        return length

    def state(self) -> dict[str, Tensor]:
        """The moments by parameter name."""
        if self.adam is None:
            return {}
        return {
            f"{name}|{moment}": value
            for name, p in self.names.items()
            for moment, value in self.adam.state.get(p, {}).items()
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave, after `arrange`."""
        assert self.adam is not None
        for key, value in state.items():
            name, moment = key.rsplit("|", 1)
            kept: dict[str, Any] = self.adam.state[self.names[name]]
            kept[moment] = value.clone()
