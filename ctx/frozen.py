"""The frozen side of one run: how many of the lowest blocks hold what never learnt, and what they give."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from ctx.batches import Batch
    from ctx.model import Model
    from ctx.prefix import Memo
    from ctx.setup import Setup

RUNS = itertools.count()


class Frozen:
    """Called with a batch: what the lowest ``depth`` blocks give for it; None for no block.

    ``name``: of the weights that they hold, in a `Memo`; ``own``: that of weights which only this run has.
    """

    def __init__(self, setup: Setup, features: Memo) -> None:
        self.setup, self.features = setup, features
        self.own = self.name = f"run {next(RUNS)} of this process"
        self.depth = 0

    def arrange(self, model: Model, depth: int, touched: Collection[str]) -> None:
        """Let these be the blocks; ``touched``: the parameters that learn or have learned."""
        self.model, self.depth = model, depth
        below = tuple(f"blocks.{name}." for name in list(model.blocks)[:depth])
        self.name = self.own if any(name.startswith(below) for name in touched) else self.setup.weights

    def __call__(self, batch: Batch, depth: int | None = None) -> Tensor | None:
        """``[B, …]``; ``depth``: as many blocks instead, which hold the same weights."""
        reached = self.depth if depth is None else depth
        return self.features.hidden(self.model, self.name, reached, batch, self.lasting, self.setup.config.half)

    def forget(self) -> None:
        """Drop what only this run can use: its weights are about to be others."""
        self.features.forget(self.own)

    @property
    def lasting(self) -> bool:
        """Whether the weights are a pretrained encoder's, which other runs read too."""
        return self.setup.backbone.pretrained and self.name != self.own

    @property
    def first(self) -> int:
        """How many blocks give, before any update, what they give every run from the same pretrained weights.

        In half precision, where the numbers say at which depth they were rounded, only the frozen ones.
        """
        return len(self.model.blocks) if self.lasting and not self.setup.config.half else self.depth
