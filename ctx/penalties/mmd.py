"""mmd: source and target are drawn together until a kernel can't tell their features apart.

Gretton et al., A Kernel Two-Sample Test, JMLR 2012, eq. 3 (unbiased); as a penalty Long et al., Learning Transferable
Features with Deep Adaptation Networks, ICML 2015, several Gaussian kernels averaged. σ is the median distance of two
texts of the update (Gretton et al. 2012, section 8), no gradient through it; the kernels' variances are σ² times powers
of two.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from ctx import parts
from ctx.aligning import Aligning

if TYPE_CHECKING:
    from torch import Tensor


class Mmd(Aligning):
    """Makes features of source and target texts look as if drawn from one distribution: near zero, no kernel sees two.

    Labels play no part in it: mean k(s, s') + mean k(t, t') - 2 mean k(s, t) with Gaussian kernels k (Gretton et al.,
    JMLR 2012, eq. 3; Long et al., ICML 2015).
    """

    name = "mmd"
    title = "Equal distributions (MMD)"
    adds = MappingProxyType({"weight": "+ {:g} · MMD²(source, target)"})
    fewest = 2

    class Knobs(Aligning.Knobs):
        """How much it weighs, and what it sees."""

        weight: float = parts.knob(1.0, "Weight of the squared distance.", log=True, ge=0)
        kernels: int = parts.knob(
            5,
            "How many kernels, each with twice the variance of the last, around the median distance of two texts.",
            ge=1,
            le=15,
        )

    def terms(self, step: parts.Step) -> dict[str, Tensor]:
        """``distance``: weighted, may be a little below zero; nothing in an update without both sides."""
        import torch

        sides = self.sides(step)
        if sides is None:
            return {}
        rows, n = torch.cat(sides), len(sides[0])
        norms = rows.square().sum(1)
        squares = (norms[:, None] + norms[None] - 2 * rows @ rows.T).clamp(min=0)
        kernel = torch.stack([(-squares / (2 * variance)).exp() for variance in self._variances(squares)]).mean(0)
        own, other, cross = kernel[:n, :n], kernel[n:, n:], kernel[:n, n:]
        return {"distance": self.knobs.weight * (_apart(own) + _apart(other) - 2 * cross.mean())}

    def _variances(self, squares: Tensor) -> list[float]:
        """σ² times powers of two around 1, for the squared distances ``[N, N]``; σ = 1 where all texts are alike."""
        import torch

        n = len(squares)
        median = float(squares.detach()[tuple(torch.triu_indices(n, n, 1))].median()) or 1.0
        return [median * 2.0 ** (k - self.knobs.kernels // 2) for k in range(self.knobs.kernels)]


def _apart(kernel: Tensor) -> Tensor:
    """The mean over pairs of different texts."""
    n = len(kernel)
    return (kernel.sum() - kernel.trace()) / (n * (n - 1))
