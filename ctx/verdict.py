"""The honest answer: did the source help, hurt, or can't we tell? Paired over draws. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """A paired difference over draws: its mean, a 95 % t-interval (None from one draw), and how many were above 0."""

    mean: float
    low: float | None
    high: float | None
    draws: int
    above: int
    below: int


@dataclass(frozen=True)
class Verdict:
    """``answer`` is about the chosen arm against target only; None where no pair of draws has finished."""

    answer: Literal["helped", "hurt", "can't tell"]
    difference: Difference


def difference(ones: Mapping[int, float], others: Mapping[int, float]) -> Difference | None:
    """``ones - others`` over the draws that both have; None where they share none."""
    shared = sorted(set(ones) & set(others))
    if not shared:
        return None
    values = np.asarray([ones[draw] - others[draw] for draw in shared])
    low, high = interval(values.tolist())
    return Difference(float(values.mean()), low, high, len(values), int((values > 0).sum()), int((values < 0).sum()))


def interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Student's t interval of the mean at 95 %; (None, None) from fewer than two values."""
    n = len(values)
    if n < 2:
        return None, None
    mean, half = float(np.mean(values)), float(half_width(np.std(values, ddof=1), n))
    return mean - half, mean + half


def half_width(spread: Any, n: Any) -> Any:
    """Half of Student's t interval at 95 %, of a standard deviation over ``n`` values, or of arrays of both.

    NaN where n is 1.
    """
    from scipy.special import stdtrit  # scipy.stats has the same, and takes half a second to import

    return stdtrit(np.asarray(n) - 1.0, 0.5 + CONFIDENCE / 2) * spread / np.sqrt(n)


def judge(chosen: Mapping[int, float], alone: Mapping[int, float], higher_is_better: bool = True) -> Verdict | None:
    """Helped or hurt where the interval of the paired difference leaves out 0; else we can't tell."""
    found = difference(chosen, alone)
    if found is None:
        return None
    if found.low is None or found.high is None or found.low <= 0 <= found.high:
        return Verdict("can't tell", found)
    return Verdict("helped" if (found.mean > 0) == higher_is_better else "hurt", found)
