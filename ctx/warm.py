"""Encode a pair before anybody asks: the frozen outputs of all examples, for all processes that come to need them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ctx.batches import rows_of
from ctx.config import RunConfig, canonical
from ctx.model import forget_pretrained
from ctx.prefix import Memo, memo
from ctx.setup import Setup
from ctx.study import default_draws
from ctx.train import Trainer

ROWS = 256  # examples between two words on progress
TOKENS = 400_000  # of a pair: two minutes on two cores for e5; beyond, only what the first draws use is encoded


def warm(config: RunConfig, progress: Callable[[int, int], None] | None = None, features: Memo = memo) -> int:
    """Compute the frozen outputs of a configuration's contexts; gives how many examples were computed.

    Every example, or in large contexts those that the first draws use. ``progress(done, of)`` counts examples.
    """
    trainer, before = Trainer(Setup(canonical(config)), features), features.computed
    trainer.begin()
    wanted = _wanted(trainer.setup)
    total, done = sum(map(len, wanted.values())), 0
    for key, rows in wanted.items():
        encoded = trainer.setup.rows[key].encoded
        order = rows[np.argsort(encoded.lengths[rows], kind="stable")]
        for start in range(0, len(order), ROWS):
            trainer.frozen(encoded.batch(order[start : start + ROWS]))
            done += len(order[start : start + ROWS])
            if progress:
                progress(done, total)
    forget_pretrained()  # who finds its outputs on the disk reads little of it
    return features.computed - before


def _wanted(setup: Setup) -> dict[str, np.ndarray]:
    """The rows to encode, by context."""
    encoded = {key: rows.encoded for key, rows in setup.rows.items()}
    if sum(int(one.lengths.sum()) for one in encoded.values()) <= TOKENS:
        return {key: np.arange(len(one.lengths)) for key, one in encoded.items()}
    used: dict[str, list[np.ndarray]] = {key: [] for key in encoded}
    for draw in range(default_draws(setup.config)):
        config = setup.config.model_copy(update={"seed": setup.config.seed + draw})
        for key, choice in config.contexts().items():
            rows = rows_of(config, choice, setup.backbone, setup.task)
            used[key] += [rows.learn, rows.select, rows.validation, rows.test]
    return {key: np.unique(np.concatenate(rows)) for key, rows in used.items()}
