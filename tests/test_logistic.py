"""Many logistic regressions at once: each what a general minimiser finds of its formula, in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from ctx.logistic import FEW, Problems, solve


def problems(rows: int, width: int, classes: int, draws: int, few: int, mix: list[list[float]]) -> Problems:
    """Two parts: all rows but ``few`` for each draw, which the second has."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, width)) * np.linspace(3, 0.1, width)
    x[:, -1] = 1
    y = (x @ rng.normal(size=(width, classes)) + rng.gumbel(size=(rows, classes))).argmax(1)
    parts = np.zeros((2, draws, rows))
    for draw in range(draws):
        chosen = rng.choice(rows, few, replace=False)
        parts[1, draw, chosen] = 1 / few
        parts[0, draw, np.setdiff1d(np.arange(rows), chosen)] = 1 / (rows - few)
    single = [torch.from_numpy(one).float() for one in (x, parts, np.asarray(mix))]
    return Problems(single[0], torch.from_numpy(y), single[1], single[2], classes, ridge=0.01)


def alone(asked: Problems, group: int, draw: int) -> Tensor:
    """The minimum of the formula in the docstring, ``[C, W]``, found without any of our code."""
    x, y = asked.x.double(), asked.y
    counts = (asked.mix[group].double()[:, None] * asked.parts[:, draw].double()).sum(0)

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        v = torch.from_numpy(flat).reshape(asked.classes, -1).requires_grad_()
        losses = torch.nn.functional.cross_entropy(x @ v.T, y, reduction="none")
        total = (counts * losses).sum() + asked.ridge / 2 * (v * v).sum()
        total.backward()  # type: ignore[no-untyped-call]
        assert v.grad is not None
        return total.item(), v.grad.numpy().ravel()

    start = np.zeros(asked.classes * x.shape[1])
    found = minimize(value, start, jac=True, method="L-BFGS-B", options={"maxiter": 5000, "gtol": 1e-9, "ftol": 1e-15})
    return torch.from_numpy(found.x).reshape(asked.classes, -1)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("few", [12, FEW + 20])
def test_every_head_is_the_minimum_of_its_formula(classes: int, few: int) -> None:
    asked = problems(300, 20, classes, 3, few, [[1, 0], [1, 0.1], [1, 10], [0, 1]])
    solved = solve(asked, tolerance=1e-5)
    assert solved.heads.shape == (4, 3, classes, 20)
    assert solved.gradients.max() <= 1e-5
    for group in range(4):
        for draw in range(3):
            expected = alone(asked, group, draw)
            assert (solved.heads[group, draw] - expected).abs().max() < 0.01 * expected.abs().max()


def test_answers_are_those_of_heads_solved_one_by_one() -> None:
    asked = problems(400, 30, 2, 2, 20, [[1, 0.3], [0, 1]])
    together = solve(asked, tolerance=1e-5)
    for group in range(2):
        for draw in range(2):
            single = Problems(asked.x, asked.y, asked.parts[:, [draw]], asked.mix[[group]], 2, asked.ridge)
            logits = [
                asked.x @ head.T for head in (together.heads[group, draw], solve(single, tolerance=1e-5).heads[0, 0])
            ]
            assert (logits[0] - logits[1]).abs().max() < 0.01


def test_a_draw_with_one_class_alone_is_solved_too() -> None:
    asked = problems(50, 5, 2, 1, 4, [[0, 1]])
    same = Problems(asked.x, torch.zeros(50, dtype=torch.long), asked.parts, asked.mix, 2, asked.ridge)
    solved = solve(same)
    assert torch.isfinite(solved.heads).all()
    assert solved.gradients.max() < 1e-4
    assert (asked.x @ solved.heads[0, 0].T).argmax(1).float()[asked.parts[1, 0] > 0].max() == 0


def test_few_iterations_do_however_unlike_the_weights() -> None:
    """What the curvature of the few rows is for: with the bound alone this takes hundreds."""
    asked = problems(400, 60, 2, 4, 20, [[1, lam] for lam in (0.01, 0.1, 1, 10)])
    assert solve(asked, tolerance=1e-4).iterations < 50


@pytest.mark.parametrize("lam", [100.0, 1000.0])
def test_a_heavy_part_is_solved_as_far_as_numbers_go(lam: float) -> None:
    solved = solve(problems(200, 20, 2, 2, 20, [[1, lam]]), tolerance=2e-6)
    assert solved.iterations < 300
    assert solved.gradients.max() <= 2e-6
