"""target-only: the target alone, the baseline of every comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ctx import parts, plan

if TYPE_CHECKING:
    from ctx.config import RunConfig


class TargetOnly(parts.Schedule):
    """Train on the target alone.

    Its own labels and nothing else, which every transfer has to beat: L = L(target).
    """

    name = "target-only"
    title = "Target only"
    uses = frozenset({"target"})

    class Knobs(parts.Knobs):
        """`updates` keeps a comparison fair: as many target updates as the arm that also had a source."""

        updates: int | None = parts.knob(None, "Updates in an epoch; empty: a pass over the target.", ge=1)

    def phases(self, config: RunConfig, sizes: Mapping[str, int]) -> list[plan.Phase]:
        """One phase on the target."""
        updates = self.knobs.updates or plan.epoch_updates(sizes["target"], config)
        return [plan.Phase("target", config.optim.epochs, updates, {"target": plan.constant(1)}, select_on="target")]
