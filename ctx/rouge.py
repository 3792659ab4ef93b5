"""ROUGE (Lin 2004) for any language: words where a language has spaces, characters in Chinese and Japanese.

The usual scorers know only the letters a to z. On English without stemming this gives what they give (tested).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

WORDS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+")
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\S)|(?<=[。！？])|\n\s*\n")


def first_sentence(text: str) -> str:
    """Up to the first full stop, question or exclamation mark, or empty line."""
    return SENTENCE.split(text.strip(), maxsplit=1)[0]


def rouge(answers: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """F1 of ROUGE-1, ROUGE-2 and ROUGE-L, 0 to 1, each the mean over pairs."""
    pairs = [(_words(a), _words(b)) for a, b in zip(answers, references, strict=True)]
    scores = {
        "rouge1": [_overlap(a, b, 1) for a, b in pairs],
        "rouge2": [_overlap(a, b, 2) for a, b in pairs],
        "rougeL": [_f1(_longest_common(a, b), len(a), len(b)) for a, b in pairs],
    }
    return {name: sum(values) / len(values) for name, values in scores.items()}


def _words(text: str) -> list[str]:
    return WORDS.findall(text.lower())


def _overlap(answer: list[str], reference: list[str], n: int) -> float:
    ours, theirs = (Counter(zip(*(words[i:] for i in range(n)), strict=False)) for words in (answer, reference))
    return _f1((ours & theirs).total(), ours.total(), theirs.total())


def _f1(shared: int, ours: int, theirs: int) -> float:
    return 2 * shared / (ours + theirs) if shared else 0.0


def _longest_common(a: list[str], b: list[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for word in a:
        before = 0
        for place, other in enumerate(b, 1):
            before, row[place] = row[place], before + 1 if word == other else max(row[place], row[place - 1])
    return row[-1]
