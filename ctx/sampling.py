"""Which examples a step sees. Pure numpy, so a page can list the batches that a run saw without having stored them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from ctx.registry import part

if TYPE_CHECKING:
    from ctx.config import RunConfig

BUCKET = 16  # batches that are shuffled together before they are sorted by length


def lengths_of(inputs: Sequence[Any]) -> np.ndarray:
    """What batches are sorted by: a text's characters, a row's numbers.

    Characters, not tokens: which examples share a batch then depends on no tokenizer, and a page can list them.
    """
    return np.asarray([len(one) for one in inputs], np.int64)


def sampler(rows: np.ndarray, lengths: np.ndarray, config: RunConfig, key: str) -> Sampler:
    """The batches of a context in a run; a penalty that takes them for random samples has them of mixed lengths."""
    mixed = any(part("penalties", choice.name).samples for choice in config.penalties)
    return Sampler(rows, np.zeros_like(lengths) if mixed else lengths, config.optim.batch, config.seed, key)


class Sampler:
    """Batches of rows, reshuffled each cycle, examples of like length together.

    The n-th batch is a function of (seed, key, n) alone: a resumed run needs to know only n.
    """

    def __init__(self, rows: np.ndarray, lengths: np.ndarray, batch: int, seed: int, key: str) -> None:
        self.rows, self.lengths, self.size = rows, lengths, batch
        self.cycle = -(-len(rows) // batch)  # batches in a cycle
        self._seed = [seed, crc32(key.encode())]
        self._shuffled: tuple[int, list[np.ndarray]] = (-1, [])

    def __getitem__(self, n: int) -> np.ndarray:
        """The rows of the n-th batch since the run began."""
        cycle, place = divmod(n, self.cycle)
        if self._shuffled[0] != cycle:
            self._shuffled = (cycle, self._shuffle(cycle))
        return self._shuffled[1][place]

    def _shuffle(self, cycle: int) -> list[np.ndarray]:
        if self.cycle == 1:  # all of them, every time
            return [self.rows]
        random = np.random.default_rng([*self._seed, cycle])
        order = random.permutation(len(self.rows))
        chunk = BUCKET * self.size
        pools = [order[i : i + chunk] for i in range(0, len(order), chunk)]
        if self.lengths.min() < self.lengths.max():
            pools = [pool[np.argsort(self.lengths[pool], kind="stable")] for pool in pools]
        split = np.array_split(np.concatenate(pools), self.cycle)
        return [self.rows[split[i]] for i in random.permutation(self.cycle)]
