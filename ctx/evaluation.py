"""Looking at a model: outputs on many rows, and the results of a finished run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ctx.batches import Batch, ContextRows, Encoded
from ctx.parts import Task

FIRST, CURVE, BATCH = 150, 500, 128  # validation examples before training and at each epoch; rows a forward pass


def some(rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many rows, spread evenly."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(int)]


def outputs(forward: Callable[[Batch], Tensor], encoded: Encoded, rows: np.ndarray) -> np.ndarray:
    """``forward`` over batches of like length; float32 ``[N, …]`` in the order of ``rows``."""
    order = np.argsort(encoded.lengths[rows], kind="stable")
    with torch.inference_mode():
        chunks = [forward(encoded.batch(rows[order[i : i + BATCH]])).numpy() for i in range(0, len(rows), BATCH)]
    found = np.concatenate(chunks)
    out = np.empty_like(found)
    out[order] = found
    return out


def results(
    task: Task, rows: Mapping[str, ContextRows], outputs: Mapping[str, np.ndarray], used: Collection[str]
) -> dict[str, Any]:
    """Test metrics, floors, confusion counts and labels used, by context. ``used``: the contexts trained on."""
    final: dict[str, Any] = {"metrics": {}, "floor": {}, "labels_used": {}}
    for key, context in rows.items():
        targets = context.encoded.targets
        test, logits = targets[context.test], outputs[f"test/{key}"]
        final["metrics"][key] = task.evaluate(logits, test)
        final["floor"][key] = task.floor(targets[context.learn], test)
        final["labels_used"][key] = len(context.learn) + len(context.select) if key in used else 0
        for name, value in task.details(logits, test).items():
            final.setdefault(name, {})[key] = value
    final["metrics"] = {"source": None, "target": None} | final["metrics"]
    return final
