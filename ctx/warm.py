"""Encode a pair before anybody asks: the frozen outputs of all examples, into the process's memo."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ctx.config import RunConfig, canonical
from ctx.prefix import Memo, memo
from ctx.setup import Setup
from ctx.train import Trainer

ROWS = 256  # examples between two words on progress


def warm(config: RunConfig, progress: Callable[[int, int], None] | None = None, features: Memo = memo) -> int:
    """Compute the frozen outputs of every example of a configuration's contexts; gives how many were computed.

    ``progress(done, of)`` counts examples.
    """
    trainer, before = Trainer(Setup(canonical(config)), features), features.computed
    trainer.begin()
    sizes = [len(rows.encoded.lengths) for rows in trainer.setup.rows.values()]
    done = 0
    for rows in trainer.setup.rows.values():
        order = np.argsort(rows.encoded.lengths, kind="stable")
        for start in range(0, len(order), ROWS):
            trainer.frozen(rows.encoded.batch(order[start : start + ROWS]))
            done += len(order[start : start + ROWS])
            if progress:
                progress(done, sum(sizes))
    return features.computed - before
