"""What happens inside an update, looked at now and then: how far the contexts' gradients agree, and their rates.

The cosine of two gradients on the layers that contexts share says whether a step for one helps the other: below zero
they are in conflict (Yu et al. 2020, Du et al. 2018).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ctx.model import Model

EVERY, LOOKS = 30, 60  # updates between two looks, at least; looks at a run, at most about
LEAST = 1e-6  # a weight below: its gradient can't be had from the sum

Gradients = dict[str, tuple[Tensor | None, ...]]


def due(step: int, steps: int) -> bool:
    """Whether update ``step`` (from 0) of ``steps`` is looked at."""
    return step % max(EVERY, steps // LOOKS) == 0


def gradients(
    losses: Mapping[str, Tensor], weights: Mapping[str, float], shared: Sequence[nn.Parameter], summed: bool
) -> Gradients:
    """Each loss's own gradient on ``shared``, graphs kept; of the last one none where the ``summed`` one tells it."""
    names = list(losses)
    told = names[:-1] if summed and weights[names[-1]] > LEAST else names
    return {name: torch.autograd.grad(losses[name], shared, retain_graph=True, allow_unused=True) for name in told}


def told(
    model: Model, found: Gradients, weights: Mapping[str, float], shared: Sequence[nn.Parameter]
) -> dict[str, float]:
    """After the backward pass: ``gradient/<context>``, its norm, and ``cosine/<source>/<block>`` with the target's.

    ``cosine/<source>``: over all that contexts share. Nothing where a norm is zero.
    """
    alone = found | {name: _rest(name, found, weights, shared) for name in weights if name not in found}
    values = {f"gradient/{name}": _product(one, one) ** 0.5 for name, one in alone.items()}
    target = alone.pop("target", None)
    if target is None:
        return values
    place = {id(p): name for name, block in model.blocks.items() for p in block.parameters()}
    blocks: dict[str, list[int]] = {}
    for i, p in enumerate(shared):
        blocks.setdefault(place[id(p)], []).append(i)
    for name, one in alone.items():
        values |= _cosine(f"cosine/{name}", one, target)
        for block, inside in blocks.items():
            values |= _cosine(f"cosine/{name}/{block}", [one[i] for i in inside], [target[i] for i in inside])
    return values


def _rest(
    name: str, found: Gradients, weights: Mapping[str, float], shared: Sequence[nn.Parameter]
) -> tuple[Tensor | None, ...]:
    """The gradient of the one loss that is missing, from that of the weighted sum."""
    rest: list[Tensor | None] = []
    for i, p in enumerate(shared):
        others = [weights[key] * own for key, one in found.items() if (own := one[i]) is not None]
        rest.append(None if p.grad is None else (p.grad - sum(others)) / weights[name])
    return tuple(rest)


def _product(one: Sequence[Tensor | None], other: Sequence[Tensor | None]) -> float:
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    return float(sum(torch.dot(a.flatten(), b.flatten()).double() for a, b in pairs))


def _cosine(name: str, one: Sequence[Tensor | None], other: Sequence[Tensor | None]) -> dict[str, float]:
    length = (_product(one, one) * _product(other, other)) ** 0.5
    return {name: _product(one, other) / length} if length > 0 else {}
