"""freeze: the embedding and the lowest k layers stay as they are."""

from __future__ import annotations

from typing import Any

from ctx import parts
from ctx.errors import BadInput


class Freeze(parts.Tuning):
    """The embedding and the lowest k layers stay frozen; the layers above and the head learn.

    Lower layers hold what is most general: min L over the weights above layer k (Yosinski et al., How transferable are
    features in deep neural networks?, 2014).
    """

    name = "freeze"
    title = "Lowest layers frozen"

    class Knobs(parts.Knobs):
        """How deep the ice goes."""

        layers: int = parts.knob(4, "k, how many of the lowest layers stay frozen.", flag="freeze-layers", ge=0)
        decay: float = parts.decay_knob()
        reinit: int = parts.reinit_knob()
        decoder: int = parts.decoder_knob()

    def check(self, layers: int) -> None:
        """There must be k layers."""
        if self.knobs.layers > layers:
            raise BadInput(
                f"freeze-layers is {self.knobs.layers}, and this backbone has {layers} layers to read from: "
                f"choose a number from 0 to {layers}."
            )

    def fitted(self, layers: int) -> dict[str, Any]:
        """All of them at most."""
        return {"layers": layers} if self.knobs.layers > layers else {}

    def canonical(self, layers: int, epochs: int) -> parts.Choice:
        """All layers frozen is head; a single layer that learns is the highest, which no rate is lower than."""
        learn = layers - self.knobs.layers
        if learn <= 0:
            return parts.Choice(name="head", knobs={"decoder": self.knobs.decoder})
        found = super().canonical(layers, epochs)
        return found if learn > 1 else parts.Choice(name=self.name, knobs=found.knobs | {"decay": 1.0})

    def frozen(self, layers: int) -> int:
        """The embedding and k layers."""
        return int(self.knobs.layers) + 1
