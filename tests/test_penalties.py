"""Each penalty is its paper's formula: gradients by finite differences in float64, values worked in numpy."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from penalised import (
    BOTH,
    CLASSES,
    TARGET,
    UNREAD,
    WIDTH,
    batch,
    begin,
    check_gradients,
    differences,
    model,
    moved,
    part,
    step,
    total,
    weights,
)
from scipy.special import log_softmax, rel_entr, softmax

from ctx import distance
from ctx.batches import Batch, Encoded
from ctx.parts import Step
from ctx.plan import Phase, constant

JOINT = Phase("joint", 1, 10, {"source": constant(1), "target": constant(1)})


def features(seed: int, rows: int, **more: Any) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(rows, WIDTH, generator=random, dtype=torch.float64, **more)


def of_features(source: torch.Tensor, target: torch.Tensor, progress: float = 0.5) -> Step:
    """An update that gave these features."""
    return Step(model(), progress, BOTH, {"source": source, "target": target}, {}, lambda: (UNREAD, features(9, 7)))


def never() -> tuple[Batch, torch.Tensor]:
    raise AssertionError("further texts were read, and nobody had asked for them")


@pytest.mark.parametrize(
    ("name", "knobs"),
    [
        ("l2sp", {"weight": 0.7, "head": 0.3}),
        ("ewc", {"weight": 3.0}),
        ("distill", {"weight": 0.7, "temperature": 3.0}),
        ("coral", {"weight": 50.0}),
        ("coral", {"weight": 50.0, "texts": "all"}),
        ("mmd", {"weight": 2.0}),
        ("mmd", {"weight": 2.0, "texts": "all"}),
    ],
)
@pytest.mark.parametrize("heads", [("old", "old"), ("old", "new")])
def test_the_gradient_on_every_weight_is_the_finite_difference(
    name: str, knobs: dict[str, Any], heads: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    built, penalty = model(), part(name, **knobs)
    source = {key: p.detach().clone() for key, p in built.named_parameters()}
    aligning = name in ("coral", "mmd")
    started = begin(built, None if aligning else source, heads, JOINT if aligning else None)
    penalty.begin(started)
    batches = BOTH if aligning else TARGET
    total(penalty, step(built, batches, started))  # what it notes of the beginning, it notes now
    moved(built)
    if name == "mmd":  # no gradient goes through the kernels' widths
        monkeypatch.setattr(type(penalty), "_variances", lambda self, squares: [0.2, 0.5, 1.1])
    largest = check_gradients(lambda: total(penalty, step(built, batches, started)), weights(built))
    assert largest > 1e-3


@pytest.mark.parametrize("hidden", [0, 5])
def test_the_discriminator_learns_by_its_gradient_and_the_layers_by_minus_mu_times_it(hidden: int) -> None:
    penalty = part("dann", weight=0.4, hidden=hidden)
    penalty.begin(begin(model()))
    critic: Any = penalty
    critic.critic.double()
    source, target = features(1, 6, requires_grad=True), features(2, 5, requires_grad=True)
    for progress in (0.0, 0.1, 0.5, 1.0):
        seen = of_features(source, target, progress)
        assert check_gradients(lambda seen=seen: total(penalty, seen), list(penalty.parameters())) > 1e-3
        mu = 2 / (1 + math.exp(-10 * progress)) - 1
        assert penalty.told()["mu"] == pytest.approx(mu, abs=1e-12)
        grads = torch.autograd.grad(total(penalty, seen), [source, target])
        for rows, grad in zip((source, target), grads, strict=True):
            forward = differences(lambda seen=seen: total(penalty, seen).item(), rows)
            np.testing.assert_allclose(grad.numpy(), -mu * forward, rtol=1e-6, atol=1e-9)
            assert np.abs(forward).max() > 1e-3


def test_the_discriminators_loss_and_accuracy_are_those_of_a_logistic_classifier() -> None:
    penalty = part("dann", weight=0.5, hidden=0)
    penalty.begin(begin(model()))
    weight, bias = (p.detach().double().numpy() for p in penalty.parameters())
    source, target = features(1, 6), features(2, 4)
    found = penalty.terms(of_features(source.float(), target.float()))
    p, q = (1 / (1 + np.exp(-(x.numpy() @ weight[0] + bias[0]))) for x in (source, target))
    assert found["domain"].item() == pytest.approx(0.5 * (-np.log(1 - p).mean() - np.log(q).mean()), rel=1e-5)
    assert penalty.told()["accuracy"] == pytest.approx(((p < 0.5).mean() + (q > 0.5).mean()) / 2)


def test_coral_is_the_papers_distance_of_covariances() -> None:
    source, target = features(1, 6), features(2, 5)
    found = part("coral", weight=8.0).terms(of_features(source, target))

    def covariance(d: np.ndarray) -> np.ndarray:
        n, one = len(d), np.ones((1, len(d)))
        return (d.T @ d - (one @ d).T @ (one @ d) / n) / (n - 1)

    apart = ((covariance(source.numpy()) - covariance(target.numpy())) ** 2).sum()
    assert found["covariance"].item() == pytest.approx(8.0 * apart / (4 * WIDTH**2), rel=1e-12)
    same = part("coral").terms(of_features(source, source + 3))
    assert same["covariance"].item() == pytest.approx(0, abs=1e-12)


def test_mmd_is_the_unbiased_estimate_pair_by_pair() -> None:
    source, target = features(1, 6), 0.5 * features(2, 5) + 1
    found = part("mmd", weight=3.0, kernels=3).terms(of_features(source, target))
    x, y = source.numpy(), target.numpy()
    every = [((a - b) ** 2).sum() for a, b in itertools.combinations([*x, *y], 2)]
    assert len(every) % 2 == 1, "the median is one of them"
    median = np.median(every)

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.mean([np.exp(-((a - b) ** 2).sum() / (2 * median * times)) for times in (0.5, 1, 2)]))

    own = np.mean([k(a, b) for a, b in itertools.permutations(x, 2)])
    other = np.mean([k(a, b) for a, b in itertools.permutations(y, 2)])
    cross = np.mean([k(a, b) for a, b in itertools.product(x, y)])
    assert found["distance"].item() == pytest.approx(3 * (own + other - 2 * cross), rel=1e-9)


def test_mmd_with_one_kernel_is_the_distance_that_a_pair_of_contexts_has() -> None:
    source, target = features(1, 6), features(2, 5)
    found = part("mmd", weight=1.0, kernels=1).terms(of_features(source, target))
    kernel = distance.rbf(distance.squared_distances(np.concatenate([source.numpy(), target.numpy()])))
    assert found["distance"].item() == pytest.approx(distance.mmd(kernel, 6), rel=1e-9)


def test_ewc_is_half_lambda_times_the_squared_way_weighed_by_squared_gradients() -> None:
    built = model()
    penalty: Any = part("ewc", weight=6.0, examples=4)
    given = {name: p.detach().clone() for name, p in built.named_parameters()}
    started = begin(built, given, ("old", "new"))
    penalty.begin(started)
    penalty.terms(step(built, TARGET, started))  # F is of the weights handed over
    moved(built)
    found = total(penalty, step(built, TARGET, started)).item()

    w, b = given["blocks.layer1.inner.0.weight"].numpy(), given["blocks.layer1.inner.0.bias"].numpy()
    v, c = given["heads.old.linear.weight"].numpy(), given["heads.old.linear.bias"].numpy()
    squares = {name: np.zeros(p.shape) for name, p in given.items()}
    for x, label in zip(batch(1).inputs.numpy()[:4], batch(1).targets.numpy()[:4], strict=True):
        h = np.tanh(w @ x + b)
        wrong = softmax(v @ h + c) - np.eye(CLASSES)[label]  # the gradient of cross-entropy on the logits
        below = (v.T @ wrong) * (1 - h**2)
        for name, grad in {
            "heads.old.linear.weight": np.outer(wrong, h),
            "heads.old.linear.bias": wrong,
            "blocks.layer1.inner.0.weight": np.outer(below, x),
            "blocks.layer1.inner.0.bias": below,
        }.items():
            squares[name] += grad**2 / 4
    now = {name: p.detach().numpy() for name, p in built.named_parameters()}
    matters = {name: one.importance().numpy() for name, one in penalty.held.items()}
    want = 3.0 * sum((matters[name] * (now[name] - given[name].numpy()) ** 2).sum() for name in now)
    assert found == pytest.approx(want, rel=1e-10)
    for name in now:  # kept to three bits, computed to the last
        np.testing.assert_allclose(matters[name], squares[name], rtol=1 / 16, atol=0)
    penalty.begin(started)
    with penalty.start.back(built, gradients=True):
        for name, exact in penalty._importance(dict(built.named_parameters())).items():
            np.testing.assert_allclose(exact.numpy(), squares[name], rtol=1e-10, atol=0)


@pytest.mark.parametrize("own", ["old", "new"])
def test_distill_is_the_divergence_from_what_the_handed_over_weights_answer(own: str) -> None:
    built, penalty = model(), part("distill", weight=0.5, temperature=3.0)
    given = {name: p.detach().clone() for name, p in built.named_parameters()}
    started = begin(built, given, ("old", own))
    penalty.begin(started)
    moved(built)
    found = penalty.terms(step(built, TARGET, started))

    def answers(w: dict[str, np.ndarray]) -> np.ndarray:
        x = TARGET["target"].inputs.numpy()
        h = np.tanh(x @ w["blocks.layer1.inner.0.weight"].T + w["blocks.layer1.inner.0.bias"])
        return h @ w["heads.old.linear.weight"].T + w["heads.old.linear.bias"]

    now = {name: p.detach().numpy() for name, p in built.named_parameters()}
    then = softmax(answers({name: p.numpy() for name, p in given.items()}) / 3, axis=1)
    q = np.exp(log_softmax(answers(now) / 3, axis=1))
    assert found["teacher"].item() == pytest.approx(0.5 * 9 * rel_entr(then, q).sum(1).mean(), rel=1e-10)
    after = dict(built.named_parameters())
    assert all(np.array_equal(after[name].detach().numpy(), value) for name, value in now.items())
    penalty.terms(step(built, TARGET, started))
    assert started.answers.memo.computed == len(TARGET["target"])  # a text is asked once


@pytest.mark.parametrize("name", ["dann", "coral", "mmd"])
def test_a_text_of_many_states_counts_as_the_mean_of_its_real_ones(name: str) -> None:
    penalty = part(name)
    penalty.begin(begin(model()))
    random = np.random.default_rng(0)
    lengths = {"source": [3, 8, 5], "target": [2, 7]}
    batches, hidden, pooled = {}, {}, {}
    for key, counts in lengths.items():
        ids = [np.ones(n, np.int64) for n in counts]
        found = Encoded(key, [], ids, np.zeros(len(ids)), np.zeros(len(ids)), np.asarray(counts), True)
        batches[key] = found.batch(np.arange(len(ids)))
        states = random.normal(size=(len(ids), 8, WIDTH)).astype(np.float32)
        hidden[key] = torch.from_numpy(states).requires_grad_()
        means = [row[:n].mean(0) for row, n in zip(states, counts, strict=True)]
        pooled[key] = torch.from_numpy(np.stack(means))
    tokens = total(penalty, Step(model(), 0.5, batches, hidden, {}, never))
    means_alone = total(penalty, Step(model(), 0.5, batches, pooled, {}, never))
    assert tokens.item() == pytest.approx(means_alone.item(), rel=1e-5)
    for key, grad in zip(hidden, torch.autograd.grad(tokens, list(hidden.values())), strict=True):
        padding = ~batches[key].mask
        assert not grad[padding].any()
        assert grad[~padding].any()


@pytest.mark.parametrize("name", ["dann", "coral", "mmd"])
@pytest.mark.parametrize("there", ["source", "target"])
def test_an_update_without_both_sides_has_no_term(name: str, there: str) -> None:
    penalty = part(name)
    penalty.begin(begin(model()))
    assert penalty.terms(Step(model(), 0.5, {there: BOTH[there]}, {there: features(1, 6)}, {}, never)) == {}
    assert penalty.told() == {}


@pytest.mark.parametrize("name", ["ewc", "distill"])
def test_in_the_first_phase_and_after_a_fresh_start_there_is_nothing_to_guard(name: str) -> None:
    built = model()
    given = {key: p.detach().clone() for key, p in built.named_parameters()}
    fresh = Phase("target", 1, 10, {"target": constant(1)}, fresh=True)
    for started in (begin(built), begin(built, given, phase=fresh), begin(built, given, phase=JOINT)):
        penalty = part(name)
        penalty.begin(started)
        assert penalty.terms(step(built, BOTH, started)) == {}
        assert penalty.state() == {}


@pytest.mark.parametrize("name", ["dann", "coral", "mmd"])
def test_texts_without_labels_take_the_place_of_the_targets_own(name: str) -> None:
    own, every = part(name), part(name, texts="all")
    for one in (own, every):
        one.begin(begin(model()))
    if name == "dann":
        every.load(own.state())
        for one in (own, every):
            any_critic: Any = one
            any_critic.critic.double()
    source, target, unread = features(1, 6), features(2, 5), features(9, 7)
    assert (own.unread, every.unread) == (False, True)
    found = total(every, of_features(source, target)).item()
    assert found == pytest.approx(total(own, of_features(source, unread)).item(), rel=1e-12)
    assert found != total(own, of_features(source, target)).item()
