"""entity-swap: names replaced by others of their type (Dai & Adel, COLING 2020)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ctx import parts

if TYPE_CHECKING:
    import numpy as np


class EntitySwap(parts.Augmentation):
    """Each name is replaced with some probability by another of its type from the examples learnt from.

    Dai & Adel, An Analysis of Simple Data Augmentation for Named Entity Recognition, 2020, "mention replacement".
    """

    name = "entity-swap"
    title = "Names swapped within a type"
    applications = ("ner",)

    class Knobs(parts.Knobs):
        """How often."""

        rate: float = parts.knob(0.5, "Probability that a name is replaced.", gt=0, le=1)

    def change(
        self, words: list[str], tags: list[str], random: np.random.Generator, pool: parts.Pool
    ) -> tuple[list[str], list[str]]:
        """Other names, each as long as it is, the words around them as they were."""
        from ctx.spans import spans

        found: tuple[list[str], list[str]] = ([], [])
        edges = {0, len(words)}
        named = {start: (kind, end) for kind, start, end in spans(tags)}
        edges |= {edge for start, (_, end) in named.items() for edge in (start, end)}
        for start, end in pairwise(sorted(edges)):
            piece, marks = words[start:end], tags[start:end]
            others = pool.mentions(named[start][0]) if start in named else ()
            if others and random.random() < self.knobs.rate:
                piece = list(others[int(random.integers(len(others)))])
                marks = [f"{'I' if i else 'B'}-{named[start][0]}" for i in range(len(piece))]
            found[0].extend(piece)
            found[1].extend(marks)
        return found
