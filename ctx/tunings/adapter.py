"""adapter: a bottleneck behind each layer's feed-forward.

h becomes h + U gelu(D h), with D down to a few numbers and U up again, both near 0 at the start; h is what the
feed-forward gives, before it is added to what it read and normalised (Houlsby et al., Parameter-Efficient Transfer
Learning for NLP, ICML 2019, figure 2; only behind the feed-forward: Pfeiffer et al., AdapterFusion, EACL 2021).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctx import parts

if TYPE_CHECKING:
    from torch import nn

    from ctx.model import Model


class Adapter(parts.Tuning):
    """Adapters: all layers stay as they are, and a small network that begins as almost nothing is added to each.

    Only those networks and the head learn, a hundredth of the parameters. h + U·gelu(D·h) (Houlsby et al. 2019).
    """

    name = "adapter"
    title = "Bottleneck adapters"

    class Knobs(parts.Knobs):
        """How wide the bottlenecks are."""

        size: int = parts.knob(32, "The width of each bottleneck.", ge=1, le=1024)
        rate: float = parts.rate_knob()
        decoder: int = parts.decoder_knob()

    def unfit(self, facts: parts.Facts, backbone: parts.Backbone) -> str:
        """Where layers have no feed-forward."""
        return parts.no_matrices(self, backbone)

    def frozen(self, layers: int) -> int:
        """The embedding."""
        return 1

    def unchanged(self, layers: int) -> int:
        """The embedding."""
        return 1

    def learnt(self, backbone: parts.Backbone, epoch: int, contexts: int = 1) -> list[parts.Learnt]:
        """The adapters alone: two matrices and two biases a layer."""
        from ctx.matrices import bottleneck

        each = parts.Learnt(new=bottleneck(backbone.matrices(), self.knobs.size), new_rate=self.knobs.rate)
        return [parts.Learnt(), *[each] * backbone.layers()]

    def install(self, model: Model) -> None:
        """One in every layer."""
        from ctx.adapters import Bottleneck, put
        from ctx.matrices import chosen

        put(model, chosen(model.backbone.matrices(), "outer"), lambda one: Bottleneck(one.outputs, self.knobs.size), {})

    def groups(self, model: Model, progress: float) -> list[tuple[list[nn.Parameter], float]]:
        """The adapters at a rate of their own, and the heads, but for what a decoder keeps frozen."""
        from ctx.adapters import new

        return [(new(model), self.knobs.rate), (model.above(len(model.blocks), self.frozen_decoder()), 1.0)]
