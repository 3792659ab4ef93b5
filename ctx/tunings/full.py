"""full: every parameter of the encoder learns (fine-tuning), and the head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctx import parts

if TYPE_CHECKING:
    from torch import nn

    from ctx.model import Model


class Full(parts.Tuning):
    """Every parameter learns."""

    name = "full"
    title = "Nothing frozen"

    class Knobs(parts.Knobs):
        """What of the decoder learns."""

        decoder: int = parts.decoder_knob()

    def groups(self, model: Model, progress: float) -> list[tuple[list[nn.Parameter], float]]:
        """All parameters at the full rate, but for what the decoder keeps frozen."""
        return [(model.above(0, self.frozen_decoder()), 1.0)]
