"""fixed: the weighted sum, each context's loss times its λ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ctx import parts

if TYPE_CHECKING:
    from torch import Tensor, nn


class Fixed(parts.Balancer):
    """The weighted sum of the losses, with the weights as set.

    Nothing changes them while it trains: L = Σ λ·L(context), each λ as the schedule has it (Caruana 1997).
    """

    name = "fixed"
    title = "Fixed weights"
    plain = True

    def backward(
        self, losses: Mapping[str, Tensor], weights: Mapping[str, float], shared: Sequence[nn.Parameter]
    ) -> dict[str, float]:
        """One backward pass of Σ λ·L."""
        from ctx.balancing import summed

        summed(losses, weights).backward()
        return dict(weights)
