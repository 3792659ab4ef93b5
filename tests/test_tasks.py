"""Metrics against scikit-learn, floors against the constant answer, the lesson against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics
from sklearn.dummy import DummyClassifier

from ctx import data
from ctx.config import ContextChoice
from ctx.metrics import confusion, per_class
from ctx.parts import Example
from ctx.tasks.classification import Classification
from ctx.tasks.regression import Regression


@pytest.mark.parametrize("classes", [2, 5])
def test_classification_metrics_are_scikit_learns(classes: int) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(200, classes)).astype(np.float32)
    targets = random.integers(0, classes, 200)
    found = Classification().evaluate(logits, targets)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(targets, logits.argmax(1)))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(targets, logits.argmax(1), average="macro"))
    assert found["loss"] == pytest.approx(metrics.log_loss(targets, shares), rel=1e-5)


def test_precision_recall_and_f1_by_class_are_scikit_learns_also_where_a_class_is_never_predicted() -> None:
    targets, predicted = np.array([0, 0, 1, 1, 2, 2, 2]), np.array([0, 1, 1, 1, 0, 1, 1])
    rows = per_class(confusion(predicted, targets, 3))
    expected = metrics.precision_recall_fscore_support(targets, predicted, labels=[0, 1, 2], zero_division=0)
    for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        assert [row[name] for row in rows] == pytest.approx(values.tolist())


def test_the_floor_of_classification_is_always_the_most_frequent_label() -> None:
    train, test = np.array([0, 1, 1, 1]), np.array([0, 0, 1, 0, 1])
    learn, rows = ([Example(str(n), "", "ab"[y], "") for n, y in enumerate(labels)] for labels in (train, test))
    found = Classification().floor(learn, rows, ("a", "b"))
    assert Classification().constant(train, test) == found["loss"]
    dummy = DummyClassifier(strategy="most_frequent").fit(train[:, None], train).predict(test[:, None])
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(test, dummy))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(test, dummy, average="macro"))


def test_regression_metrics_are_scikit_learns_and_its_floor_is_the_mean() -> None:
    random = np.random.default_rng(0)
    train, test, outputs = (random.normal(size=(n, 10)) for n in (30, 50, 50))
    found = Regression().evaluate(outputs, test)
    assert found["mse"] == pytest.approx(metrics.mean_squared_error(test, outputs))
    assert found["r2"] == pytest.approx(metrics.r2_score(test, outputs))
    learn, rows = ([Example(str(n), (), list(y), "") for n, y in enumerate(answers)] for answers in (train, test))
    assert Regression().floor(learn, rows, ())["mse"] == pytest.approx(((test - train.mean(0)) ** 2).mean())


@pytest.mark.parametrize("relatedness", [1.0, 0.5, 0.0, -0.5, -1.0])
def test_teachers_correlate_as_much_as_the_knob_says(relatedness: float) -> None:
    from ctx.contexts.lesson import Base, Relative

    inputs = np.random.default_rng(5).normal(size=(4000, 10))
    base = Base().outputs(inputs)
    relative = Relative(Relative.Knobs(relatedness=relatedness)).outputs(inputs)
    found = [np.corrcoef(a, b)[0, 1] for a, b in zip(base.T, relative.T, strict=True)]
    assert np.mean(found) == pytest.approx(relatedness, abs=0.08)
    if abs(relatedness) == 1:
        assert np.allclose(relative, relatedness * base)


def test_noise_has_nothing_to_do_with_its_inputs() -> None:
    splits = data.splits(ContextChoice(id="lesson/noise"))
    rows = [*splits.train, *splits.validation, *splits.test]
    x, y = (np.array([getattr(row, name) for row in rows]) for name in ("input", "output"))
    assert np.abs(np.corrcoef(x.T, y.T)[:10, 10:]).max() < 0.12
