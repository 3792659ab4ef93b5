"""Words of a text, counted alike in every language: vocabularies, lengths, how far apart two of them are. No torch.

A word is a run of letters and digits, case aside; in Chinese and Japanese, which put no spaces, a single character.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from pydantic import BaseModel

WIDE = "\u3040-\u30ff\u3400-\u9fff"
WORD = re.compile(rf"[{WIDE}]|[^\W{WIDE}]+(?:['’][^\W{WIDE}]+)?")
SINGLE = re.compile(f"[{WIDE}]")


class Lengths(BaseModel):
    """Lengths of texts in words: the median and what 5 % are below and above.

    ``characters``: most of these words are single characters, of Chinese or Japanese.
    """

    median: float
    low: float
    high: float
    characters: bool


class Overlap(BaseModel):
    """Two vocabularies: Jaccard's index, and the share of the target's words (each as often as it occurs) in both."""

    jaccard: float
    known: float


class LengthShift(BaseModel):
    """Two distributions of lengths: medians, their ratio (target to source), Wasserstein's distance in words."""

    source: Lengths
    target: Lengths
    ratio: float
    distance: float


def words(text: str) -> list[str]:
    """The words of a text, in order."""
    return WORD.findall(text.casefold())


def vocabulary(texts: Iterable[str]) -> Counter[str]:
    """How often each word occurs."""
    found: Counter[str] = Counter()
    for text in texts:
        found.update(words(text))
    return found


def lengths(texts: Sequence[str]) -> tuple[Lengths, np.ndarray] | None:
    """How long texts are, and each length ``[N]``; None without texts."""
    if not texts:
        return None
    counted = np.asarray([len(words(text)) for text in texts], np.float64)
    low, median, high = (float(value) for value in np.percentile(counted, [5, 50, 95]))
    single = sum(len(SINGLE.findall(text)) for text in texts)
    return Lengths(median=median, low=low, high=high, characters=bool(2 * single > counted.sum())), counted


def overlap(source: Mapping[str, int], target: Mapping[str, int]) -> Overlap | None:
    """How much two vocabularies share; None where one of them is empty."""
    if not source or not target:
        return None
    common = source.keys() & target.keys()
    known = sum(target[word] for word in common) / sum(target.values())
    return Overlap(jaccard=len(common) / len(source.keys() | target.keys()), known=known)


def length_shift(source: Sequence[str], target: Sequence[str]) -> LengthShift | None:
    """How the lengths of two lots of texts differ; None where there is nothing to compare."""
    from scipy.stats import wasserstein_distance

    one, other = lengths(source), lengths(target)
    if one is None or other is None or not one[0].median:
        return None
    distance = float(wasserstein_distance(one[1], other[1]))
    return LengthShift(source=one[0], target=other[0], ratio=other[0].median / one[0].median, distance=distance)
