"""gradnorm: weights that let contexts learn at a like pace (Chen et al., GradNorm, ICML 2018).

With G = w·‖∇ λL‖ on the last shared layer that learns (as the paper does, section 3.1: elsewhere it would cost more
than a step), Ḡ its mean over contexts, and r = (L / L₀) / mean of L / L₀, the relative inverse training rate,
equation 2 asks

    L_grad = Σ |G − Ḡ·r^α|,  the second part taken as constant: ∂L_grad/∂w = sign(G − Ḡ·r^α)·‖∇ λL‖

to be small. After each step the weights w are scaled to add up to the number of contexts (algorithm 1), and kept above
0.01. L₀ is the loss of a context's first batch. λ multiplies the loss first, so that its gradient is what is compared:
given time, w undoes λ. w is learnt by an Adam of its own (`ctx.balancing.Learnt`); w and L₀ begin anew in every phase.
Nothing is learnt in an update with one context, nor where no shared layer learns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import copysign
from typing import TYPE_CHECKING

from ctx import parts

if TYPE_CHECKING:
    from torch import Tensor, nn

BOUNDS = 0.01, 1000.0


class GradNorm(parts.Balancer):
    """Each context's weight is learnt, so that all pull alike on the shared layers, and laggards a little more.

    A context whose loss has fallen less than the others' is given a larger gradient: G → Ḡ·r^α, with G = w·‖∇ λL‖ and
    r how far a loss stayed behind (Chen et al. 2018, equation 2).
    """

    name = "gradnorm"
    title = "Equal gradients (GradNorm)"
    makes = "w{n} · {}"
    undoes = True
    compares = True
    differentiates = True

    class Knobs(parts.Knobs):
        """How strongly, and how fast."""

        alpha: float = parts.knob(
            1.5, "α, how strongly a context that learns slowly is helped; 0: all gradients of one length.", ge=0, le=10
        )
        rate: float = parts.knob(0.025, "Learning rate of the weights.", gt=0, le=0.5, log=True)

    def begin(self, begin: parts.Begin) -> None:
        """All weights are 1 again, and first losses are those to come."""
        from ctx.balancing import Learnt

        self.model = begin.model
        self.learnt = Learnt(begin.phase.weights, 1.0, self.knobs.rate, BOUNDS)
        self.first: dict[str, float] = {}

    def backward(
        self, losses: Mapping[str, Tensor], weights: Mapping[str, float], shared: Sequence[nn.Parameter]
    ) -> dict[str, float]:
        """One backward pass of Σ w·λ·L, after one of each loss through the head and the last layer."""
        from ctx.balancing import last_shared, norms, summed

        values = {key: loss.item() for key, loss in losses.items()}
        self.first = values | self.first
        self.used = {key: weights[key] * self.learnt.values[key] for key in losses}
        weighed = {key: loss for key, loss in losses.items() if weights[key] > 0}
        last = last_shared(self.model, shared) if len(weighed) > 1 else []
        lengths = {key: weights[key] * norm for key, norm in norms(weighed, last).items()} if last else {}
        summed(losses, self.used).backward()
        if lengths:
            self._learn(lengths, {key: values[key] / (self.first[key] or 1.0) for key in lengths})
        return dict(self.used)

    def _learn(self, lengths: Mapping[str, float], ratios: Mapping[str, float]) -> None:
        """A step of the weights. ``lengths``: ‖∇ λL‖; ``ratios``: L / L₀."""
        w, size = self.learnt.values, len(lengths)
        middle = sum(w[key] * length for key, length in lengths.items()) / size
        usual = sum(ratios.values()) / size or 1.0
        off = {key: w[key] * lengths[key] - middle * (ratios[key] / usual) ** self.knobs.alpha for key in lengths}
        self.learnt.step({key: copysign(lengths[key], off[key]) if off[key] else 0.0 for key in lengths})
        scale = len(w) / sum(w.values())
        for key in w:
            w[key] *= scale

    def state(self) -> dict[str, Tensor]:
        """Each weight with its moments, and the first losses."""
        import torch

        first = {f"first/{key}": torch.tensor(value, dtype=torch.float64) for key, value in self.first.items()}
        return self.learnt.state() | first

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""
        self.learnt.load(state)
        begins = "first/"
        self.first = {key.removeprefix(begins): state[key].item() for key in state if key.startswith(begins)}
