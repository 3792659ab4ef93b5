"""Balancers: the numbers of the papers' equations on two parameters, in numpy; and what a run makes of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn
from two_parameters import BALANCERS, GRADIENT, KEYS, LAM, LINES, Own, Problem, caught, slopes

from ctx.balancing import Learnt


@pytest.mark.parametrize(("task", "factor"), [("classification", 1.0), ("tagging", 1.0), ("regression", 0.5)])
def test_uncertainty_follows_the_slope_of_its_total(task: str, factor: float) -> None:
    problem = Problem("conflict")
    balancer, s = problem.begin("uncertainty", task), np.array([0.3, -0.8])
    balancer.learnt.values.update(zip(problem.lines, s.tolist(), strict=True))
    found = caught(balancer)
    used = problem.update(balancer)
    losses = np.array([LAM[key] * problem.known(key)[0] for key in problem.lines])
    expected = slopes(lambda s: float(np.sum(factor * np.exp(-s) * losses + s / 2)), s)
    assert list(found[0].values()) == pytest.approx(expected, rel=1e-7)
    assert list(used.values()) == pytest.approx(factor * np.exp(-s) * [LAM[key] for key in problem.lines])
    assert problem.gradient() == pytest.approx(problem.weighted(used))
    assert balancer.beside == pytest.approx(s.sum() / 2)


def test_uncertainty_settles_where_each_weighted_loss_is_a_half() -> None:
    problem = Problem("agree")
    balancer = problem.begin("uncertainty", rate=0.05)
    for _ in range(500):
        used = problem.update(balancer)
    assert [used[key] * problem.known(key)[0] for key in used] == pytest.approx([0.5, 0.5], abs=5e-3)


def gradnorm_asks(problem: Problem, first: dict[str, float], w: np.ndarray, alpha: float) -> np.ndarray:
    """∂L_grad/∂w of equation 2, by finite differences, its second part held."""
    known = [problem.known(key) for key in problem.lines]
    lam = np.array([LAM[key] for key in problem.lines])
    length = lam * [np.linalg.norm(gradient) for _, gradient, _ in known]
    rate = np.array([loss for loss, _, _ in known]) / list(first.values())
    goal = (w * length).mean() * (rate / rate.mean()) ** alpha
    return slopes(lambda w: float(np.abs(w * length - goal).sum()), w)


@pytest.mark.parametrize("kind", LINES)
@pytest.mark.parametrize("alpha", [0.0, 1.5])
def test_gradnorm_follows_the_slope_of_the_papers_loss(kind: str, alpha: float) -> None:
    problem = Problem(kind, KEYS)
    balancer, w = problem.begin("gradnorm", alpha=alpha), np.array([0.5, 1.5, 1.0])
    found = caught(balancer)
    problem.update(balancer)
    first = {key: problem.known(key)[0] for key in KEYS}
    assert list(found[0].values()) == pytest.approx(gradnorm_asks(problem, first, np.ones(3), alpha), rel=1e-6)
    balancer.learnt.values.update(zip(KEYS, w.tolist(), strict=True))
    problem.shared.values.data += torch.tensor([0.5, 0.3])
    used = problem.update(balancer)
    assert list(found[1].values()) == pytest.approx(gradnorm_asks(problem, first, w, alpha), rel=1e-6)
    assert list(used.values()) == pytest.approx(w * [LAM[key] for key in KEYS])
    assert problem.gradient() == pytest.approx(problem.weighted(used))


def test_gradnorms_weights_add_up_and_make_gradients_alike() -> None:
    problem = Problem("conflict", KEYS)
    balancer = problem.begin("gradnorm", alpha=0.0, rate=0.02)
    for _ in range(300):
        used = problem.update(balancer)
        assert sum(balancer.learnt.values.values()) == pytest.approx(3.0)
    lengths = [used[key] * np.linalg.norm(problem.known(key)[1]) for key in KEYS]
    assert lengths == pytest.approx([np.mean(lengths)] * 3, rel=0.05)


def test_what_is_learnt_takes_the_steps_of_adam() -> None:
    learnt = Learnt(["a", "b"], 0.3, 0.02, (-9, 9))
    values = [nn.Parameter(torch.tensor(0.3, dtype=torch.float64)) for _ in range(2)]
    adam = torch.optim.Adam(values, lr=0.02)
    for n in range(20):
        given = {"a": np.sin(n), "b": 3.0 * np.cos(n)} if n % 3 else {"b": 1.0 - n}
        for value, key in zip(values, "ab", strict=True):
            value.grad = torch.tensor(given[key], dtype=torch.float64) if key in given else None
        adam.step()
        learnt.step(given)
        assert list(learnt.values.values()) == pytest.approx([value.item() for value in values], rel=1e-9)
    learnt.step({"a": 1.0})
    again = Learnt(["a", "b"], 0.0, 0.02, (-9, 9))
    again.load(learnt.state())
    assert (again.values, again.moments) == (learnt.values, learnt.moments)


def test_dwa_weighs_by_how_far_losses_fell_between_the_two_epochs_before() -> None:
    problem = Problem("agree")
    balancer = problem.begin("dwa", temperature=0.7)
    means: list[dict[str, float]] = []
    for epoch in range(4):
        seen = []
        for update in range(3):
            used = problem.update(balancer)
            seen.append({key: problem.known(key)[0] for key in used})
            ratio = np.array([means[-1][k] / means[-2][k] for k in used]) if epoch > 1 else np.ones(2)
            softmax = np.exp(ratio / 0.7) / np.exp(ratio / 0.7).sum()
            assert list(used.values()) == pytest.approx(2 * softmax * [LAM[key] for key in used])
            assert problem.gradient() == pytest.approx(problem.weighted(used))
            problem.shared.values.data += torch.tensor([0.2 * epoch, 0.1 * update])
        means.append({key: np.mean([one[key] for one in seen]) for key in used})
        balancer.epoch()
    assert len({round(one["source"], 9) for one in means}) == 4


def surgery(gradients: list[np.ndarray]) -> np.ndarray:
    """Algorithm 1 as it is printed, in numpy; the order from torch's generator."""
    final = []
    for i, gradient in enumerate(gradients):
        kept, others = gradient.copy(), [other for j, other in enumerate(gradients) if j != i]
        order = torch.randperm(len(others)).tolist() if len(others) > 1 else [0]
        for other in (others[n] for n in order):
            if kept @ other < 0:
                kept = kept - (kept @ other) / (other @ other) * other
        final.append(kept)
    return np.sum(final, axis=0)


@pytest.mark.parametrize("kind", LINES)
@pytest.mark.parametrize("keys", [("source", "target"), KEYS])
def test_pcgrad_is_the_printed_algorithm(kind: str, keys: tuple[str, ...]) -> None:
    problem = Problem(kind, keys)
    own = [LAM[key] * problem.known(key)[1] for key in keys]
    crossed = [a @ b for a, b in itertools.combinations(own, 2)]
    assert (min(crossed) < 0) == (kind == "conflict")
    orders = set()
    balancer = problem.begin("pcgrad")
    for seed in range(6):
        torch.manual_seed(seed)
        problem.update(balancer)
        after = torch.get_rng_state()
        torch.manual_seed(seed)
        assert problem.gradient() == pytest.approx(surgery(own), rel=1e-9)
        assert torch.equal(torch.get_rng_state(), after)
        assert problem.gradient() == pytest.approx(problem.weighted(balancer.told()))
        orders.add(tuple(problem.gradient().round(9)))
    assert (len(orders) > 1) == (kind == "conflict" and len(keys) > 2)
    if kind == "agree":
        assert problem.gradient() == pytest.approx(np.sum(own, axis=0))


def cone(gradients: list[np.ndarray]) -> np.ndarray:
    """The sum of each gradient's nearest direction that harms nobody, by a general solver."""
    rows = np.array(gradients)
    bound = {"type": "ineq", "fun": lambda d: rows @ d, "jac": lambda d: rows}
    options = {"maxiter": 1000, "ftol": 1e-14}
    found = [minimize(lambda d, g=g: np.sum((d - g) ** 2), g, constraints=bound, options=options).x for g in rows]
    return np.sum(found, axis=0)


@pytest.mark.parametrize("kind", LINES)
@pytest.mark.parametrize("keys", [("source", "target"), KEYS])
def test_upgrad_is_torchjds_and_a_general_solvers(kind: str, keys: tuple[str, ...]) -> None:
    from torchjd.aggregation import UPGrad

    from ctx.balancers.upgrad import projector

    problem = Problem(kind, keys)
    balancer = problem.begin("upgrad")
    problem.update(balancer)
    own = [LAM[key] * problem.known(key)[1] for key in keys]
    rows = torch.tensor(np.array(own))
    theirs = UPGrad(projector=projector())(rows).numpy() * len(keys)
    assert problem.gradient() == pytest.approx(theirs, rel=1e-9)
    assert problem.gradient() == pytest.approx(cone(own), rel=1e-4)
    assert problem.gradient() == pytest.approx(problem.weighted(balancer.told()))
    if len(keys) == 2:
        assert problem.gradient() == pytest.approx(surgery(own), rel=1e-9)


def test_upgrad_gives_the_numbers_that_torchjd_documents_for_its_own_solver() -> None:
    from ctx.balancers.upgrad import projected

    rows = np.array([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]])
    weights = np.array(projected((rows @ rows.T).tolist())) / 2
    assert weights == pytest.approx([1.1109, 0.7894], abs=5e-4)  # theirs adds 1e-4 to the diagonal
    assert weights @ rows == pytest.approx([0.2929, 1.9004, 1.9004], abs=2e-3)


@pytest.mark.parametrize("name", GRADIENT)
@pytest.mark.parametrize("kind", LINES)
def test_heads_have_the_gradient_of_the_plain_weighted_sum(name: str, kind: str) -> None:
    problem = Problem(kind, KEYS)
    used = problem.update(problem.begin(name))
    assert used == LAM
    for key, head in problem.heads.items():
        assert head.values.grad.item() == pytest.approx(LAM[key] * problem.known(key)[2])


@pytest.mark.parametrize("name", BALANCERS)
def test_what_penalties_left_is_added_to(name: str) -> None:
    found = []
    for left in (0.0, 5.0):
        problem = Problem("conflict", KEYS)
        torch.manual_seed(1)
        everything = [problem.shared.values, *(head.values for head in problem.heads.values())]
        for p in everything:
            p.grad = torch.full_like(p, left)
        problem.begin(name).backward(problem.losses(), LAM, [problem.shared.values])
        found.append(torch.cat([p.grad for p in everything]))
    assert (found[1] - found[0]).tolist() == pytest.approx([5.0] * len(found[0]))


@pytest.mark.parametrize("name", GRADIENT)
def test_what_one_context_alone_uses_is_shared_with_nobody(name: str) -> None:
    problem = Problem("conflict")
    own = Own([0.5, 0.5])
    problem.model.blocks["adapter"] = own
    losses = problem.losses()
    losses["target"] = losses["target"] + (own.values * torch.tensor([3.0, -4.0])).sum()
    without = problem.begin(name)
    problem.update(without)
    alone = problem.gradient().copy()
    problem.model.zero_grad()
    problem.begin(name).backward(losses, LAM, [problem.shared.values, own.values])
    assert own.values.grad.tolist() == [LAM["target"] * 3.0, LAM["target"] * -4.0]
    assert problem.gradient() == pytest.approx(alone)


@pytest.mark.parametrize("name", GRADIENT)
def test_a_head_that_contexts_share_counts_with_the_layers_that_they_share(name: str) -> None:
    problem, slopes = Problem("agree"), {"source": np.array([5.0, 1.0]), "target": np.array([-3.0, 1.0])}
    common = Own([0.5, 0.5])
    problem.model.heads["all"] = common
    losses = {key: loss + common.values @ torch.from_numpy(slopes[key]) for key, loss in problem.losses().items()}
    own = [LAM[key] * np.concatenate([problem.known(key)[1], slope]) for key, slope in slopes.items()]
    assert own[0] @ own[1] < 0 < own[0][:2] @ own[1][:2]  # only the head is in conflict
    problem.begin(name).backward(losses, LAM, [problem.shared.values])
    assert common.values.grad is not None
    assert np.concatenate([problem.gradient(), common.values.grad]) == pytest.approx(surgery(own))


@pytest.mark.parametrize("name", BALANCERS)
def test_an_update_with_one_context_takes_its_own_gradient_and_learns_nothing_of_the_others(name: str) -> None:
    problem = Problem("conflict", KEYS)
    balancer = problem.begin(name)
    problem.update(balancer)
    before = balancer.state()
    problem.update(balancer, ("target",))
    assert problem.gradient() == pytest.approx(problem.weighted(balancer.told()))
    assert set(balancer.told()) == {"target"}
    assert all(torch.equal(value, before[key]) for key, value in balancer.state().items() if key != "target")
    if name in GRADIENT:
        assert balancer.told() == {"target": LAM["target"]}


@pytest.mark.parametrize("name", BALANCERS)
def test_without_shared_layers_that_learn_heads_learn_all_the_same(name: str) -> None:
    problem = Problem("conflict")
    problem.shared.values.requires_grad_(False)
    balancer = problem.begin(name)
    used = balancer.backward(problem.losses(), {key: LAM[key] for key in problem.lines}, [])
    for key, head in problem.heads.items():
        assert head.values.grad.item() == pytest.approx(used[key] * problem.known(key)[2])
    assert problem.shared.values.grad is None


@pytest.mark.parametrize("name", BALANCERS)
def test_a_phase_on_one_context_has_its_weight(name: str) -> None:
    problem = Problem("conflict", ("target",))
    balancer = problem.begin(name)
    for _ in range(3):
        assert problem.update(balancer) == pytest.approx({"target": LAM["target"]})
        balancer.epoch()


@pytest.mark.parametrize("name", BALANCERS)
def test_a_weight_of_zero_is_no_context(name: str) -> None:
    problem = Problem("conflict")
    balancer = problem.begin(name)
    for _ in range(3):
        problem.model.zero_grad()
        weights = {"source": 1.0, "target": 0.0}
        used = balancer.backward(problem.losses(), weights, [problem.shared.values])
    assert used["target"] == 0
    assert problem.gradient() == pytest.approx(used["source"] * problem.known("source")[1])
