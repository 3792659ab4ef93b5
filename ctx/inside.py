"""What happens inside an update, looked at now and then: gradients' lengths, and how far the contexts' agree.

The cosine of two gradients on the layers that contexts share says whether a step for one helps the other: below zero
they are in conflict (Yu et al. 2020, Du et al. 2018).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

import torch
from torch import Tensor, nn

from ctx.balancing import Gradients, product, products
from ctx.model import Model
from ctx.plan import LOOK_EVERY, Phase

LOOKS = 60  # at a phase, at most


def looks(phase: Phase) -> frozenset[int]:
    """The updates of a phase (from 0) that are looked at: the next one once so many have passed since the last look.

    Where some updates see several contexts, the next one that does. They follow from the phase alone, so that runs
    that are resumed, or share it, look at the same ones.
    """
    updates, several = phase.epochs * phase.updates, len(phase.weights) > 1
    every, found, at = max(LOOK_EVERY, updates // LOOKS), [], 0
    while at < updates:
        if several and len(phase.active(at)) < 2:
            at += 1
        else:
            found.append(at)
            at += every
    return frozenset(found)


def told(model: Model, losses: Mapping[str, Tensor], shared: Sequence[nn.Parameter], plain: bool) -> dict[str, float]:
    """Before the backward pass, graphs kept: each gradient's length on ``shared``, and cosines with the target's.

    ``gradient/<context>``; ``cosine/<source>`` over the parameters that both reach, ``cosine/<source>/<block>`` over
    those of a block; nothing where there are none. Nothing at all for one loss where the backward pass is ``plain``:
    `alone` reads it afterwards.
    """
    if plain and len(losses) == 1:
        return {}
    found: dict[str, Gradients] = {
        key: list(torch.autograd.grad(loss, shared, retain_graph=True, allow_unused=True))
        for key, loss in losses.items()
    }
    values = {f"gradient/{key}": _length(one) for key, one in found.items()}
    target = found.pop("target", None)
    if target is None:
        return values
    blocks = _places(model, shared)
    for key, one in found.items():
        values |= _cosine(f"cosine/{key}", one, target)
        for block, inside in blocks.items():
            values |= _cosine(f"cosine/{key}/{block}", [one[i] for i in inside], [target[i] for i in inside])
    return values


def alone(weights: Mapping[str, float], shared: Sequence[nn.Parameter]) -> dict[str, float]:
    """The same after the plain backward pass of one loss, from what that left: the cost is next to nothing."""
    length = _length([p.grad for p in shared])
    return {f"gradient/{key}": length / weight for key, weight in weights.items() if weight}


def _places(model: Model, shared: Sequence[nn.Parameter]) -> dict[str, list[int]]:
    """Where the parameters of each block stand among ``shared``."""
    block_of = {id(p): name for name, block in model.blocks.items() for p in block.parameters()}
    found: dict[str, list[int]] = {}
    for i, p in enumerate(shared):
        found.setdefault(block_of[id(p)], []).append(i)
    return found


def _length(gradient: Gradients) -> float:
    return sqrt(sum(product(one, one) for one in gradient))


def _cosine(name: str, one: Gradients, other: Gradients) -> dict[str, float]:
    (a, both), (_, b) = products([one, other])
    length = sqrt(a * b)
    return {name: both / length} if length > 0 else {}
