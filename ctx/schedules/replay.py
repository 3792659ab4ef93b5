"""replay: sequential, but the source comes back now and then while the target is trained, against forgetting.

Rehearsal (Robins 1995, "Catastrophic forgetting, rehearsal and pseudorehearsal"), as experience replay mixes it into
the batches (Chaudhry et al. 2019, "On tiny episodic memories in continual learning", algorithm 1): a step of the second
phase minimises L_target + weight·L_source where it takes a batch of the source, and L_target alone where it doesn't.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ctx import parts, plan

if TYPE_CHECKING:
    from ctx.config import RunConfig


class Replay(parts.Schedule):
    """Train on the source, then on the target with some batches of the source among it: against forgetting.

    A step of the second phase minimises L(target) + weight·L(source) where it takes a batch of the source, and
    L(target) alone where it doesn't (Robins 1995; Chaudhry et al. 2019).
    """

    name = "replay"
    title = "One after the other, the source replayed"

    class Knobs(parts.Knobs):
        """How often the source comes back, and how much it weighs then."""

        share: float = parts.knob(
            0.25, "Share of the target phase's steps that also take a batch of the source: how often.", ge=0, le=1
        )
        weight: float = parts.knob(
            1.0, "The weight of the source's loss in those steps: how much.", log=True, gt=0, le=1000
        )

    def idle(self) -> dict[str, str]:
        """What never comes back weighs nothing."""
        return {} if self.knobs.share else {"weight": "The share is 0: the source never comes back."}

    def canonical(self, sources: int) -> parts.Choice:
        """Nothing replayed is sequential."""
        return super().canonical(sources) if self.knobs.share else parts.Choice(name="sequential")

    def phases(self, config: RunConfig, sizes: Mapping[str, int]) -> list[plan.Phase]:
        """A phase on the sources, then one whose epochs are passes over the target; each with all epochs."""
        sources, epochs, share = plan.source_weights(config), config.optim.epochs, self.knobs.share
        first = plan.pass_updates(sources, sizes, config, {})
        second = plan.epoch_updates(sizes["target"], config)
        weights = {"target": plan.constant(1)}
        if share:
            weights = {key: plan.constant(self.knobs.weight * weight(0.0)) for key, weight in sources.items()} | weights
        shares = dict.fromkeys(sources, share) if 0 < share < 1 else {}
        return [
            plan.Phase("source", epochs, first, sources, select_on="source"),
            plan.Phase("target", epochs, second, weights, select_on="target", shares=shares),
        ]
