"""gradual: layers are unfrozen one after another, the highest first.

Gradual unfreezing and discriminative rates: Howard & Ruder, Universal Language Model Fine-tuning for Text
Classification, ACL 2018, sections 3.2 (ηˡ⁻¹ = ηˡ / 2.6) and 3.3 (one layer more an epoch, beginning with the last).
In epoch e of a phase, counted from 0, the highest ``start + ⌊e / interval⌋`` layers learn; the embedding is the lowest.
"""

from __future__ import annotations

from typing import Any

from ctx import parts
from ctx.errors import BadInput


class Gradual(parts.Tuning):
    """At first the head alone learns; then, from the top, one layer more every epoch, the embedding last.

    Lower layers keep what they know while the head still errs wildly: in epoch e, from 0, the highest start +
    ⌊e/interval⌋ learn (ULMFiT, Howard & Ruder 2018; there each layer also learns 2.6 times slower than the one above,
    which is a knob of its own here, and 1 unless set).
    """

    name = "gradual"
    title = "Gradual unfreezing (ULMFiT)"

    class Knobs(parts.Knobs):
        """When each layer begins to learn."""

        interval: int = parts.knob(
            1, "Epochs until the next lower layer learns too.", flag="unfreeze-every", ge=1, le=1000
        )
        start: int = parts.knob(
            0, "How many of the highest layers learn from the first epoch on, beside the head.", ge=0
        )
        decay: float = parts.decay_knob()
        reinit: int = parts.reinit_knob()
        decoder: int = parts.decoder_knob()

    def check(self, layers: int) -> None:
        """There must be so many layers."""
        if self.knobs.start > layers:
            raise BadInput(
                f"start is {self.knobs.start}, and this backbone has {layers} layers to unfreeze: "
                f"choose a number from 0 to {layers}."
            )

    def fitted(self, layers: int) -> dict[str, Any]:
        """All of them at most."""
        return {"start": layers} if self.knobs.start > layers else {}

    def canonical(self, layers: int, epochs: int) -> parts.Choice:
        """Where no epoch unfreezes anything, freeze or head."""
        knobs = self.knobs.model_dump(exclude={"interval", "start"})
        if epochs > self.knobs.interval:
            return super().canonical(layers, epochs)
        if not self.knobs.start:
            return parts.Choice(name="head", knobs={"decoder": knobs["decoder"]})
        decay = knobs["decay"] if self.knobs.start > 1 else 1.0  # no rate is lower than that of a single layer
        return parts.Choice(name="freeze", knobs=knobs | {"layers": layers - self.knobs.start, "decay": decay})

    def learning(self, layers: int, epoch: int) -> list[bool]:
        """The highest so many blocks."""
        learn = min(self.knobs.start + epoch // self.knobs.interval, layers + 1)
        return [False] * (layers + 1 - learn) + [True] * learn
