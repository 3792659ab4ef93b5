"""Counts and rates that tasks and pages share. No torch."""

from __future__ import annotations

import numpy as np


def confusion(predicted: np.ndarray, targets: np.ndarray, classes: int) -> np.ndarray:
    """Counts ``[C, C]``: row the true label, column the predicted one."""
    return np.bincount(targets * classes + predicted, minlength=classes**2).reshape(classes, classes)


def per_class(counts: np.ndarray) -> list[dict[str, float]]:
    """Precision, recall, F1 and support of each class; 0 where nothing was predicted or there."""
    rows = []
    for i in range(len(counts)):
        hit, predicted, there = float(counts[i, i]), float(counts[:, i].sum()), float(counts[i].sum())
        precision, recall = hit / predicted if predicted else 0.0, hit / there if there else 0.0
        f1 = 2 * hit / (predicted + there) if predicted + there else 0.0
        rows.append({"precision": precision, "recall": recall, "f1": f1, "support": there})
    return rows
