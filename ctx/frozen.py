"""The frozen side of one run: how many of the lowest blocks hold what never learnt, and what they give."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from ctx.batches import Batch
    from ctx.model import Model
    from ctx.prefix import Memo
    from ctx.setup import Setup

RUNS = itertools.count()


class Frozen:
    """Called with a batch: what the lowest ``reach`` blocks give for it; None for no block.

    That is the ``depth`` frozen ones, but in a first look (`beginning`). ``name``: of the weights that they hold, in a
    `Memo`; ``own``: that of weights which only this run has.
    """

    def __init__(self, setup: Setup, features: Memo) -> None:
        self.setup, self.features = setup, features
        self.own = self.name = f"run {next(RUNS)} of this process"
        self.depth = self.reach = 0

    def arrange(self, model: Model, depth: int, touched: Collection[str]) -> None:
        """Let these be the blocks; ``touched``: the parameters that learn or have learned."""
        self.model, self.depth = model, depth
        self.reach = depth
        below = tuple(f"blocks.{name}." for name in list(model.blocks)[:depth])
        self.name = self.own if any(name.startswith(below) for name in touched) else self.setup.weights

    def __call__(self, batch: Batch) -> Tensor | None:
        """``[B, …]``."""
        return self.features.hidden(self.model, self.name, self.reach, batch, self.lasting, self.setup.config.half)

    @contextmanager
    def beginning(self) -> Iterator[None]:
        """Before any update: all blocks give what they give every run that begins with the same pretrained weights.

        Not in half precision, where the numbers say at which depth they were rounded, nor those that the tuning has
        changed, whose new weights differ from draw to draw.
        """
        if self.lasting and not self.setup.config.half:
            self.reach = max(self.depth, self.setup.unchanged)
        try:
            yield
        finally:
            self.reach = self.depth

    def forget(self) -> None:
        """Drop what only this run can use: its weights are about to be others."""
        self.features.forget(self.own)

    @property
    def lasting(self) -> bool:
        """Whether the weights are a pretrained encoder's, which other runs read too."""
        return self.setup.backbone.pretrained and self.name != self.own
