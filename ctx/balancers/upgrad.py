"""upgrad: Jacobian descent with UPGrad (Quinton & Rey, Jacobian Descent for Multi-Objective Optimization, 2024).

Each context's gradient g of λ·L on all that is shared is projected onto the dual cone of all of them, the directions in
which, to first order, no loss grows (their equation 3); the step is the sum of the projections (the paper has
their mean, K times less: here a step without conflict is the plain one). With two contexts that is what `pcgrad`
does; from three on no order is drawn, and no loss is left in conflict.

torchjd (MIT) weighs the gradients from their products. Its own quadratic solver, which needs GPL packages, is left
out: the projection is a least-squares problem with bounds, which SciPy solves (Lawson & Hanson 1974). What
only one context uses, and the curves, are as with `pcgrad`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from ctx import parts

if TYPE_CHECKING:
    from torch import Tensor, nn

NEEDS = "torchjd>=0.18,<0.19"


class UPGrad(parts.Balancer):
    """Each context's gradient is turned as little as needed so that it harms no other context, then all are added up.

    On what they share a step is Σ π(g), with g the gradient of a context's λ·L and π the projection onto the
    directions d with d·h ≥ 0 for every context's gradient h (Quinton & Rey 2024, equation 3). With two contexts that is
    PCGrad.
    """

    name = "upgrad"
    version = 3
    title = "Jacobian descent (UPGrad)"
    compares = True
    differentiates = True

    @classmethod
    def unfit(cls, facts: parts.Facts) -> str:
        """As for every balancer that reads gradients; and torchjd must be there."""
        if why := super().unfit(facts):
            return why
        try:
            there = version("torchjd")
        except PackageNotFoundError:
            there = ""
        if there.startswith("0.18."):
            return ""
        found = f"and version {there} is installed here" if there else "which is not installed here"
        return f"The balancer upgrad needs torchjd 0.18, {found}: pip install '{NEEDS}', or choose the balancer pcgrad."

    def begin(self, begin: parts.Begin) -> None:
        """It has nothing to keep but the model."""
        self.model = begin.model

    def backward(
        self, losses: Mapping[str, Tensor], weights: Mapping[str, float], shared: Sequence[nn.Parameter]
    ) -> dict[str, float]:
        """A backward pass of each loss, the gradients weighed by torchjd and added."""
        from ctx.balancing import combined

        self.used = combined(self.model, losses, weights, projected)
        return {key: weights[key] for key in losses}


def projected(products: Sequence[Sequence[float]]) -> list[float]:
    """``[K]``, how often each gradient is in the sum of the projected ones, from their products ``[K, K]``."""
    import torch
    from torchjd.aggregation import UPGradWeighting

    gramian = torch.tensor(products, dtype=torch.float64)
    found: list[float] = UPGradWeighting(torch.ones_like(gramian[0]), projector())(gramian).tolist()
    return found


def projector() -> Any:
    """The projection that torchjd's UPGrad asks for, without its solver."""
    import numpy as np
    import torch
    from scipy.optimize import nnls
    from torchjd.linalg import DualConeProjector

    class LeastSquares(DualConeProjector):
        """For each row u of ``[…, K]`` the v ≥ u with the least vᵀGv: with x = v − u ≥ 0, the least ‖R·(x + u)‖²."""

        def __call__(self, U: Any, G: Any) -> Any:
            values, vectors = np.linalg.eigh(G.numpy())
            root = np.sqrt(values.clip(0))[:, None] * vectors.T  # G = rootᵀ·root
            found = [u + nnls(root, -root @ u)[0] for u in U.reshape(-1, len(root)).numpy()]
            return torch.as_tensor(np.array(found)).reshape(U.shape)

    return LeastSquares()
