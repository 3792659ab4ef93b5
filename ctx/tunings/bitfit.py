"""bitfit: of the encoder only the biases learn (Ben Zaken et al., BitFit, ACL 2022, section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctx import parts

if TYPE_CHECKING:
    from torch import nn

    from ctx.model import Model


class Bitfit(parts.Tuning):
    """BitFit: every matrix stays as it is; only the biases b in W·x + b, those of the norms too, and the head learn.

    A thousandth of the parameters moves what the layers already tell apart up and down, and adds nothing new to them
    (Ben Zaken et al. 2022).
    """

    name = "bitfit"
    title = "Biases only (BitFit)"

    class Knobs(parts.Knobs):
        """How fast they learn."""

        rate: float = parts.rate_knob()
        decoder: int = parts.decoder_knob()

    def unfit(self, facts: parts.Facts, backbone: parts.Backbone) -> str:
        """Where layers have no biases."""
        if sum(backbone.biases()):
            return ""
        return f"The tuning {self.name} lets biases learn, and this {backbone.name} has none: choose lora or adapter."

    def learnt(self, backbone: parts.Backbone, epoch: int, contexts: int = 1) -> list[parts.Learnt]:
        """The biases of every block."""
        return [parts.Learnt(count, self.knobs.rate) if count else parts.Learnt() for count in backbone.biases()]

    def groups(self, model: Model, progress: float) -> list[tuple[list[nn.Parameter], float]]:
        """The biases at a rate of their own, and the heads, but for what a decoder keeps frozen."""
        biases = [p for name, p in model.blocks.named_parameters() if name.endswith(".bias")]
        return [(biases, self.knobs.rate), (model.above(len(model.blocks), self.frozen_decoder()), 1.0)]
