"""lora: low-rank updates of the layers' matrices, through peft.

W x becomes W x + (α / r) B A x, with A of r rows and B of r columns, B = 0 at the start; W stays as it is (Hu et al.,
LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022, equation 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ctx import parts

if TYPE_CHECKING:
    from torch import nn

    from ctx.model import Model


class Lora(parts.Tuning):
    """LoRA: each chosen matrix W stays as it is, and a product of two thin ones, B·A, is learnt beside it.

    It learns under a hundredth of the parameters, and forgets less, since W is never written to. W·x + (α/r)·B·A·x
    (Hu et al. 2022).
    """

    name = "lora"
    title = "LoRA"

    class Knobs(parts.Knobs):
        """How large the updates are, and of what."""

        rank: int = parts.knob(
            8, "r, the rank of each update: its two matrices have r rows and r columns.", ge=1, le=256
        )
        alpha: float = parts.knob(16.0, "α: an update counts α / r times.", gt=0, le=1024)
        dropout: float = parts.knob(0.0, "Share of what the updates read that is dropped in training.", ge=0, lt=1)
        matrices: Literal["query+value", "query", "value", "attention", "feed-forward", "all"] = parts.knob(
            "query+value", "The matrices of each layer that get an update."
        )
        rate: float = parts.rate_knob()
        decoder: int = parts.decoder_knob()

    def unfit(self, facts: parts.Facts, backbone: parts.Backbone) -> str:
        """Where layers have no such matrices."""
        return parts.no_matrices(self, backbone)

    def frozen(self, layers: int) -> int:
        """The embedding."""
        return 1

    def unchanged(self, layers: int) -> int:
        """The embedding."""
        return 1

    def learnt(self, backbone: parts.Backbone, epoch: int, contexts: int = 1) -> list[parts.Learnt]:
        """The updates alone: the rank times inputs and outputs, a matrix."""
        sizes = [one.inputs + one.outputs for one in self._matrices(backbone)]
        each = parts.Learnt(new=self.knobs.rank * sum(sizes), new_rate=self.knobs.rate)
        return [parts.Learnt(), *[each] * backbone.layers()]

    def install(self, model: Model) -> None:
        """peft's, in every layer."""
        from ctx.adapters import layers, low_rank

        for _, layer in layers(model):
            low_rank(layer, self._matrices(model.backbone), self.knobs.rank, self.knobs.alpha, self.knobs.dropout)

    def groups(self, model: Model, progress: float) -> list[tuple[list[nn.Parameter], float]]:
        """The updates at a rate of their own, and the heads, but for what a decoder keeps frozen."""
        from ctx.adapters import new

        return [(new(model), self.knobs.rate), (model.above(len(model.blocks), self.frozen_decoder()), 1.0)]

    def _matrices(self, backbone: parts.Backbone) -> list[parts.Matrix]:
        from ctx.matrices import chosen

        return chosen(backbone.matrices(), self.knobs.matrices)
