"""joint: both contexts in every step, L = L_source + λ·L_target (multi-task learning, Caruana 1997).

λ may go from one value to another while it trains, and a context may have a share of the batches only: the weight of a
loss and how often it is looked at are two things.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ctx import parts, plan
from ctx.errors import BadInput

if TYPE_CHECKING:
    from ctx.config import RunConfig


class Joint(parts.Schedule):
    """Train on both at once: L = L(source) + λ·L(target).

    What they share is learnt from both, and λ is the weight of the target's loss (multi-task learning, Caruana 1997).
    """

    name = "joint"
    title = "Both at once"

    class Knobs(parts.Knobs):
        """The weight of the target, and how often each side is looked at."""

        lam: float = parts.knob(
            0.1, "λ, the weight of the target's loss; at the end, where it varies.", flag="lam", log=True, ge=0, le=1000
        )
        shape: plan.Shape = parts.knob(
            "constant", "How λ goes while it trains: constant, linear, cosine (slow, fast, slow), or in one step."
        )
        lam_from: float = parts.knob(0.0, "λ at the beginning, where it varies.", log=True, ge=0, le=1000)
        switch: float = parts.knob(0.5, "The share of the training after which λ makes its one step.", gt=0, lt=1)
        target_share: float = parts.knob(
            1.0, "Share of the steps that take a batch of the target: how often, not how much.", ge=0.01, le=1
        )
        source_share: float = parts.knob(
            1.0, "Share of the steps that take a batch of each source: how often, not how much.", ge=0.01, le=1
        )

    def idle(self) -> dict[str, str]:
        """Where λ begins means nothing while it stays as it is, and only a step has a moment."""
        knobs = self.knobs
        found = {} if knobs.shape == "step" else {"switch": "Only the shape “step” jumps: choose it first."}
        return found | (
            {"lam_from": "With the shape “constant” λ stays as it is: choose another shape first."}
            if knobs.shape == "constant"
            else {}
        )

    def check(self, config: RunConfig) -> None:
        """Every update has a batch."""
        if self.knobs.target_share < 1 and self.knobs.source_share < 1:
            raise BadInput(
                f"target-share is {self.knobs.target_share:g} and source-share {self.knobs.source_share:g}: some steps "
                "would have no batch at all; leave one of them at 1."
            )

    def canonical(self, sources: int) -> parts.Choice:
        """λ = 0 throughout is source-only; a λ that ends where it begins is constant."""
        return self.plain() if self.knobs.lam or not self._constant() else parts.Choice(name="source-only")

    def plain(self) -> parts.Choice:
        """Itself, without what says how λ goes where it stays as it is."""
        if not self._constant():
            return super().plain()
        kept = self.knobs.model_dump(exclude={"shape", "lam_from", "switch"})
        return parts.Choice(name=self.name, knobs=kept)

    def _constant(self) -> bool:
        return bool(self.knobs.shape == "constant" or self.knobs.lam_from == self.knobs.lam)

    def phases(self, config: RunConfig, sizes: Mapping[str, int]) -> list[plan.Phase]:
        """One phase on all contexts; an epoch is a pass over the largest."""
        knobs = self.knobs
        lam = plan.Ramp(knobs.lam_from, knobs.lam, knobs.shape, knobs.switch)
        weights = plan.source_weights(config) | {"target": lam}
        each = {key: knobs.target_share if key == "target" else knobs.source_share for key in weights}
        shares = {key: share for key, share in each.items() if share < 1}
        updates = plan.pass_updates(weights, sizes, config, shares)
        return [plan.Phase("joint", config.optim.epochs, updates, weights, select_on="target", shares=shares)]
