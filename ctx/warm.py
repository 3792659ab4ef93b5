"""Encode before anybody asks, on all threads: the frozen outputs of a pair, or those that a study's runs read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ctx.batches import rows_of
from ctx.config import RunConfig, canonical, frozen_blocks
from ctx.evaluation import first_looked, rows_read
from ctx.model import forget_pretrained
from ctx.prefix import Memo, memo
from ctx.setup import Setup
from ctx.study import default_draws
from ctx.train import Trainer

ROWS = 256  # examples between two words on progress
TOKENS = 400_000  # of a pair: two minutes on two cores for e5; beyond, only what the first draws use is encoded


class Part(NamedTuple):
    """Rows by context that the lowest blocks of a run are to see: those that it freezes, or ``whole``: all of them."""

    setup: Setup
    rows: Mapping[str, np.ndarray]
    whole: bool = False


def warm(config: RunConfig, progress: Callable[[int, int], None] | None = None, features: Memo = memo) -> int:
    """Compute the frozen outputs of a configuration's contexts; gives how many examples were computed.

    Every example, or in large contexts those that the first draws use. ``progress(done, of)`` counts examples.
    """
    setup = Setup(canonical(config))
    return _computed([Part(setup, _wanted(setup))], progress, features)


def warm_runs(
    configs: Iterable[RunConfig], progress: Callable[[int, int], None] | None = None, features: Memo = memo
) -> int:
    """Compute what pretrained layers give these runs, the shallower prefix first; gives how many examples' outputs.

    Of the frozen ones for all rows that a run reads, of all of them for those that it looks at before any update.
    """
    alike: dict[tuple[str, ...], list[Setup]] = {}
    for config in configs:
        setup = Setup(canonical(config))
        contexts = (f"{key} {rows.encoded.name}" for key, rows in setup.rows.items())
        if setup.backbone.pretrained:
            name = setup.weights, setup.config.tuning.model_dump_json(), str(setup.config.half), *contexts
            alike.setdefault(name, []).append(setup)
    parts = []
    for setups in sorted(alike.values(), key=lambda setups: frozen_blocks(setups[0].config)[0]):
        parts.append(Part(setups[0], _together(setups, rows_read)))
        parts.append(Part(setups[0], _together(setups, first_looked), whole=True))
    return _computed(parts, progress, features)


def _together(setups: Sequence[Setup], of: Callable[[Setup, str], np.ndarray]) -> dict[str, np.ndarray]:
    return {key: np.unique(np.concatenate([of(setup, key) for setup in setups])) for key in setups[0].rows}


def _computed(parts: Sequence[Part], progress: Callable[[int, int], None] | None, features: Memo) -> int:
    before, done = features.computed, 0
    total = sum(len(rows) for part in parts for rows in part.rows.values())
    for part in parts:
        trainer = Trainer(part.setup, features)
        trainer.begin()
        depth = trainer.frozen.first if part.whole else trainer.depth
        for key, rows in part.rows.items():
            encoded = part.setup.rows[key].encoded
            order = rows[np.argsort(encoded.lengths[rows], kind="stable")]
            for start in range(0, len(order), ROWS):
                trainer.frozen(encoded.batch(order[start : start + ROWS]), depth)
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
