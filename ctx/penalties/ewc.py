"""ewc: weights that mattered to earlier contexts are held more firmly than others.

Kirkpatrick et al., Overcoming catastrophic forgetting in neural networks, PNAS 2017, eq. 3:
L(θ) = L_B(θ) + Σ λ/2 F_i (θ_i - θ*_A,i)². F is the diagonal of the empirical Fisher matrix at the weights handed over:
the mean over labelled examples of the squared gradient of one example's loss, with the label that it has (Kunstner et
al. 2019 on how this differs from the true one). After several phases one F and the latest θ* stand for all before
(Huszár, PNAS 2018). Both take the room of one number for every weight that learns (`ctx.packed`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from ctx import parts
from ctx.guarding import Guarding

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ctx.model import Model
    from ctx.packed import Packed


class EWC(Guarding):
    """Holds each weight where the source left it, the more firmly the more the source's loss depends on it.

    So the target is learnt with the weights that the source can spare: λ/2 Σ F (θ - θ*)², F from squared gradients on
    source examples (Kirkpatrick et al., PNAS 2017, eq. 3).
    """

    name = "ewc"
    version = 4
    pulls = True
    title = "Important weights stay (EWC)"
    adds = MappingProxyType({"weight": "+ {:g}/2 · Σ F · (w − w_source)²"})

    class Knobs(parts.Knobs):
        """How firmly, and how well it is known what matters."""

        weight: float = parts.knob(1000.0, "λ, the weight of the pull; F is small, so it is large.", log=True, ge=0)
        examples: int = parts.knob(
            200, "How many examples of each earlier context say which weights matter to it.", ge=1, le=100_000
        )

    def begin(self, begin: parts.Begin) -> None:
        """Nothing is known yet of which weights matter."""
        super().begin(begin)
        self.losses = begin.losses
        self.held: dict[str, Packed] = {}

    def terms(self, step: parts.Step) -> dict[str, Tensor]:
        """``kept``: λ/2 Σ F (θ - θ*)² over what learns and was handed over; nothing in the first phase."""
        from ctx.pull import learning, pull

        learns = learning(step.model) if self.left else {}
        if new := {name: p for name, p in learns.items() if name in self.start.given}:
            self._weigh(step.model, new)  # at the first update, and where a layer begins to learn later
        held = [name for name in learns if name in self.held]
        if not held:
            return {}
        weights, towards = [learns[name] for name in held], [self.held[name] for name in held]
        return {"kept": pull(weights, towards, self.knobs.weight, step.after)}

    def _weigh(self, model: Model, weights: Mapping[str, nn.Parameter]) -> None:
        """See which of these matter; where they came from is then kept with that alone."""
        from ctx.packed import pack

        with self.start.back(model, True, {name: one.weights() for name, one in self.held.items()}):
            importance = self._importance(weights)
        for name in weights:
            self.held[name] = pack(self.start.given.pop(name), importance.pop(name))

    def _importance(self, weights: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
        """The mean of squared gradients of one example's loss, over examples of the contexts left behind."""
        import torch

        squares, count = {name: torch.zeros_like(p) for name, p in weights.items()}, 0
        for key in self.left:
            for loss in self.losses(key, self.knobs.examples):
                grads = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
                for square, grad in zip(squares.values(), grads, strict=True):
                    if grad is not None:
                        square.addcmul_(grad, grad)
                count += 1
        return {name: one.div_(count) for name, one in squares.items()}

    def state(self) -> dict[str, Tensor]:
        """θ* and F."""
        bits = {f"bits/{name}": one.bits for name, one in self.held.items()}
        return bits | {f"unit/{name}": one.unit for name, one in self.held.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """θ* and F."""
        from ctx.packed import Packed

        names = [name.removeprefix("bits/") for name in state if name.startswith("bits/")]
        self.held = {name: Packed(state[f"bits/{name}"], state[f"unit/{name}"]) for name in names}
        for name in names:  # another penalty may have had them kept too
            self.start.given.pop(name, None)
