"""dann: features are learnt from which nothing can tell source and target apart.

Ganin et al., Domain-Adversarial Training of Neural Networks, JMLR 2016: a discriminator of contexts minimises
L_d = mean over source texts + mean over target texts of its cross-entropy (eq. 9), the layers below receive its
gradient times -μ (gradient reversal, eq. 16 to 18), μ = 2/(1 + exp(-γp)) - 1 with γ = 10 and p the progress
(section 5.2.2). The reversal leaves the discriminator's own gradient as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from ctx import parts
from ctx.aligning import Aligning

if TYPE_CHECKING:
    from torch import Tensor, nn


class Dann(Aligning):
    """A discriminator learns to tell source from target texts, and the layers learn to leave it guessing.

    Its gradient reaches the layers times -μ, which grows from 0 to 1: μ = 2/(1 + exp(-10p)) - 1 at progress p. An
    accuracy near one half means that contexts can't be told apart (Ganin et al., JMLR 2016, eq. 9 and section 5.2.2).
    """

    name = "dann"
    title = "Contexts can't be told apart (DANN)"
    adds = MappingProxyType({"weight": "− {:g} · μ · L(judge)"})
    said = MappingProxyType({"accuracy": "accuracy of the judge", "mu": "μ, the strength of the reversal"})

    class Knobs(Aligning.Knobs):
        """How much it weighs, and what the discriminator is."""

        weight: float = parts.knob(1.0, "Weight of the discriminator's loss.", log=True, ge=0)
        hidden: int = parts.knob(128, "Hidden units of the discriminator; 0: linear.", ge=0, le=4096)

    def begin(self, begin: parts.Begin) -> None:
        """A discriminator of what the heads read, once; its random numbers are drawn aside from the run's."""
        import torch

        if not hasattr(self, "critic"):
            with torch.random.fork_rng(devices=[]):
                self.critic = _critic(begin.model.width, self.knobs.hidden)
        self.seen: dict[str, float] = {}

    def parameters(self) -> Iterable[nn.Parameter]:
        """The discriminator's."""
        return self.critic.parameters()

    def terms(self, step: parts.Step) -> dict[str, Tensor]:
        """``domain``: the discriminator's loss, weighted, 1.39 times the weight where it only guesses."""
        from torch.nn.functional import softplus

        sides, self.seen = self.sides(step), {}
        if sides is None:
            return {}
        mu = 2 / (1 + math.exp(-10 * step.progress)) - 1
        source, target = (self.critic(reversed_gradient(rows, mu)).squeeze(1) for rows in sides)
        right = (source < 0).double().mean() + (target > 0).double().mean()
        self.seen = {"accuracy": float(right) / 2, "mu": mu}
        return {"domain": self.knobs.weight * (softplus(source).mean() + softplus(-target).mean())}

    def told(self) -> dict[str, float]:
        """``accuracy`` of the discriminator, each side one half of it; ``mu``."""
        return self.seen

    def state(self) -> dict[str, Tensor]:
        """The discriminator's weights."""
        return dict(self.critic.state_dict())

    def load(self, state: Mapping[str, Tensor]) -> None:
        """The discriminator's weights."""
        self.critic.load_state_dict(dict(state))


def reversed_gradient(rows: Tensor, mu: float) -> Tensor:
    """The same rows; the gradient goes through times -μ."""
    out = rows.view_as(rows)
    if out.requires_grad:
        out.register_hook(lambda gradient: -mu * gradient)
    return out


def _critic(width: int, hidden: int) -> nn.Module:
    """``[n, W]`` to ``[n, 1]``, above 0 for the target."""
    from torch import nn

    if not hidden:
        return nn.Linear(width, 1)
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, 1))
