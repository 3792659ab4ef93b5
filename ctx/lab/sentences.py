"""Which test sentences the source fixed, broke, or never changed: two arms of one draw, sentence by sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ctx import data
from ctx.lab.answer import Answer
from ctx.parts import Example
from ctx.registry import part
from ctx.store import Store

KINDS = ("fixed", "broken", "right both times", "wrong both times")
CLEARLY, GOOD = 0.1, 0.5  # of an answer's own score: by how much it must move, and from where on it is good


def compare(answer: Answer, store: Store, draw: int) -> pd.DataFrame | None:
    """Columns text, label, alone, now, kind, sure; one row a test sentence of the target, the surest change first.

    ``alone`` and ``now``: what target only and the chosen arm say. ``sure``: how far the chosen arm's probability of
    the right label has moved, or how good its answer is. None while one of the two runs hasn't ended.
    """
    config = answer.config
    runs = {arm: run for arm, n, run in answer.rows if n == draw and run.state == "done"}
    if config.target is None or "target-only" not in runs or answer.chosen not in runs:
        return None
    test = data.spread(data.splits(config.target).test, config.task().tested)
    pair = [runs[arm].id for arm in ("target-only", answer.chosen)]
    said, scores = ([store.output(run, f"{name}/target") for run in pair] for name in ("said", "score"))
    if said[0] is None:
        return _by_label(config.target.id, test, [store.output(run, "test/target") for run in pair])
    if any(one is None or len(one) != len(test) for one in (*said, *scores)):
        return None
    written = [config.task().written(example) for example in test]
    return graded([text for text, _ in written], [truth for _, truth in written], said, scores)


def _by_label(context: str, test: Sequence[Example], logits: Sequence[np.ndarray | None]) -> pd.DataFrame | None:
    labels, (alone, now) = part("contexts", context).labels, logits
    if not labels or alone is None or now is None or not len(alone) == len(now) == len(test):
        return None
    truth = np.asarray([labels.index(example.output) for example in test])
    return frame([example.input for example in test], truth, alone, now, labels)


def graded(
    texts: list[str], truth: list[str], said: Sequence[np.ndarray | None], scores: Sequence[np.ndarray | None]
) -> pd.DataFrame:
    """`compare` for answers that are better or worse, not right or wrong; ``scores`` ``[N]`` from 0 to 1, of both."""
    alone, now = (np.asarray(score, dtype=float) for score in scores)
    moved = now - alone
    kind = np.select([moved > CLEARLY, moved < -CLEARLY, now >= GOOD], list(KINDS[:3]), KINDS[3])
    columns = {"text": texts, "label": truth, "alone": said[0], "now": said[1], "kind": kind, "sure": np.abs(moved)}
    return pd.DataFrame(columns).sort_values("sure", ascending=False, kind="stable").reset_index(drop=True)


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
