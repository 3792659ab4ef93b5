"""sequential: first the source, then its weights go on to the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ctx import parts, plan

if TYPE_CHECKING:
    from ctx.config import RunConfig


class Sequential(parts.Schedule):
    """Train on the source, hand the weights over, train on the target (fine-tuning).

    What learns goes on from where the source left it: L = L(source), then L = L(target) (Howard & Ruder 2018).
    """

    name = "sequential"
    title = "One after the other"

    class Knobs(parts.Knobs):
        """What the hand-over passes on."""

        copy_weights: bool = parts.knob(
            True, "Copy the source's weights into the target's model; off shows what a forgotten copy costs."
        )

    def phases(self, config: RunConfig, sizes: Mapping[str, int]) -> list[plan.Phase]:
        """A phase on the sources, a phase on the target, each with all epochs."""
        weights = plan.source_weights(config)
        epochs = config.optim.epochs
        first = plan.epoch_updates(max(sizes[key] for key in weights), config)
        second = plan.epoch_updates(sizes["target"], config)
        return [
            plan.Phase("source", epochs, first, weights, select_on="source"),
            plan.Phase(
                "target",
                epochs,
                second,
                {"target": plan.constant(1)},
                select_on="target",
                fresh=not self.knobs.copy_weights,
            ),
        ]
