"""coral: source and target are drawn together until their features vary alike.

Sun & Saenko, Deep CORAL: Correlation Alignment for Deep Domain Adaptation, ECCV 2016 workshops, eq. 1 to 3:
1/(4d²) ‖C_S - C_T‖²_F, with C = (DᵀD - (1ᵀD)ᵀ(1ᵀD)/n) / (n - 1).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from ctx import parts
from ctx.aligning import Aligning

if TYPE_CHECKING:
    from torch import Tensor


class Coral(Aligning):
    """Makes features of source and target texts vary alike: the same spread, the same correlations.

    Labels play no part in it: 1/(4d²) ‖C_S - C_T‖² for the covariances of what the heads read of a batch (Sun &
    Saenko, Deep CORAL, 2016, eq. 1).
    """

    name = "coral"
    title = "Equal covariances (CORAL)"
    adds = MappingProxyType({"weight": "+ {:g} · ‖C_source − C_target‖² / (4d²)"})
    fewest = 2

    class Knobs(Aligning.Knobs):
        """How much it weighs."""

        weight: float = parts.knob(1000.0, "Weight of the distance; d² divides it, so it is large.", log=True, ge=0)

    def terms(self, step: parts.Step) -> dict[str, Tensor]:
        """``covariance``: weighted; nothing in an update without both sides."""
        import torch

        sides = self.sides(step)
        if sides is None:
            return {}
        source, target = (torch.cov(rows.T).reshape(rows.shape[1], rows.shape[1]) for rows in sides)
        return {"covariance": self.knobs.weight * (source - target).square().sum() / (4 * len(source) ** 2)}
