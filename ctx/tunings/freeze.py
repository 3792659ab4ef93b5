"""freeze: the embedding and the lowest k layers stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctx import parts
from ctx.errors import BadInput

if TYPE_CHECKING:
    from torch import nn

    from ctx.model import Model


class Freeze(parts.Tuning):
    """The embedding and the lowest k layers stay frozen; the layers above and the head learn."""

    name = "freeze"
    title = "Lowest layers frozen"

    class Knobs(parts.Knobs):
        """How deep the ice goes."""

        layers: int = parts.knob(4, "k, how many of the lowest layers stay frozen.", flag="freeze-layers", ge=0)
        decoder: int = parts.decoder_knob()

    def check(self, layers: int) -> None:
        """There must be k layers."""
        if self.knobs.layers > layers:
            raise BadInput(
                f"freeze-layers is {self.knobs.layers}, and this backbone has {layers} layers to read from: "
                f"choose a number from 0 to {layers}."
            )

    def canonical(self, layers: int) -> parts.Choice:
        """All layers frozen is head."""
        if self.knobs.layers < layers:
            return super().canonical(layers)
        return parts.Choice(name="head", knobs={"decoder": self.knobs.decoder})

    def frozen(self, layers: int) -> int:
        """The embedding and k layers."""
        return int(self.knobs.layers) + 1

    def groups(self, model: Model, progress: float) -> list[tuple[list[nn.Parameter], float]]:
        """What lies above layer k, and the heads, but for what a decoder keeps frozen."""
        return [(model.above(self.frozen(0), self.frozen_decoder()), 1.0)]
