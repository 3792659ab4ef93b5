"""joint: both contexts in every step, L = L_source + λ·L_target (multi-task learning, Caruana 1997)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ctx import parts, plan

if TYPE_CHECKING:
    from ctx.config import RunConfig


class Joint(parts.Schedule):
    """Train on both at once: L = L_source + λ·L_target."""

    name = "joint"
    title = "Both at once"

    class Knobs(parts.Knobs):
        """The weight of the target."""

        lam: float = parts.knob(0.1, "λ, the weight of the target's loss.", flag="lam", log=True, ge=0, le=1000)

    def canonical(self) -> parts.Choice:
        """λ = 0 is source-only."""
        return super().canonical() if self.knobs.lam else parts.Choice(name="source-only")

    def phases(self, config: RunConfig, sizes: Mapping[str, int]) -> list[plan.Phase]:
        """One phase on all contexts; an epoch is a pass over the largest."""
        weights = plan.source_weights(config) | {"target": plan.constant(self.knobs.lam)}
        updates = plan.epoch_updates(max(sizes[key] for key in weights), config)
        return [plan.Phase("joint", config.optim.epochs, updates, weights, select_on="target")]
