"""Augmentations by themselves: what becomes of words, and that tags stay with them and stay well-formed."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from ctx.augmented import words_of
from ctx.lab.settings import _field
from ctx.parts import Choice
from ctx.registry import make, registry
from ctx.spans import spans

TAGGERS = [name for name, cls in registry("augment").items() if cls.of_words() and "ner" in cls.applications]
NAMES = {"PER": [("Ada",), ("Grace", "Brewster", "Hopper")], "LOC": [("New", "York")]}
SENTENCES = [
    (["Ada", "Lovelace", "met", "Grace", "Hopper", "in", "New", "York"], "B-PER I-PER O B-PER I-PER O B-LOC I-LOC"),
    (["Ada", "Grace", "Hopper"], "B-PER B-PER I-PER"),
    (["New", "York"], "B-LOC I-LOC"),
    (["nobody", "was", "there"], "O O O"),
    (["Rome"], "B-LOC"),
]


class Words:
    """A pool for a part by itself: two near words for each, a few names."""

    def near(self, word: str) -> Sequence[str]:
        return [f"{word}-like", f"{word}-ish"]

    def mentions(self, kind: str) -> Sequence[tuple[str, ...]]:
        return NAMES.get(kind, [])


def well_formed(tags: Sequence[str]) -> bool:
    """Every I- continues a name of its type."""
    return all(tag[0] != "I" or before[1:] == tag[1:] for before, tag in itertools.pairwise(["O", *tags]))


@pytest.mark.parametrize("name", TAGGERS)
def test_tags_stay_well_formed_and_one_a_word(name: str) -> None:
    cls = registry("augment")[name]
    high = _field("", "", cls.Knobs.model_fields["rate"], 0).high
    for rate in (cls.Knobs().rate, high):
        augmentation = make("augment", Choice(name=name, knobs={"rate": rate}))
        for seed, (words, tags) in itertools.product(range(200), SENTENCES):
            random = np.random.default_rng(seed)
            after, kept = augmentation.change(list(words), tags.split(), random, Words())
            assert len(after) == len(kept) > 0
            assert well_formed(kept), (after, kept)


def each(name: str, **knobs: float) -> list[tuple[list[str], list[str], list[str], list[str]]]:
    """Words and tags before and after, of many draws."""
    found = []
    for seed, (words, tags) in itertools.product(range(100), SENTENCES):
        after = make("augment", Choice(name=name, knobs=knobs)).change(
            list(words), tags.split(), np.random.default_rng(seed), Words()
        )
        found.append((words, tags.split(), *after))
    return found


def test_chinese_and_japanese_words_are_characters() -> None:
    assert words_of("味道很好!") == ["味", "道", "很", "好", "!"]
    assert words_of("とても good  coffee。") == ["と", "て", "も", "good", "coffee", "。"]


def test_deletion_leaves_the_other_words_in_order_and_their_types() -> None:
    for words, tags, after, kept in each("deletion", rate=0.5):
        places = iter(zip(words, tags, strict=True))
        for word, tag in zip(after, kept, strict=True):
            assert any(word == one and tag.partition("-")[2] == of.partition("-")[2] for one, of in places)


def test_as_many_words_are_deleted_as_asked_for() -> None:
    sizes = [(len(words), len(after)) for words, _, after, _ in each("deletion", rate=0.3) if len(words) == 8]
    assert np.mean([after / before for before, after in sizes]) == pytest.approx(0.7, abs=0.06)  # 800 words: 3.7 sd


def test_swapping_keeps_every_word_in_its_name_or_stretch() -> None:
    moved = 0
    for words, tags, after, kept in each("swap", rate=1.0):
        assert kept == tags
        found = spans(tags)
        assert all(Counter(words[a:b]) == Counter(after[a:b]) for _, a, b in found)
        assert Counter(words) == Counter(after)
        moved += words != after
    assert moved


def test_insertion_adds_near_words_outside_names_alone() -> None:
    for words, tags, after, kept in each("insertion", rate=0.4):
        added = [place for place, word in enumerate(after) if word.endswith(("-like", "-ish"))]
        assert bool(added) == ("O" in tags)
        assert [word for place, word in enumerate(after) if place not in added] == words
        assert [tag for place, tag in enumerate(kept) if place not in added] == tags
        assert all(kept[place] == "O" for place in added)


def test_synonyms_replace_words_that_are_no_names() -> None:
    for words, tags, after, kept in each("synonyms", rate=1.0):
        assert kept == tags
        assert all((one == other) == (tag != "O") for one, other, tag in zip(words, after, tags, strict=True))


def test_a_name_is_swapped_for_one_of_its_type() -> None:
    for words, tags, after, kept in each("entity-swap", rate=1.0):
        assert [w for w, t in zip(words, tags, strict=True) if t == "O"] == [
            w for w, t in zip(after, kept, strict=True) if t == "O"
        ]
        named = [(kind, tuple(after[a:b])) for kind, a, b in spans(kept)]
        assert [kind for kind, _ in named] == [kind for kind, _, _ in spans(tags)]
        assert all(name in NAMES[kind] for kind, name in named)
