"""Spans of a tagged sentence: read from BIO tags, counted against the true ones by exact match.

As the CoNLL-2003 shared task counts (Tjong Kim Sang & De Meulder 2003): a span is right when its type and both its ends
are. An I- tag that continues nothing begins a span, as the task's own scorer takes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDE = "[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]"
UNSPACED = re.compile(rf"(?<={WIDE}) | (?={WIDE})")
Span = tuple[str, int, int]  # type, first word, the one after the last


def tags_of(types: Sequence[str]) -> tuple[str, ...]:
    """The tags of entity types: O, then B- and I- of each."""
    return ("O", *(f"{mark}-{name}" for name in types for mark in "BI"))


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans of one sentence, in order."""
    found: list[Span] = []
    start, name = 0, ""
    for place, tag in enumerate([*tags, "O"]):
        mark, _, kind = tag.partition("-")
        if name and (mark != "I" or kind != name):
            found.append((name, start, place))
            name = ""
        if mark == "B" or (mark == "I" and not name):
            start, name = place, kind
    return found


def spoken(tags: Sequence[str], words: Sequence[str]) -> str:
    """The names in a sentence with their types."""
    return " · ".join(f"{name} {joined(words[start:end])}" for name, start, end in spans(tags)) or "–"


def joined(words: Sequence[str]) -> str:
    """Words as a text; Chinese and Japanese ones are written together."""
    return UNSPACED.sub("", " ".join(words))


@dataclass
class Counts:
    """How many spans there are in truth, how many were answered, how many of those are right."""

    true: int = 0
    answered: int = 0
    right: int = 0

    def scores(self) -> dict[str, float]:
        """Precision, recall and F1; 0 where they have nothing to count."""
        precision = self.right / self.answered if self.answered else 0.0
        recall = self.right / self.true if self.true else 0.0
        both = precision + recall
        return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / both if both else 0.0}


def count(truth: Iterable[Sequence[str]], answers: Iterable[Sequence[str]]) -> dict[str, Counts]:
    """Counts by type over sentences, and those of all types as ""."""
    found: dict[str, Counts] = {"": Counts()}
    for true, answered in zip(truth, answers, strict=True):
        expected, given = set(spans(true)), set(spans(answered))
        for name, one in (*((s[0], (1, 0)) for s in expected), *((s[0], (0, 1)) for s in given)):
            for counts in (found[""], found.setdefault(name, Counts())):
                counts.true, counts.answered = counts.true + one[0], counts.answered + one[1]
        for name, _, _ in expected & given:
            found[""].right += 1
            found[name].right += 1
    return found
