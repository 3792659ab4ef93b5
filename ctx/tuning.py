"""What a tuning is: which parameters learn, and when.

Part files import it from `ctx.parts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ctx.knobs import Choice, Part
from ctx.objectives import Facts
from ctx.plan import Progress

if TYPE_CHECKING:
    from torch import nn

    from ctx.batches import ContextRows
    from ctx.model import Model
    from ctx.parts import Backbone


class Learnt(NamedTuple):
    """What learns of a block: how many of its own parameters, how many that are put into it, and how fast.

    ``rate``, ``new_rate``: the factors that their learning rates have; 0 where there are none.
    """

    own: int = 0
    rate: float = 0.0
    new: int = 0
    new_rate: float = 0.0


class Tuning(Part):
    """Which parameters learn, and when."""

    kind = "tunings"

    def check(self, layers: int) -> None:
        """Raise BadInput if the knobs don't fit a backbone of so many layers."""

    def unfit(self, facts: Facts, backbone: Backbone) -> str:
        """Why it means nothing in a run, in a sentence that says what to do instead; "" where it does. No torch."""
        return ""

    def idle(self) -> dict[str, str]:
        """Knobs that mean nothing beside the others, each with why."""
        return {}

    def fitted(self, layers: int) -> dict[str, Any]:
        """The knobs to change, so that the others fit a backbone of so many layers."""
        return {}

    def canonical(self, layers: int, epochs: int) -> Choice:
        """The tuning that trains alike, so many epochs a phase, under one name (freeze with all layers is head)."""
        knobs, idle = self.knobs.model_dump(), self.idle()
        return Choice(name=self.name, knobs={name: value for name, value in knobs.items() if name not in idle})

    def frozen(self, layers: int) -> int:
        """How many blocks, the embedding counted, stay frozen from the start to the end. No torch."""
        return 0

    def learning(self, layers: int, epoch: int) -> list[bool]:
        """Whether the embedding and each layer, lowest first, learn in an epoch of a phase, from 0. No torch."""
        frozen = min(self.frozen(layers), layers + 1)
        return [False] * frozen + [True] * (layers + 1 - frozen)

    def rates(self, layers: int, epoch: int) -> list[float]:
        """The factor that the learning rate of the embedding and of each layer has then; 0 where it is frozen.

        decay^(l - L) for layer l of L, the embedding being layer 0 (Howard & Ruder 2018, section 3.2).
        """
        decay: float = getattr(self.knobs, "decay", 1.0)
        learning = self.learning(layers, epoch)
        return [decay ** (block - layers) if learns else 0.0 for block, learns in enumerate(learning)]

    def renewed(self) -> int:
        """How many of the highest layers begin with weights drawn anew. No torch."""
        return int(getattr(self.knobs, "reinit", 0))

    def unchanged(self, layers: int) -> int:
        """How many of the lowest blocks, the embedding counted, begin as the backbone has them. No torch."""
        return 0 if self.changes_model() else layers + 1 - self.renewed()

    def shares(self) -> bool:
        """Whether contexts have in common what learns of the backbone. No torch."""
        return True

    def frozen_decoder(self) -> int:
        """How many parts of a head that writes stay frozen, lowest first; for the page. No torch."""
        return int(getattr(self.knobs, "decoder", 0))

    def learnt(self, backbone: Backbone, epoch: int, contexts: int = 1) -> list[Learnt]:
        """What learns of the embedding and of each layer in an epoch of a phase, with so many contexts to train on.

        Whole blocks, at their rates. All that is said and drawn of what learns is read here. No torch.
        """
        sizes = zip(backbone.parameters(), self.rates(backbone.layers(), epoch), strict=True)
        return [Learnt(size, rate) if rate else Learnt() for size, rate in sizes]

    def extra(self, backbone: Backbone, contexts: int = 1) -> int:
        """How many parameters it adds to the encoder. No torch."""
        return sum(block.new for block in self.learnt(backbone, 0, contexts))

    def install(self, model: Model) -> None:
        """Change the model once, before training (insert adapters). The draw's seed has just been set."""

    @classmethod
    def changes_model(cls) -> bool:
        """Whether it has an `install` of its own."""
        return cls.install is not Tuning.install

    def groups(self, model: Model, progress: Progress) -> list[tuple[list[nn.Parameter], float]]:
        """What learns in this epoch: (parameters, learning-rate factor). All else is frozen.

        The blocks as `rates` says, and the heads, but for what a decoder keeps frozen.
        """
        return model.rated(self.rates(model.layers, progress.epoch), self.frozen_decoder())

    def modules(self, model: Model, rows: ContextRows) -> Sequence[str]:
        """The contexts whose modules answer for the texts of one, by id; none where contexts have none of their own."""
        return ()

    def found(self, model: Model) -> dict[str, Any]:
        """What the results of a finished run tell of it, as plain data."""
        return {}
