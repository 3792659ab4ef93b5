"""Everything about a run that doesn't change while it trains: its data, its parts, its plan."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ctx.augmented import Batches
from ctx.batches import ContextRows, rows_of
from ctx.config import RunConfig
from ctx.model import weights_name
from ctx.parts import Backbone, Tuning
from ctx.registry import make


def deterministic() -> None:
    """The same numbers to the bit each time, without clearing memory that is written anyway."""
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


class Setup:
    """The fixed side of one run. ``config`` is canonical."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.task = config.task()
        self.backbone: Backbone = make("backbones", config.backbone)
        chosen = config.contexts()
        self.rows: dict[str, ContextRows] = {
            key: rows_of(config, choice, self.backbone, self.task) for key, choice in chosen.items()
        }
        self.tuning: Tuning = make("tunings", config.tuning)
        self.weights = weights_name(config)  # what the frozen blocks hold at the start
        layers = self.backbone.layers()
        if self.tuning.unchanged(layers) < self.tuning.frozen(layers):
            self.weights += config.tuning.model_dump_json()
        self.unchanged = self._unchanged()
        sizes = {key: len(rows.learn) for key, rows in self.rows.items()}
        self.phases = make("schedules", config.schedule).phases(config, sizes)
        self.steps: int = sum(phase.epochs * phase.updates for phase in self.phases)
        self.samplers = {key: rows.sampler(config, key) for key, rows in self.rows.items()}
        self.batches = {key: Batches(config, key, rows, self.backbone, self.task) for key, rows in self.rows.items()}
        self.class_weights = {key: self._class_weights(rows) for key, rows in self.rows.items()}

    def _unchanged(self) -> int:
        """How many of the lowest blocks begin with these weights, the read-out, which has none, with the last."""
        if self.tuning.changes_model():
            return 0
        layers = self.backbone.layers()
        found = self.tuning.unchanged(layers)
        return found + (found == layers + 1)

    def trained_on(self) -> set[str]:
        """The contexts that some phase trains on."""
        return {key for phase in self.phases for key in phase.weights}

    def _class_weights(self, rows: ContextRows) -> Tensor | None:
        """``[C]``, each class by one over its share of the learning labels; None where that is off."""
        classes = self.task.classes(rows.context.labels)
        if not self.config.optim.class_balanced or not classes:
            return None
        labels = self.task.counted(rows.encoded.targets[rows.learn])
        counts = np.bincount(labels[labels >= 0], minlength=classes)
        return torch.from_numpy(counts.sum() / (len(counts) * np.maximum(counts, 1))).float()
