"""subword-dropout: pieces of words said by shorter ones (Hiraoka, COLING 2022; Provilkov et al., ACL 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ctx import parts

if TYPE_CHECKING:
    import numpy as np


class SubwordDropout(parts.Augmentation):
    """Each piece of a word is split with some probability, so that the same word is seen as other pieces.

    MaxMatch-Dropout (Hiraoka, MaxMatch-Dropout: Subword Regularization for WordPiece, COLING 2022) on each piece by
    itself; BPE-dropout (Provilkov, Emelianenko & Voita, ACL 2020) and subword regularization (Kudo, ACL 2018) do alike
    with a tokenizer's own merges and likelihoods. The text stays the same, and so do texts that are to be written.
    """

    name = "subword-dropout"
    title = "Sub-word dropout"
    applications = ("sentiment", "ner", "translation", "summarisation")

    class Knobs(parts.Knobs):
        """How often."""

        rate: float = parts.knob(
            0.1, "Probability that a piece is split; then, that each beginning of it is passed over.", gt=0, le=1
        )

    def split(self, ids: Sequence[int], pieces: parts.Pieces, random: np.random.Generator) -> list[list[int]]:
        """The same text in more pieces."""
        hit = random.random(len(ids)) < self.knobs.rate
        return [
            pieces.shorter(id, self.knobs.rate, random) if split else [id] for id, split in zip(ids, hit, strict=True)
        ]
