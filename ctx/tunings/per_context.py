"""per-context: one encoder for all contexts, and a small module for each.

A layer's map gives f(x) + g_c(x), or the embedding e + v_c, where c is the context that a text belongs to: g a
bottleneck adapter (Houlsby et al. 2019; one for each domain: Bapna & Firat, Simple, Scalable Adaptation, EMNLP 2019) or
a low-rank update (Hu et al. 2022), v a vector. For a context that was not learnt from: the mean of what all add, or the
module of the context whose pieces are distributed most alike, by the Jensen-Shannon distance (Lin 1991; for choosing
sources: Plank & van Noord, ACL 2011).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from ctx import parts

if TYPE_CHECKING:
    from torch import nn

    from ctx.batches import ContextRows
    from ctx.model import Model


class PerContext(parts.Tuning):
    """A module for each context: all contexts share the layers, and each has a small module of its own in them.

    They learn side by side, each module from its own context's texts, which also choose it at prediction time.
    f(x) + g_c(x) (Bapna & Firat 2019).
    """

    name = "per-context"
    title = "A module for each context"

    class Knobs(parts.Knobs):
        """What the modules are, and who has which."""

        module: Literal["adapter", "lora", "embedding"] = parts.knob(
            "adapter",
            "What each context has: a bottleneck behind every feed-forward, an update of every query and value "
            "matrix, or a vector added to the embedding of its texts.",
        )
        size: int = parts.knob(16, "The width of a bottleneck, or the rank of an update.", ge=1, le=1024)
        backbone: bool = parts.knob(False, "Whether the shared layers learn too.")
        unseen: Literal["mean", "nearest"] = parts.knob(
            "mean",
            "For a context that was not learnt from: the mean of what all modules add, or the module of the context "
            "whose words are distributed most alike.",
        )
        rate: float = parts.rate_knob()
        decoder: int = parts.decoder_knob()

    def unfit(self, facts: parts.Facts, backbone: parts.Backbone) -> str:
        """Where layers have no such matrices, or contexts are learnt from one after the other."""
        if facts.handed:
            return (
                f"The tuning {self.name} learns a module for each context side by side, and the schedule "
                f"{facts.schedule} learns from one context after another: choose the schedule “Both at once (joint)”, "
                "or another tuning."
            )
        return parts.no_matrices(self, backbone)

    def idle(self) -> dict[str, str]:
        """A vector has no size of its own."""
        vector = self.knobs.module == "embedding"
        return {"size": "A vector that is added to the embedding is as wide as that."} if vector else {}

    def frozen(self, layers: int) -> int:
        """The embedding, where nothing is added to it and it does not learn."""
        return 0 if self.knobs.backbone else self.unchanged(layers)

    def unchanged(self, layers: int) -> int:
        """The embedding, unless vectors are added to it."""
        return 0 if self.knobs.module == "embedding" else 1

    def shares(self) -> bool:
        """Only the layers themselves, where they learn."""
        return bool(self.knobs.backbone)

    def learnt(self, backbone: parts.Backbone, epoch: int, contexts: int = 1) -> list[parts.Learnt]:
        """The modules of all contexts, and the layers where they learn too."""
        knobs, sizes = self.knobs, backbone.parameters()
        found = [parts.Learnt(size, 1.0) if knobs.backbone else parts.Learnt() for size in sizes]
        one = self._module(backbone)
        holds = [knobs.module == "embedding", *[knobs.module != "embedding"] * backbone.layers()]
        return [
            block._replace(new=contexts * one, new_rate=knobs.rate) if there else block
            for block, there in zip(found, holds, strict=True)
        ]

    def _module(self, backbone: parts.Backbone) -> int:
        """The parameters of one context's module in a layer, or of its vector."""
        from ctx.matrices import bottleneck, chosen

        matrices, size = backbone.matrices(), self.knobs.size
        if self.knobs.module == "embedding":
            return chosen(matrices, "query")[0].inputs
        if self.knobs.module == "adapter":
            return bottleneck(matrices, size)
        return int(size * sum(one.inputs + one.outputs for one in chosen(matrices, "query+value")))

    def install(self, model: Model) -> None:
        """A module in every layer for each context that is learnt from, all starting alike."""
        from ctx.adapters import Bottleneck, LowRank, move, put
        from ctx.matrices import chosen
        from ctx.nearest import modules

        of, size = modules(model.contexts, model.learnt, self.knobs.unseen), self.knobs.size
        matrices = model.backbone.matrices()
        if self.knobs.module == "embedding":
            move(model, chosen(matrices, "query")[0].inputs, of)
        elif self.knobs.module == "lora":
            put(model, chosen(matrices, "query+value"), lambda one: LowRank(one.inputs, one.outputs, size), of)
        else:
            put(model, chosen(matrices, "outer"), lambda one: Bottleneck(one.outputs, size), of)

    def groups(self, model: Model, progress: float) -> list[tuple[list[nn.Parameter], float]]:
        """The modules at a rate of their own, the layers where they learn, the heads but for what stays frozen."""
        from ctx.adapters import new

        modules = new(model)
        below = 0 if self.knobs.backbone else len(model.blocks)
        own = {id(p) for p in modules}
        rest = [p for p in model.above(below, self.frozen_decoder()) if id(p) not in own]
        return [(modules, self.knobs.rate), (rest, 1.0)]

    def modules(self, model: Model, rows: ContextRows) -> Sequence[str]:
        """Its own, where it was learnt from; else those of all, or of the nearest."""
        from ctx.nearest import modules

        return modules({**model.contexts, "asked": rows}, model.learnt, self.knobs.unseen)[rows.context.name]

    def found(self, model: Model) -> dict[str, Any]:
        """``modules``: whose modules each context's texts had, by the context's key."""
        from ctx.nearest import modules

        of = modules(model.contexts, model.learnt, self.knobs.unseen)
        return {"modules": {key: list(of[rows.context.name]) for key, rows in model.contexts.items()}}
