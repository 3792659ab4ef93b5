"""A quadratic pull of weights towards others, with no copy of them kept for its gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

PIECE = 2**15  # numbers: a few of them fit a processor's second cache


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
        rooms = weights[0].new_empty(2, PIECE)
        parts = []
        for weight, start, firmness in _each(weights, at):
            one, other = rooms[:, : len(weight)]
            difference = torch.sub(weight, start, out=one)
            pulled = difference if firmness is None else torch.mul(difference, firmness, out=other)
            parts.append(torch.dot(pulled, difference))
        return torch.stack(parts).sum() / 2

    @staticmethod
    @once_differentiable
    def backward(at: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """One gradient a weight."""
        weights = at.saved_tensors
        found = [weight.new_empty(weight.shape) for weight in weights]
        out = (piece for one in found for piece in _pieces(one))
        for (weight, start, firmness), into in zip(_each(weights, at), out, strict=True):
            torch.sub(weight, start, out=into)
            if firmness is not None:
                into.mul_(firmness)
            into.mul_(grads[0])
        return (None, None, *found)


def _each(weights: Sequence[Tensor], at: Any) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """Weights, w₀ and F piece by piece."""
    for i, (weight, start) in enumerate(zip(weights, at.towards, strict=True)):
        pieces = _pieces(weight)
        firmness = _pieces(at.importance[i]) if at.importance is not None else [None] * len(pieces)
        yield from zip(pieces, _pieces(start), firmness, strict=True)


def _pieces(tensor: Tensor) -> Sequence[Tensor]:
    """Flat ones that stay in a processor's cache."""
    return torch.split(tensor.flatten(), PIECE)
