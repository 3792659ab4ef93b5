"""Many multinomial logistic regressions on shared rows, solved together.

Each is convex, so its solution depends on no rate, no start and no number of epochs. All heads of all problems are one
matrix, so that a pass over the rows is two matrix products. The solver is L-BFGS (Liu & Nocedal 1989) for all problems
in step, started from Böhning's bound on the Hessian (Böhning 1992), which problems of one mixture share.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import torch
from torch import Tensor

MOST, MEMORY, HALVINGS = 300, 12, 20  # iterations; pairs that L-BFGS remembers; of a step that doesn't descend
FEW = 64  # rows of a draw that are taken into its bound exactly
ENOUGH = 1e-4  # the share of the descent promised by the slope that a step must give (Armijo)
NOISE = 100  # units in the last place by which a value may rise: it is a sum over all rows


@dataclass(frozen=True)
class Problems:
    """What is solved: for every mixture g and draw d, over V,

        Σ_n a(g, d, n) · cross-entropy(softmax(V x_n), y_n) + ridge / 2 · |V|²,
        a(g, d, n) = Σ_m mix(g, m) · parts(m, d, n)

    ``x``: rows ``[N, W]``, the last column ones where there is a bias; ``y``: labels ``[N]`` below ``classes``;
    ``parts [M, D, N]`` and ``mix [G, M]`` are not negative.
    """

    x: Tensor
    y: Tensor
    parts: Tensor
    mix: Tensor
    classes: int
    ridge: float


@dataclass(frozen=True)
class Solution:
    """Heads ``[G, D, C, W]``; the largest entry of each gradient ``[G, D]``; iterations."""

    heads: Tensor
    gradients: Tensor
    iterations: int


def solve(problems: Problems, tolerance: float = 1e-4, most: int = MOST) -> Solution:
    """All heads, each to a gradient with no entry above ``tolerance``, or as they stand after ``most`` iterations.

    A gradient is that of the formula divided by the sum of its mixture where that is above 1, so that heavy parts don't
    ask for more than numbers of this precision can give.

    Classes are told apart in the C - 1 directions that sum to nothing, which is where the solution lies: half the work
    for two classes.
    """
    groups, draws = problems.mix.shape[0], problems.parts.shape[1]
    shape = groups * draws, problems.classes - 1, problems.x.shape[1]
    objective = _Objective(problems)
    metric = _Metric(problems, objective.directions)
    v = problems.x.new_zeros(shape)
    value, gradient = objective(v)
    pairs: deque[tuple[Tensor, Tensor, Tensor]] = deque(maxlen=MEMORY)
    iterations = 0
    scale = problems.mix.sum(1).clamp(min=1).repeat_interleave(draws)
    while (gradient.abs().amax((1, 2)) / scale).max() > tolerance and iterations < most:
        iterations += 1
        metric.at(v)
        step = -_direction(gradient, pairs, metric)
        move, value, later = _descend(objective, v, value, gradient, step)
        change = later - gradient
        curvature = (move * change).sum((1, 2))
        inverse = torch.where(curvature > 0, 1 / curvature.clamp(min=torch.finfo(v.dtype).tiny), 0.0)
        pairs.append((move, change, inverse))
        v, gradient = v + move, later
    heads = torch.einsum("ck,pkw->pcw", objective.directions, v)
    found = heads.reshape(groups, draws, *heads.shape[1:])
    return Solution(found, (gradient.abs().amax((1, 2)) / scale).reshape(groups, draws), iterations)


class _Objective:
    """Values ``[P]`` and gradients ``[P, C - 1, W]`` at points of that shape."""

    def __init__(self, problems: Problems) -> None:
        self.x, self.ridge = problems.x, problems.ridge
        self.weights = torch.einsum("gm,mdn->ngd", problems.mix, problems.parts).reshape(len(self.x), -1)
        basis, _ = torch.linalg.qr(torch.eye(problems.classes, dtype=self.x.dtype)[:, 1:] - 1 / problems.classes)
        self.directions = basis  # [C, C - 1], orthonormal, each sums to 0
        self.right = basis[problems.y].T[..., None]  # [C - 1, N, 1]

    def __call__(self, v: Tensor) -> tuple[Tensor, Tensor]:
        z = self.x @ v.permute(1, 2, 0)  # [C - 1, N, P]; classes first, so that what goes over them is quick
        logits = torch.tensordot(self.directions, z, 1)
        total = logits.logsumexp(0)
        losses = (self.weights * (total - (z * self.right).sum(0))).sum(0)
        slopes = torch.tensordot(self.directions.T, (logits - total).exp_(), 1).sub_(self.right).mul_(self.weights)
        gradient = (slopes.transpose(1, 2) @ self.x).transpose(0, 1) + self.ridge * v
        return losses + self.ridge / 2 * (v * v).sum((1, 2)), gradient


class _Metric:
    """About the inverse of the Hessian ``[P, C - 1, W]`` to the same, for L-BFGS to begin with.

    Parts with few rows in a draw count with the curvature that they have where the solver stands (by Woodbury's
    identity): the heavier they weigh, the surer is the answer to each of them, and the flatter is their loss. Others
    count with the bound, which is half of their second moments, as a mean over draws.
    """

    def __init__(self, problems: Problems, directions: Tensor) -> None:
        x, mix, draws = problems.x, problems.mix, problems.parts.shape[1]
        base = torch.diag(x.new_full((x.shape[1],), problems.ridge)).repeat(len(mix), 1, 1)
        rows, weights = [x.new_zeros(draws, 0, x.shape[1])], [x.new_zeros(len(mix), draws, 0)]
        for part, share in zip(problems.parts, mix.T, strict=True):
            most = int((part > 0).sum(1).max())
            if most > FEW:
                base += 0.5 * share[:, None, None] * ((x * part.mean(0)[:, None]).T @ x)
            else:
                own, places = part.topk(most, dim=1)
                rows.append(x[places])
                weights.append(share[:, None, None] * own)
        self.directions = directions
        self.base = torch.cholesky_inverse(torch.linalg.cholesky(base))  # [G, W, W]
        self.rows, self.weights = torch.cat(rows, 1), torch.cat(weights, 2)  # [D, n, W], [G, D, n]
        self.seen = torch.einsum("dnw,gwv->gdnv", self.rows, self.base)
        self.inner = torch.einsum("gdnv,dmv->gdnm", self.seen, self.rows)

    def at(self, v: Tensor) -> None:
        """Take the curvature at ``v``."""
        groups, draws = self.seen.shape[:2]
        z = torch.einsum("dnw,gdkw->gdnk", self.rows, v.reshape(groups, draws, *v.shape[1:]))
        likely = (z @ self.directions.T).softmax(-1)
        self.scale = (self.weights * (2 * likely * (1 - likely)).amax(-1)).sqrt()[..., None]  # [G, D, n, 1]
        inner = self.scale * self.inner * self.scale.transpose(2, 3)
        inner.diagonal(dim1=2, dim2=3).add_(1)
        self.inverse = torch.cholesky_inverse(torch.linalg.cholesky(inner))

    def __call__(self, gradient: Tensor) -> Tensor:
        """Times the gradient."""
        groups, draws = self.seen.shape[:2]
        found = gradient.reshape(groups, -1, gradient.shape[2]) @ self.base
        found = found.reshape(groups, draws, *gradient.shape[1:])
        inside = torch.einsum("gdkw,dnw->gdnk", found, self.rows)
        inside = self.scale * (self.inverse @ (self.scale * inside))
        return (found - torch.einsum("gdnk,gdnw->gdkw", inside, self.seen)).reshape(gradient.shape)


def _direction(gradient: Tensor, pairs: deque[tuple[Tensor, Tensor, Tensor]], metric: _Metric) -> Tensor:
    """L-BFGS's approximation of the inverse Hessian times the gradient, a problem at a time."""
    found, shares = gradient, []
    for move, change, inverse in reversed(pairs):
        share = inverse * (move * found).sum((1, 2))
        shares.append(share)
        found = found - share[:, None, None] * change
    found = metric(found)
    for (move, change, inverse), share in zip(pairs, reversed(shares), strict=True):
        found = found + (share - inverse * (change * found).sum((1, 2)))[:, None, None] * move
    return found


def _descend(
    objective: _Objective, v: Tensor, value: Tensor, gradient: Tensor, step: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The moves, halved where they would not descend; the values and gradients after them."""
    slope = (step * gradient).sum((1, 2))
    noise = NOISE * torch.finfo(v.dtype).eps * value.abs()
    length = torch.ones_like(value)
    for _ in range(HALVINGS):
        move = length[:, None, None] * step
        later, there = objective(v + move)
        worse = later > value + ENOUGH * length * slope + noise
        if not worse.any():
            break
        length = torch.where(worse, length / 2, length)
    if worse.any():  # as small as numbers go
        move = torch.where(worse[:, None, None], 0.0, move)
        later, there = objective(v + move)
    return move, later, there
