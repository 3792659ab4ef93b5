"""Encode before anybody asks, on all threads: the frozen outputs of a pair, or those that a study's runs read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ctx.batches import rows_of
from ctx.config import RunConfig, canonical, frozen_blocks
from ctx.evaluation import first_looked, rows_read
from ctx.model import build, forget_pretrained
from ctx.prefix import Memo, memo
from ctx.setup import Setup
from ctx.study import default_draws

ROWS = 256  # examples between two words on progress
TOKENS = 400_000  # of a pair: two minutes on two cores for e5; beyond, only what the first draws use is encoded


class Prefix(NamedTuple):
    """Blocks whose outputs are wanted; a deeper one goes on from a shallower."""

    weights: str
    depth: int
    half: bool


def warm(config: RunConfig, progress: Callable[[int, int], None] | None = None, features: Memo = memo) -> int:
    """Compute the frozen outputs of a configuration's contexts; gives how many examples were computed.

    Every example, or in large contexts those that the first draws use. ``progress(done, of)`` counts examples.
    """
    setup = Setup(canonical(config))
    rows = {setup.rows[key].encoded.name: found for key, found in _wanted(setup).items()}
    depth, _ = _depths(setup)
    return _computed({Prefix(setup.weights, depth, setup.config.half): rows}, [setup], progress, features)


def warm_runs(
    configs: Iterable[RunConfig], progress: Callable[[int, int], None] | None = None, features: Memo = memo
) -> int:
    """Compute what pretrained layers give these runs; gives how many examples' outputs were computed.

    Of the frozen layers for every row that a run reads, of all of them for those that it looks at before any update.
    Nothing for tunings that change the model. ``progress`` as in `warm`, an example counted for every prefix.
    """
    setups = [Setup(canonical(config)) for config in configs]
    setups = [one for one in setups if one.backbone.pretrained and not one.tuning.changes_model()]
    parts: dict[Prefix, dict[str, list[np.ndarray]]] = {}
    for setup in setups:
        own, whole = _depths(setup)
        half = setup.config.half
        for key, rows in setup.rows.items():
            for depth, wanted in ((own, rows_read), (own if half else whole, first_looked)):
                found = parts.setdefault(Prefix(setup.weights, depth, half), {})
                found.setdefault(rows.encoded.name, []).append(wanted(setup, key))
    united = {
        prefix: {name: np.unique(np.concatenate(rows)) for name, rows in parts[prefix].items()}
        for prefix in sorted(parts)
        if prefix.depth
    }
    return _computed(united, setups, progress, features)


def _depths(setup: Setup) -> tuple[int, int]:
    """How many blocks stay frozen, and how many begin with the pretrained weights, the read-out with the last."""
    frozen, blocks = frozen_blocks(setup.config)
    return (blocks + 1 if frozen >= blocks else frozen), setup.unchanged


def _computed(
    wanted: Mapping[Prefix, Mapping[str, np.ndarray]],
    setups: Sequence[Setup],
    progress: Callable[[int, int], None] | None,
    features: Memo,
) -> int:
    """``wanted``: rows by the name of their context's encoding, for each prefix; ``setups``: runs that have all."""
    before, done = features.computed, 0
    total = sum(len(rows) for contexts in wanted.values() for rows in contexts.values())
    encodings = {rows.encoded.name: rows.encoded for setup in setups for rows in setup.rows.values()}
    deepest = {one.weights: one for one in sorted(setups, key=lambda one: (one.unchanged, _depths(one)[0]))}
    for weights, setup in deepest.items():
        lasting = setup.backbone.pretrained
        model = build(setup.config, setup.rows, setup.task)
        for prefix, contexts in wanted.items():
            for name, rows in contexts.items() if prefix.weights == weights else ():
                encoded = encodings[name]
                order = rows[np.argsort(encoded.lengths[rows], kind="stable")]
                for start in range(0, len(order), ROWS):
                    chunk = order[start : start + ROWS]
                    features.hidden(model, weights, prefix.depth, encoded.batch(chunk), lasting, prefix.half)
                    done += len(chunk)
                    if progress:
                        progress(done, total)
        del model
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
