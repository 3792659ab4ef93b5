"""dwa: dynamic weight average (Liu, Johns & Davison, End-to-End Multi-Task Learning with Attention, CVPR 2019).

With L(t) the mean loss of a context over the updates of epoch t, equation 7 gives each of K contexts the weight

    K·exp(r / T) / Σ exp(r / T),  r = L(t − 1) / L(t − 2)

in epoch t, r = 1 in the first two. It stands before λ: a context weighs λ times it. Epochs in which a context had no
batch are left out for it. Phases have nothing to do with each other: each begins with r = 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp
from typing import TYPE_CHECKING

from ctx import parts

if TYPE_CHECKING:
    from torch import Tensor, nn

FEWEST = 3  # epochs: with two, no weight ever changes


class Dwa(parts.Balancer):
    """A context whose loss fell less from one epoch to the next weighs more in the one after.

    The weights of K contexts are K·exp(r/T) / Σ exp(r/T), times λ, r being how much of the loss was left: the mean of
    one epoch over that of the epoch before (Liu, Johns & Davison 2019, equation 7).
    """

    name = "dwa"
    title = "Dynamic weight average"
    makes = "w{n} · {}"
    compares = True

    class Knobs(parts.Knobs):
        """How even the weights are."""

        temperature: float = parts.knob(
            2.0, "T: the higher, the more alike the weights of all contexts.", ge=0.05, le=100, log=True
        )

    @classmethod
    def unfit(cls, facts: parts.Facts) -> str:
        """There must be an epoch after two whose losses can be compared."""
        if facts.together and facts.epochs < FEWEST:
            return (
                f"The balancer dwa sets weights by how losses fell from one epoch to the next, from epoch {FEWEST} on, "
                f"and epochs is {facts.epochs}: choose at least {FEWEST} epochs, or the balancer fixed."
            )
        return super().unfit(facts)

    def begin(self, begin: parts.Begin) -> None:
        """No epoch has been yet."""
        keys = begin.phase.weights
        self.running = dict.fromkeys(keys, (0.0, 0))  # the sum of an epoch's losses, and how many
        self.means: dict[str, list[float]] = {key: [] for key in keys}  # of the last two epochs, the older first

    def epoch(self) -> None:
        """An epoch is over: its mean losses count from now on."""
        for key, (total, count) in self.running.items():
            if count:
                self.means[key] = [*self.means[key][-1:], total / count]
            self.running[key] = (0.0, 0)

    def _weights(self) -> dict[str, float]:
        left = {key: two[1] / two[0] if len(two) == 2 and two[0] else 1.0 for key, two in self.means.items()}
        most = max(left.values())
        powers = {key: exp((one - most) / self.knobs.temperature) for key, one in left.items()}
        scale = len(powers) / sum(powers.values())
        return {key: scale * power for key, power in powers.items()}

    def backward(
        self, losses: Mapping[str, Tensor], weights: Mapping[str, float], shared: Sequence[nn.Parameter]
    ) -> dict[str, float]:
        """One backward pass of the weighted sum."""
        from ctx.balancing import summed

        own = self._weights()
        self.used = {key: weights[key] * own[key] for key in losses}
        summed(losses, self.used).backward()
        for key, loss in losses.items():
            total, count = self.running[key]
            self.running[key] = total + loss.item(), count + 1
        return dict(self.used)

    def state(self) -> dict[str, Tensor]:
        """``[2 to 4]`` a context: the epoch's sum and count so far, then the means of those before."""
        import torch

        return {
            key: torch.tensor([*self.running[key], *means], dtype=torch.float64) for key, means in self.means.items()
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""
        for key in self.means:
            total, count, *means = state[key].tolist()
            self.running[key], self.means[key] = (total, int(count)), means
