"""source-only: the source alone, scored on the target without having seen its labels (zero-shot)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ctx import parts, plan

if TYPE_CHECKING:
    from ctx.config import RunConfig


class SourceOnly(parts.Schedule):
    """Train on the source alone; the target is only tested (zero-shot).

    The target's labels are never seen, so its score says what carries over by itself: L = L(source).
    """

    name = "source-only"
    title = "Source only"
    uses = frozenset({"source"})

    def phases(self, config: RunConfig, sizes: Mapping[str, int]) -> list[plan.Phase]:
        """One phase on the sources."""
        weights = plan.source_weights(config)
        updates = plan.epoch_updates(max(sizes[key] for key in weights), config)
        return [plan.Phase("source", config.optim.epochs, updates, weights, select_on="source")]
