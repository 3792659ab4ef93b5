"""pcgrad: projecting conflicting gradients (Yu et al., Gradient Surgery for Multi-Task Learning, NeurIPS 2020).

Algorithm 1, on the layers and heads that contexts share: with g the gradient of λ·L of each context, every g goes
through the others h in random order, and where g·h < 0 loses its part along h: g ← g − (g·h / ‖h‖²)·h. The step is the
sum of all. What only one context uses has the plain gradient of Σ λ·L. What is left is a sum c·g of the contexts' own
gradients: c·λ is told as the weight, and the losses are logged with their λ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ctx import parts

if TYPE_CHECKING:
    from torch import Tensor, nn


class PCGrad(parts.Balancer):
    """Where two contexts' gradients point against each other, each drops the part that would harm the other.

    On what they share, if g·h < 0: g ← g − (g·h / ‖h‖²)·h for the gradients g, h of two contexts' λ·L, then all are
    added up (Yu et al. 2020, algorithm 1).
    """

    name = "pcgrad"
    version = 3
    title = "Projected gradients (PCGrad)"
    compares = True
    differentiates = True

    def begin(self, begin: parts.Begin) -> None:
        """It has nothing to keep but the model."""
        self.model = begin.model

    def backward(
        self, losses: Mapping[str, Tensor], weights: Mapping[str, float], shared: Sequence[nn.Parameter]
    ) -> dict[str, float]:
        """A backward pass of each loss, the gradients projected and added."""
        from ctx.balancing import combined

        self.used = combined(self.model, losses, weights, projected)
        return {key: weights[key] for key in losses}


def projected(products: Sequence[Sequence[float]]) -> list[float]:
    """``[K]``, how often each gradient is in the sum of the projected ones, from their products ``[K, K]``.

    The order is drawn from torch's generator where there is more than one.
    """
    import torch

    size = len(products)
    total = [0.0] * size
    for i in range(size):
        parts = [float(j == i) for j in range(size)]
        others = [j for j in range(size) if j != i]
        if len(others) > 1:
            others = [others[n] for n in torch.randperm(len(others)).tolist()]
        for j in others:
            along = sum(part * products[k][j] for k, part in enumerate(parts))
            if along < 0:
                parts[j] -= along / products[j][j]
        total = [a + b for a, b in zip(total, parts, strict=True)]
    return total
