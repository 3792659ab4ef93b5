"""Which test sentences the source fixed, broke, or never changed: two arms of one draw, sentence by sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ctx import data
from ctx.lab.answer import Answer
from ctx.registry import part
from ctx.store import Store

KINDS = ("fixed", "broken", "right both times", "wrong both times")


def compare(answer: Answer, store: Store, draw: int) -> pd.DataFrame | None:
    """Columns text, label, alone, now, kind, sure; one row a test sentence of the target, the surest change first.

    ``alone`` and ``now``: what target only and the chosen arm say. ``sure``: how far the chosen arm's probability of
    the right label has moved. None while one of the two runs hasn't ended, and for numbers.
    """
    config = answer.config
    labels = part("contexts", config.target.id).labels if config.target else ()
    runs = {arm: run for arm, n, run in answer.rows if n == draw and run.state == "done"}
    if not labels or config.target is None or "target-only" not in runs or answer.chosen not in runs:
        return None
    alone, now = (store.output(runs[arm].id, "test/target") for arm in ("target-only", answer.chosen))
    test = data.spread(data.splits(config.target).test, config.task().tested)
    if alone is None or now is None or not len(alone) == len(now) == len(test):
        return None
    truth = np.asarray([labels.index(example.output) for example in test])
    return frame([example.input for example in test], truth, alone, now, labels)


def frame(
    texts: list[str], truth: np.ndarray, alone: np.ndarray, now: np.ndarray, labels: tuple[str, ...]
) -> pd.DataFrame:
    """`compare` on plain arrays: ``truth`` ``[N]``, logits ``[N, C]``."""
    rows = np.arange(len(truth))
    moved = _softmax(now)[rows, truth] - _softmax(alone)[rows, truth]
    before, after = alone.argmax(1), now.argmax(1)
    kind = np.select(
        [(before != truth) & (after == truth), (before == truth) & (after != truth), after == truth],
        list(KINDS[:3]),
        KINDS[3],
    )
    names = np.asarray(labels)
    columns = {"text": texts, "label": names[truth], "alone": names[before], "now": names[after], "kind": kind}
    found = pd.DataFrame(columns | {"sure": np.abs(moved)})
    return found.sort_values("sure", ascending=False, kind="stable").reset_index(drop=True)


def counts(found: pd.DataFrame) -> dict[str, int]:
    """How many sentences are of each kind."""
    return {kind: int((found["kind"] == kind).sum()) for kind in KINDS}


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: np.ndarray = raised / raised.sum(axis=1, keepdims=True)
    return shares
