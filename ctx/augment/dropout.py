"""word-dropout: words hidden at random (Sennrich et al., WMT 2016; Iyyer et al., ACL 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctx import parts

if TYPE_CHECKING:
    import numpy as np

HIDDEN = "…"  # a sign of omission that every tokenizer knows


class WordDropout(parts.Augmentation):
    """Each word is hidden with some probability: "…" stands in its place.

    Word dropout on the source side as in Sennrich, Haddow & Birch, Edinburgh NMT Systems for WMT 16, 2016; and for
    classifiers Iyyer et al., Deep Averaging Networks, 2015. The tags stay: a hidden name is told from what is around.
    """

    name = "word-dropout"
    title = "Word dropout"
    applications = ("sentiment", "ner", "translation", "summarisation")

    class Knobs(parts.Knobs):
        """How often."""

        rate: float = parts.knob(0.1, "Probability that a word is hidden.", gt=0, le=0.9)

    def change(
        self, words: list[str], tags: list[str], random: np.random.Generator, pool: parts.Pool
    ) -> tuple[list[str], list[str]]:
        """As many words, some of them hidden, one at least not."""
        hidden = random.random(len(words)) < self.knobs.rate
        hidden[int(random.integers(len(words)))] &= not hidden.all()
        return [HIDDEN if gone else word for word, gone in zip(words, hidden, strict=True)], tags
