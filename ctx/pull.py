"""A quadratic pull of weights towards others, with no copy of them kept for its gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn


def learning(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that learn, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def pull(weights: Sequence[Tensor], towards: Sequence[Tensor], importance: Sequence[Tensor] | None = None) -> Tensor:
    """½ Σ F (w - w₀)² over tensors of equal shapes, a scalar; F is 1 where no ``importance`` is given."""
    found: Tensor = Pull.apply(towards, importance, *weights)  # type: ignore[no-untyped-call]
    return found


class Pull(torch.autograd.Function):
    """The gradient F (w - w₀) is computed anew from the weights, instead of keeping all differences."""

    @staticmethod
    def forward(at: Any, towards: Sequence[Tensor], importance: Sequence[Tensor] | None, *weights: Tensor) -> Tensor:
        """The sum, of the weights' type."""
        at.save_for_backward(*weights)
        at.towards, at.importance = towards, importance
        parts = [torch.dot((d if f is None else d * f).flatten(), d.flatten()) for d, f in _differences(weights, at)]
        return torch.stack(parts).sum() / 2

    @staticmethod
    def backward(at: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """One gradient a weight."""
        pairs = _differences(at.saved_tensors, at)
        return (None, None, *((d if f is None else d.mul_(f)).mul_(grads[0]) for d, f in pairs))


def _differences(weights: Sequence[Tensor], at: Any) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Each weight's w - w₀, a tensor of its own, and its F."""
    for i, (weight, start) in enumerate(zip(weights, at.towards, strict=True)):
        yield weight - start, None if at.importance is None else at.importance[i]
