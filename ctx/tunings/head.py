"""head: the whole encoder stays frozen, only the head learns (a linear probe)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctx import parts

if TYPE_CHECKING:
    from torch import nn

    from ctx.model import Model


class Head(parts.Tuning):
    """All layers stay frozen; only the head learns (a linear probe)."""

    name = "head"
    title = "All layers frozen"

    class Knobs(parts.Knobs):
        """What of the decoder learns."""

        decoder: int = parts.decoder_knob()

    def frozen(self, layers: int) -> int:
        """The embedding and every layer."""
        return layers + 1

    def groups(self, model: Model, progress: float) -> list[tuple[list[nn.Parameter], float]]:
        """The heads, but for what a decoder keeps frozen."""
        return [(model.above(len(model.blocks), self.frozen_decoder()), 1.0)]
