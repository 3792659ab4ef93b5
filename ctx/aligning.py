"""What penalties share that draw contexts together: a row a text of both sides, and where they mean nothing.

As light as `ctx.parts`: their part files import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ctx import parts

if TYPE_CHECKING:
    from torch import Tensor


class Aligning(parts.Penalty):
    """Compares what the heads read of source texts and of target texts. ``fewest``: texts of each that it needs."""

    fewest: ClassVar[int] = 1
    samples = True
    acts = "beside"

    class Knobs(parts.Knobs):
        """How much it weighs, and which of the target's texts it sees."""

        weight: float = parts.knob(1.0, "Weight of the term.", log=True, ge=0)
        texts: Literal["labelled", "all"] = parts.knob(
            "labelled",
            "The target's texts that are compared: those whose labels the run may use, or any of all that there are "
            "for training, their labels unread, which takes one more pass an update.",
        )

    @property
    def unread(self) -> bool:
        """Whether it is to see them all."""
        return self.weighs() and bool(self.knobs.texts == "all")

    @classmethod
    def unfit(cls, facts: parts.Facts) -> str:
        """It needs both sides in one update, and layers that can change."""
        if not facts.beside:
            return (
                f"The penalty {cls.name} compares source and target texts of one update, and the schedule "
                f"{facts.schedule} never has both in one: choose the schedule “Both at once (joint)”."
            )
        if not facts.learns:
            return (
                f"The penalty {cls.name} changes what the layers make of a text, and the tuning {facts.tuning} leaves "
                "all of them frozen: choose the tuning “Nothing frozen (full)”."
            )
        if facts.fewest < cls.fewest:
            return (
                f"The penalty {cls.name} needs {cls.fewest} texts of a context in an update, and there would be "
                f"{facts.fewest}: raise batch or the size of the context."
            )
        return ""

    def sides(self, step: parts.Step) -> tuple[Tensor, Tensor] | None:
        """Source texts ``[n, W]``, of all sources, and target texts ``[m, W]``; None where an update lacks a side.

        The target's are those of the update, or others without labels. Where the head reads every token's state, a text
        is the mean of its real ones.
        """
        import torch

        from ctx.layers import MeanPool

        pool = MeanPool()
        rows = {key: pool(one, step.batches[key]) if one.ndim == 3 else one for key, one in step.hidden.items()}
        target = rows.pop("target", None)
        if target is None or not rows:
            return None
        if self.unread:
            batch, hidden = step.further()
            target = pool(hidden, batch) if hidden.ndim == 3 else hidden
        source = torch.cat(list(rows.values()))
        return (source, target) if min(len(source), len(target)) >= self.fewest else None
