"""uncertainty: weights from learnt variances (Kendall, Gal & Cipolla, Multi-Task Learning Using Uncertainty, 2018).

Each context has a log-variance s = log σ². Their equations 7 and 10 add up, for a loss L times its λ, to

    classification, tagging, texts:  exp(−s)·λ·L + s/2
    regression (mean squared error):  ½·exp(−s)·λ·L + s/2

λ multiplies the loss first, so that it says where the weight begins: given time, s follows −log λ and undoes it. s is
learnt by an Adam of its own (`ctx.balancing.Learnt`), from 0 anew in every phase; a phase on one context has its λ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp
from typing import TYPE_CHECKING

from ctx import parts

if TYPE_CHECKING:
    from torch import Tensor, nn

BOUNDS = -20.0, 20.0  # of s: weights from 2e-9 to 5e8


class Uncertainty(parts.Balancer):
    """Each context's weight is learnt: the lower its loss has become, the more it weighs.

    It asks how much noise σ² each context's answers hold, and divides its loss by it: Σ exp(−s)·λ·L + s/2, s = log σ²,
    half the first part where numbers are predicted (Kendall, Gal & Cipolla 2018).
    """

    name = "uncertainty"
    title = "Learnt uncertainty"
    makes = "w{n} · {} − ½·log w{n}"
    undoes = True
    compares = True

    class Knobs(parts.Knobs):
        """How fast it learns."""

        rate: float = parts.knob(0.01, "Learning rate of the log-variances s.", gt=0, le=0.1, log=True)

    def begin(self, begin: parts.Begin) -> None:
        """All variances are 1 again."""
        from ctx.balancing import Learnt

        keys = list(begin.phase.weights)
        self.alone = len(keys) < 2
        self.factor = 0.5 if begin.task == "regression" else 1.0
        self.learnt = Learnt(keys, 0.0, self.knobs.rate, BOUNDS)

    def backward(
        self, losses: Mapping[str, Tensor], weights: Mapping[str, float], shared: Sequence[nn.Parameter]
    ) -> dict[str, float]:
        """One backward pass of the weighted sum, and a step of every s along ½ − exp(−s)·λ·L."""
        from ctx.balancing import summed

        s = self.learnt.values
        self.used = {key: weights[key] if self.alone else self.factor * exp(-s[key]) * weights[key] for key in losses}
        self.beside = 0.0 if self.alone else sum(s[key] / 2 for key in losses if weights[key] > 0)
        summed(losses, self.used).backward()
        if not self.alone:
            self.learnt.step({k: 0.5 - self.used[k] * loss.item() for k, loss in losses.items() if weights[k] > 0})
        return dict(self.used)

    def state(self) -> dict[str, Tensor]:
        """Each s and its moments."""
        return self.learnt.state()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""
        self.learnt.load(state)
