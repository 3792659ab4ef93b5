"""l2sp: weights are held near those that a phase began with.

Li, Grandvalet & Davoine, Explicit Inductive Bias for Transfer Learning with Convolutional Networks, ICML 2018, eq. 3:
Ω(w) = α/2 ‖w_S - w_S⁰‖² + β/2 ‖w_S̄‖². w_S is what knows something as a phase begins: pretrained, or handed over by an
earlier context; w_S̄ are heads that begin afresh. Layers that begin at random, and what a tuning puts into others, are
held once they are handed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from ctx import parts
from ctx.guarding import Start

if TYPE_CHECKING:
    from torch import Tensor


class L2SP(parts.Penalty):
    """Pulls the weights back to where they began: the source's once handed over, the pretrained ones before that.

    Weight decay, which stays on beside it, pulls towards zero; this pulls towards what was learnt: α/2 ‖w - w⁰‖² (Li,
    Grandvalet & Davoine, ICML 2018, eq. 3).
    """

    name = "l2sp"
    version = 3
    looks_back = True
    pulls = True
    title = "Near the start (L2-SP)"
    adds = MappingProxyType({"weight": "+ {:g}/2 · ‖w − w_start‖²", "head": "+ {:g}/2 · ‖w of fresh heads‖²"})

    class Knobs(parts.Knobs):
        """How strong the pulls are."""

        weight: float = parts.knob(0.1, "α, the weight of the distance to where the weights began.", log=True, ge=0)
        head: float = parts.knob(
            0.0, "β, the weight of a fresh head's own size; the paper has 0.01, beside it AdamW decays weights.", ge=0
        )

    @classmethod
    def unfit(cls, facts: parts.Facts) -> str:
        """Something must learn that did not begin afresh."""
        if facts.learns and not facts.knows and not facts.handed:
            return (
                "The penalty l2sp holds weights near what they knew, and with the backbone "
                f"{facts.backbone} and the tuning {facts.tuning} all that learns begins at random: choose the schedule "
                "“One after the other (sequential)”, or the tuning “Nothing frozen (full)” of a pretrained backbone."
            )
        if facts.learns or (facts.handed and facts.one_head):
            return ""
        return (
            f"The penalty l2sp holds layers near where they began, and the tuning {facts.tuning} leaves all of them "
            "frozen: choose the tuning “Nothing frozen (full)”."
        )

    def weighs(self) -> bool:
        """It has two weights."""
        return bool(self.knobs.weight or self.knobs.head)

    def begin(self, begin: parts.Begin) -> None:
        """Note where the phase begins, and what does so afresh."""
        from ctx.adapters import new

        self.start, model = Start(begin), begin.model
        kept = {id(begin.heads[key]) for key in begin.before if self.start.handed}
        kept |= {id(one) for one in model.heads.values() if getattr(one, "pretrained", False)}  # a decoder
        self.fresh = {id(p) for one in model.heads.values() if id(one) not in kept for p in one.parameters()}
        drawn = [p for name in model.drawn for p in model.blocks[name].parameters()]
        self.random = {id(p) for p in (*drawn, *new(model))}

    def terms(self, step: parts.Step) -> dict[str, Tensor]:
        """``start``: α/2 ‖w - w⁰‖²; ``head``: β/2 ‖w‖² of fresh heads, where β is not 0."""
        import torch

        from ctx.pull import learning, pull

        weights = learning(step.model)
        given = self.start.given
        known = {name: p for name, p in weights.items() if id(p) not in self.random or name in given}
        held = {name: p for name, p in known.items() if id(p) not in self.fresh}
        found = {}
        if held:
            strength = self.knobs.weight
            found["start"] = pull(list(held.values()), self.start.of(held), strength=strength, after=step.after)
        fresh = [p.square().sum() for p in weights.values() if id(p) in self.fresh]
        return found | ({"head": self.knobs.head / 2 * torch.stack(fresh).sum()} if fresh and self.knobs.head else {})

    def handed(self) -> Mapping[str, Tensor]:
        """What was handed over."""
        return self.start.given

    def state(self) -> dict[str, Tensor]:
        """Copies of what was not handed over."""
        return dict(self.start.own)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Those copies."""
        self.start.own = dict(state)
