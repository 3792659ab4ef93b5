"""Whose modules a context has: its own where it is learnt from, else those of all or of the nearest.

Near is how alike the pieces of two contexts' texts are distributed; no label is looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ctx.batches import ContextRows


def modules(contexts: Mapping[str, ContextRows], learnt: Collection[str], unseen: str) -> dict[str, tuple[str, ...]]:
    """The contexts whose modules a context has, by its id; ``learnt``: the keys of those that have their own.

    ``unseen``: "mean" or "nearest", for the others.
    """
    own = {contexts[key].context.name: contexts[key] for key in contexts if key in learnt}
    found: dict[str, tuple[str, ...]] = {name: (name,) for name in own}
    for rows in contexts.values():
        name = rows.context.name
        if name not in own:
            found[name] = tuple(sorted(own)) if unseen == "mean" else (nearest(rows, own),)
    return found


def nearest(rows: ContextRows, others: Mapping[str, ContextRows]) -> str:
    """The one of the others that is at the least `distance`, by name; the first of those that are equally near."""
    return min(sorted(others), key=lambda name: distance(pieces(rows), pieces(others[name])))


def pieces(rows: ContextRows) -> np.ndarray:
    """How often each piece occurs in the training texts of a context ``[V]``."""
    return np.bincount(np.concatenate([rows.encoded.inputs[row] for row in rows.pool]))


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """The Jensen-Shannon distance of two distributions, given by counts: 0 alike, 1 nothing in common (base 2)."""
    from scipy.spatial.distance import jensenshannon

    size = max(len(one), len(other))
    counts = [np.pad(each, (0, size - len(each))) for each in (one, other)]
    return float(jensenshannon(*counts, base=2))
