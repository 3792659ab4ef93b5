"""A quadratic pull of weights towards others, with no copy of them kept for its gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ctx.packed import Packed

PIECE = 2**15  # numbers: a few of them fit a processor's second cache

Piece = tuple[Tensor, Tensor, Tensor | None]


def learning(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that learn, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def pull(
    weights: Sequence[Tensor], towards: Sequence[Tensor | Packed], strength: float = 1.0, after: bool = False
) -> Tensor:
    """½ s Σ F (w - w₀)² over tensors of equal shapes, a scalar; F is 1 where w₀ is not `Packed` with one.

    ``after``: its gradient is added to the weights' at once, while pieces are at hand, and the scalar has none.
    """
    if after:
        return strength * _added(weights, towards, strength)
    found: Tensor = Pull.apply(towards, *weights)  # type: ignore[no-untyped-call]
    return strength * found


@torch.no_grad()
def _added(weights: Sequence[Tensor], towards: Sequence[Tensor | Packed], strength: float) -> Tensor:
    """The sum without its strength."""
    for weight in weights:
        grad = torch.zeros(weight.shape, dtype=weight.dtype) if weight.grad is None else weight.grad
        weight.grad = grad.contiguous()
    into = (piece for weight in weights if weight.grad is not None for piece in _pieces(weight.grad))
    return _half(_each(weights, towards), weights[0].new_empty(2, PIECE), into, strength)


def _half(
    pieces: Iterator[Piece], rooms: Tensor, into: Iterator[Tensor] | None = None, strength: float = 1.0
) -> Tensor:
    """½ Σ F (w - w₀)²; ``into``: what the gradients of pieces are added to."""
    parts = []
    for weight, start, firmness in pieces:
        one, other = rooms[:, : len(weight)]
        difference = torch.sub(weight, start, out=one)
        pulled = difference if firmness is None else torch.mul(difference, firmness, out=other)
        parts.append(torch.dot(pulled, difference))
        if into is not None:
            next(into).add_(pulled.mul_(strength))
    return torch.stack(parts).sum() / 2


class Pull(torch.autograd.Function):
    """The gradient F (w - w₀) is computed anew from the weights, instead of keeping all differences."""

    @staticmethod
    def forward(at: Any, towards: Sequence[Tensor | Packed], *weights: Tensor) -> Tensor:
        """The sum, of the weights' type."""
        at.save_for_backward(*weights)
        at.towards = towards
        return _half(_each(weights, towards), weights[0].new_empty(2, PIECE))

    @staticmethod
    @once_differentiable
    def backward(at: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """One gradient a weight."""
        weights = at.saved_tensors
        found = [weight.new_empty(weight.shape) for weight in weights]
        out = (piece for one in found for piece in _pieces(one))
        for (weight, start, firmness), into in zip(_each(weights, at.towards), out, strict=True):
            torch.sub(weight, start, out=into)
            if firmness is not None:
                into.mul_(firmness)
            into.mul_(grads[0])
        return (None, *found)


def _each(weights: Sequence[Tensor], towards: Sequence[Tensor | Packed]) -> Iterator[Piece]:
    """Weights, w₀ and F piece by piece."""
    for weight, start in zip(weights, towards, strict=True):
        if isinstance(start, Packed):
            packed = (start._replace(bits=bits) for bits in _pieces(start.bits))
            found: Iterator[tuple[Tensor, Tensor | None]] = ((one.weights(), one.importance()) for one in packed)
        else:
            found = ((piece, None) for piece in _pieces(start))
        for piece, (there, firmness) in zip(_pieces(weight), found, strict=True):
            yield piece, there, firmness


def _pieces(tensor: Tensor) -> Sequence[Tensor]:
    """Flat ones that stay in a processor's cache."""
    return torch.split(tensor.flatten(), PIECE)
