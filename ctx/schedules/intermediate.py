"""intermediate: one source after the other in the order given, then the target (STILTs, Phang et al. 2018).

"Sentence encoders on STILTs: supplementary training on intermediate labeled-data tasks": the weights kept of each phase
go on to the next, optimiser and warm-up begin again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ctx import parts, plan
from ctx.errors import BadInput

if TYPE_CHECKING:
    from ctx.config import RunConfig


class Intermediate(parts.Schedule):
    """Train on each source in the order given, then on the target: a big task first, a near one between (STILTs).

    Each hands its weights on to the next: L = L(first source), then L = L(second source), and so on, then L = L(target)
    (Phang, Févry & Bowman 2018).
    """

    name = "intermediate"
    title = "Several sources in a row"

    def check(self, config: RunConfig) -> None:
        """A source that has a phase to itself has no weight beside others."""
        weighted = next((source for source in config.sources if source.weight != 1), None)
        if weighted:
            raise BadInput(
                f"{weighted.id} has the weight {weighted.weight:g}, and the schedule intermediate trains on one source "
                "at a time: leave the weight out, or choose joint."
            )

    def canonical(self, sources: int) -> parts.Choice:
        """With one source it is sequential."""
        return super().canonical(sources) if sources > 1 else parts.Choice(name="sequential")

    def phases(self, config: RunConfig, sizes: Mapping[str, int]) -> list[plan.Phase]:
        """A phase a context, each with all epochs, as a pass over it."""
        return [
            plan.Phase(
                key,
                config.optim.epochs,
                plan.epoch_updates(sizes[key], config),
                {key: plan.constant(1)},
                select_on=key,
            )
            for key in config.contexts()
        ]
