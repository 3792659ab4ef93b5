"""What a run minimises beside its tasks' losses: the parts that add terms, and the one that makes a step of them all.

Part files import these from `ctx.parts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctx.knobs import Part

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ctx.batches import Batch
    from ctx.model import Model
    from ctx.plan import Phase


@dataclass(frozen=True)
class Step:
    """What a penalty sees: the batches and the head's input of every active context, and the phase's progress."""

    model: Model
    progress: float
    batches: Mapping[str, Batch]
    hidden: Mapping[str, Tensor]


class Stateful(Part):
    """A part that learns: its own parameters, and a state that checkpoints carry."""

    def parameters(self) -> Iterable[nn.Parameter]:
        """Parameters trained beside the model's."""
        return ()

    def state(self) -> dict[str, Tensor]:
        """What a resumed run needs."""
        return {}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""


class Penalty(Stateful):
    """An extra loss term with its own weight."""

    kind = "penalties"

    def begin(self, model: Model, phase: Phase, source: Mapping[str, Tensor] | None) -> None:
        """A phase begins; ``source`` holds the weights handed over, None in the first."""

    def terms(self, step: Step) -> dict[str, Tensor]:
        """Named scalars, weighted, added to the total."""
        raise NotImplementedError


class Balancer(Stateful):
    """What turns the contexts' losses into one step."""

    kind = "balancers"

    def backward(
        self, losses: Mapping[str, Tensor], weights: Mapping[str, float], shared: Sequence[nn.Parameter]
    ) -> dict[str, float]:
        """Fill the gradients; return the weight used for each context. ``shared``: the backbone's trainable ones."""
        raise NotImplementedError
