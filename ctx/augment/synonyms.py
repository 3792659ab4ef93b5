"""synonyms: words replaced by near ones of the encoder's embeddings (Wang & Yang, EMNLP 2015; Wei & Zou 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctx import parts

if TYPE_CHECKING:
    import numpy as np


class Synonyms(parts.Augmentation):
    """Each word outside a name is replaced with some probability by one near in meaning.

    Near by the encoder's own embeddings, among the words of the context's training split (Wang & Yang, That's So
    Annoying!!!, EMNLP 2015; Wei & Zou, EDA, 2019, use a thesaurus). Near words may be opposites: "good" and "bad" are.
    """

    name = "synonyms"
    title = "Synonym replacement"
    applications = ("sentiment", "ner")
    embeddings = True

    class Knobs(parts.Knobs):
        """How often."""

        rate: float = parts.knob(0.1, "Probability that a word is replaced.", gt=0, le=1)

    def change(
        self, words: list[str], tags: list[str], random: np.random.Generator, pool: parts.Pool
    ) -> tuple[list[str], list[str]]:
        """As many words."""
        for place in range(len(words)):
            if tags[place] == "O" and random.random() < self.knobs.rate:
                near = pool.near(words[place])
                words[place] = near[int(random.integers(len(near)))] if near else words[place]
        return words, tags
