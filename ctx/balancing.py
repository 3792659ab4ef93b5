"""What balancers share: the weighted sum, each context's gradient on its own, and a number a context that is learnt."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ctx.model import Model

BETAS, EPSILON = (0.9, 0.999), 1e-8  # Adam's usual ones

Products = list[list[float]]
Gradients = list[Tensor | None]


def summed(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Σ λ·L, a scalar."""
    return torch.stack([weights[key] * loss for key, loss in losses.items()]).sum()


class Learnt:
    """A number for each context, learnt by Adam (Kingma & Ba 2015, algorithm 1) at a constant rate of its own.

    Not by the run's optimiser: its rate may be too low for a number to get anywhere, and it clips all gradients
    together, so that a number's would shorten the model's steps.
    """

    def __init__(self, keys: Iterable[str], start: float, rate: float, bounds: tuple[float, float]) -> None:
        self.rate, self.bounds = rate, bounds
        self.values = dict.fromkeys(keys, start)
        self.moments = dict.fromkeys(self.values, (0.0, 0.0, 0))

    def step(self, gradients: Mapping[str, float]) -> None:
        """One step against these gradients, within the bounds; numbers without one stay."""
        for key, slope in gradients.items():
            first, second, count = self.moments[key]
            first = BETAS[0] * first + (1 - BETAS[0]) * slope
            second = BETAS[1] * second + (1 - BETAS[1]) * slope * slope
            count += 1
            length = math.sqrt(second / (1 - BETAS[1] ** count)) + EPSILON
            moved = self.values[key] - self.rate * first / (1 - BETAS[0] ** count) / length
            self.values[key] = min(max(moved, self.bounds[0]), self.bounds[1])
            self.moments[key] = first, second, count

    def state(self) -> dict[str, Tensor]:
        """``[4]`` a context: the number, Adam's two moments, its steps."""
        return {key: torch.tensor([self.values[key], *self.moments[key]], dtype=torch.float64) for key in self.values}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""
        for key in self.values:
            value, first, second, count = state[key].tolist()
            self.values[key], self.moments[key] = value, (first, second, int(count))


def combined(
    model: Model,
    losses: Mapping[str, Tensor],
    weights: Mapping[str, float],
    combine: Callable[[Products], Sequence[float]],
) -> dict[str, float]:
    """Add Σ c·λ·∇L to the gradients of all that contexts have in common, a common head too; gives each one's c·λ.

    ``combine``: from the products ``[K, K]`` of the gradients of λ·L with each other to c ``[K]``. What only one
    context uses has the plain gradient. Every loss has a graph of its own, which is freed.
    """
    if len(losses) < 2:
        summed(losses, weights).backward()
        return {key: weights[key] for key in losses}
    learning = [p for p in model.parameters() if p.requires_grad]
    alone: list[Gradients] = [
        list(torch.autograd.grad(weights[key] * loss, learning, allow_unused=True)) for key, loss in losses.items()
    ]
    found, factors = products(alone), [1.0] * len(losses)
    finite = all(math.isfinite(one) for row in found for one in row)  # else the run is about to end as diverged
    if finite and any(_common(alone, i) for i in range(len(learning))):
        factors = [float(factor) for factor in combine(found)]
    for i, p in enumerate(learning):
        pairs = [(factor, one[i]) for factor, one in zip(factors, alone, strict=True)]
        _add(p, pairs if _common(alone, i) else [(1.0, one) for _, one in pairs])
        for each in alone:
            each[i] = None  # its room is free for the next
    return {key: factor * weights[key] for key, factor in zip(losses, factors, strict=True)}


def products(alone: Sequence[Gradients]) -> Products:
    """The gradients' products with each other ``[K, K]``, over what at least two of them reach."""
    size = len(alone)
    found = [[0.0] * size for _ in range(size)]
    for i in range(len(alone[0])):
        if _common(alone, i):
            for a in range(size):
                for b in range(a, size):
                    found[a][b] += product(alone[a][i], alone[b][i])
    return [[found[min(a, b)][max(a, b)] for b in range(size)] for a in range(size)]


def _common(alone: Sequence[Gradients], place: int) -> bool:
    return sum(one[place] is not None for one in alone) > 1


def product(one: Tensor | None, other: Tensor | None) -> float:
    """Of two gradients of one parameter; 0 where there is none."""
    return 0.0 if one is None or other is None else float(torch.dot(one.flatten(), other.flatten()))


def _add(p: nn.Parameter, pairs: Iterable[tuple[float, Tensor | None]]) -> None:
    """Add factors times gradients to what is there."""
    for factor, gradient in pairs:
        if gradient is None:
            continue
        if p.grad is None:
            p.grad = factor * gradient
        else:
            p.grad.add_(gradient, alpha=factor)


def last_shared(model: Model, shared: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    """Those of ``shared`` in the highest block that has any."""
    known = {id(p) for p in shared}
    for block in reversed(list(model.blocks.values())):
        found = [p for p in block.parameters() if id(p) in known]
        if found:
            return found
    return []


def norms(losses: Mapping[str, Tensor], parameters: Sequence[nn.Parameter]) -> dict[str, float]:
    """The length of each loss's gradient on those of ``parameters`` that all of them reach; graphs are kept."""
    found = {
        key: torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True) for key, loss in losses.items()
    }
    reached = [i for i in range(len(parameters)) if all(one[i] is not None for one in found.values())]
    return {key: math.sqrt(sum(product(one[i], one[i]) for i in reached)) for key, one in found.items()}
