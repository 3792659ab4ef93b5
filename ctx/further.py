"""Texts of the target that are read without their labels: of all that it has for training, whichever a run may use."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from torch import Tensor

from ctx.batches import Batch
from ctx.sampling import Sampler
from ctx.setup import Setup


class Further:
    """Called with n, the number of target batches so far, this update's counted: a batch of such texts, if asked for.

    ``hidden``: the backbone's output for a batch, from which gradients pass on.
    """

    def __init__(self, setup: Setup, hidden: Callable[[Batch], Tensor]) -> None:
        self.rows, self.hidden = setup.rows.get("target"), hidden
        if self.rows is not None:
            alike = np.zeros(len(self.rows.pool))  # of mixed lengths, as random samples are
            self.sampler = Sampler(self.rows.pool, alike, setup.config.optim.batch, setup.config.seed, "target unread")

    def __call__(self, n: int) -> Callable[[], tuple[Batch, Tensor]]:
        """The batch and what a head would read of it ``[B, …]``, computed once."""

        @cache
        def found() -> tuple[Batch, Tensor]:
            assert self.rows is not None
            batch = self.rows.encoded.batch(self.sampler[n - 1])
            return batch, self.hidden(batch)

        return found
