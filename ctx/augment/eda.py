"""eda: words left out, swapped and added at random (Wei & Zou, EDA, EMNLP 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctx import parts

if TYPE_CHECKING:
    import numpy as np


class Deletion(parts.Augmentation):
    """Each word is left out with some probability.

    Wei & Zou 2019, "random deletion". At least one word stays. A name whose first word is left out begins at its next.
    """

    name = "deletion"
    title = "Random deletion"
    applications = ("sentiment", "ner", "summarisation")

    class Knobs(parts.Knobs):
        """How often."""

        rate: float = parts.knob(0.1, "Probability that a word is left out.", gt=0, le=0.9)

    def change(
        self, words: list[str], tags: list[str], random: np.random.Generator, pool: parts.Pool
    ) -> tuple[list[str], list[str]]:
        """Fewer words."""
        keep = random.random(len(words)) >= self.knobs.rate
        keep[int(random.integers(len(words)))] |= not keep.any()
        tags = list(tags)
        for place in range(len(tags) - 1):
            if not keep[place] and tags[place][:1] == "B" and tags[place + 1] == f"I{tags[place][1:]}":
                tags[place + 1] = tags[place]
        pairs = [(word, tag) for word, tag, kept in zip(words, tags, keep, strict=True) if kept]
        return [word for word, _ in pairs], [tag for _, tag in pairs]


class Swap(parts.Augmentation):
    """Pairs of words change places.

    Wei & Zou 2019, "random swap". Where words have tags, only within a name or a stretch between names, so that the
    tags still fit (Dai & Adel, COLING 2020, "shuffle within segments").
    """

    name = "swap"
    title = "Random swap"
    applications = ("sentiment", "ner", "summarisation")

    class Knobs(parts.Knobs):
        """How often."""

        rate: float = parts.knob(0.1, "Swaps as a share of the words; at least one.", gt=0, le=1)

    def change(
        self, words: list[str], tags: list[str], random: np.random.Generator, pool: parts.Pool
    ) -> tuple[list[str], list[str]]:
        """The same words in another order."""
        stretch, number = [], 0  # of each word: which name, or which stretch between two
        for place, tag in enumerate(tags):
            before = tags[place - 1] if place else tag
            number += tag[:1] == "B" or (tag == "O") != (before == "O")
            stretch.append(number)
        free = [i for i, one in enumerate(stretch) if stretch.count(one) > 1]
        for _ in range(max(1, round(self.knobs.rate * len(words))) if free else 0):
            one = free[int(random.integers(len(free)))]
            others = [i for i in free if stretch[i] == stretch[one] and i != one]
            other = others[int(random.integers(len(others)))]
            words[one], words[other] = words[other], words[one]
        return words, tags


class Insertion(parts.Augmentation):
    """A word near in meaning to one of the text is added somewhere.

    Wei & Zou 2019, "random insertion". In place of their thesaurus stand the encoder's nearest words of the training
    split; where it has no pretrained embeddings, or knows none near, the word itself. Never inside a name.
    """

    name = "insertion"
    title = "Random insertion"
    applications = ("sentiment", "ner")

    class Knobs(parts.Knobs):
        """How often."""

        rate: float = parts.knob(0.1, "Words added, as a share of those there; at least one.", gt=0, le=1)

    def change(
        self, words: list[str], tags: list[str], random: np.random.Generator, pool: parts.Pool
    ) -> tuple[list[str], list[str]]:
        """More words, outside names."""
        plain = [word for word, tag in zip(words, tags, strict=True) if tag == "O"]
        for _ in range(max(1, round(self.knobs.rate * len(words))) if plain else 0):
            word = plain[int(random.integers(len(plain)))]
            near = pool.near(word) or [word]
            places = [i for i in range(len(tags) + 1) if i == len(tags) or not tags[i].startswith("I-")]
            place = places[int(random.integers(len(places)))]
            words.insert(place, near[int(random.integers(len(near)))])
            tags.insert(place, "O")
        return words, tags
