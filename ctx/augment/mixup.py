"""mixup: features of two examples mixed, and their losses alike (Zhang et al., mixup, ICLR 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctx import parts

if TYPE_CHECKING:
    import numpy as np


class Mixup(parts.Augmentation):
    """What the head reads of an example is mixed with that of another in the batch, and their losses alike.

    Zhang et al. 2018, eq. 1 and 2: λ ~ Beta(α, α), one a batch. Of pooled sentences rather than inputs, as in Guo, Mao
    & Zhang, Augmenting Data with Mixup for Sentence Classification, 2019, whose α = 1 is the default.
    """

    name = "mixup"
    title = "Mixup of features"
    applications = ("sentiment",)

    class Knobs(parts.Knobs):
        """How strongly."""

        alpha: float = parts.knob(1.0, "α of Beta(α, α), the share of each: small, mostly one of them.", gt=0, le=10)

    def mix(self, size: int, random: np.random.Generator) -> tuple[np.ndarray, float] | None:
        """A random order of the batch as partners, and λ."""
        return random.permutation(size), float(random.beta(self.knobs.alpha, self.knobs.alpha))
