"""Splits are fixed and clean; the labelled subsets of a draw are nested and balanced."""

import hashlib
import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from ctx import data
from ctx.errors import BadInput, Unavailable, UnknownName
from ctx.parts import Example

ROOT = Path(__file__).parents[1]
TWEETS = SimpleNamespace(id="sentiment/tweets", knobs={})


def documents(sizes: list[int], labels: str = "ab") -> list[Example]:
    """Documents of these sizes; the n-th sentence of document d takes labels by turns, the first twice as often."""
    turns = labels[0] + labels
    return [
        Example(f"{d}_{n}", f"sentence {n} of {d}", turns[(d + n) % len(turns)], f"d{d}")
        for d, size in enumerate(sizes)
        for n in range(size)
    ]


EVEN = documents([1] * 600)


@pytest.mark.parametrize("sizes", [[1] * 600, [7, 13, 2, 30, 1] * 20, [40] * 20])
def test_splits_are_by_document_about_65_15_20_and_stratified(sizes: list[int]) -> None:
    examples = documents(sizes)
    splits = vars(data.divide(examples))
    assert Counter(e.id for split in splits.values() for e in split) == Counter(e.id for e in examples)
    assert len({(e.group, name) for name, split in splits.items() for e in split}) == len(sizes)
    for name, share in data.SHARES.items():
        assert len(splits[name]) == pytest.approx(share * len(examples), abs=max(sizes) / 2 + 1)
        assert Counter(e.output for e in splits[name])["a"] / len(splits[name]) == pytest.approx(2 / 3, abs=0.03)


def test_groups_split_by_name_lie_in_the_same_split_wherever_they_occur_and_keep_about_the_shares() -> None:
    whole, some = documents([2] * 3000), documents([1] * 400)
    large, small = (vars(data.divide(examples, by_name=True)) for examples in (whole, some))
    where = {e.group: name for name, split in large.items() for e in split}
    assert len(where) == 3000
    assert all(where[e.group] == name for name, split in small.items() for e in split)
    assert sum(map(len, large.values())) == 6000
    for name, share in data.SHARES.items():
        assert len(large[name]) / 6000 == pytest.approx(share, abs=0.03)
    balanced = {e.group: name for name, split in vars(data.divide(some)).items() for e in split}
    assert balanced != {group: where[group] for group in balanced}


def test_a_context_says_whether_its_groups_are_split_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = SimpleNamespace(id="sentiment/sample-cafes-en", knobs={})
    by_name = vars(data.divide(data.context(choice).examples(), by_name=True))
    assert vars(data.splits(choice)) != by_name
    monkeypatch.setattr(type(data.context(choice)), "split_by_name", True)
    data._splits.cache_clear()
    assert vars(data.splits(choice)) == by_name
    data._splits.cache_clear()


def test_numbers_are_split_at_random_and_kept_though_equal() -> None:
    rows = [Example(str(n), (0.0, 1.0), (float(n),), str(n)) for n in range(200)]
    splits = data.divide(rows)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (130, 30, 40)
    assert [e.id for e in splits.test] != [str(n) for n in range(160, 200)]


def test_copies_go_and_texts_with_two_answers_go_altogether() -> None:
    rows = [("Good  day", "a"), ("good day", "a"), ("So so", "a"), ("so SO", "b"), ("so so", "a"), ("bad", "b")]
    kept = data.unique(Example(str(n), text, label, str(n)) for n, (text, label) in enumerate(rows))
    assert [(e.id, e.input) for e in kept] == [("0", "Good  day"), ("5", "bad")]


def test_subsets_of_one_draw_are_nested_and_draws_differ() -> None:
    def labels_used(size: int, seed: int) -> set[str]:
        return {e.id for part in data.labelled(EVEN, size, seed) for e in part}

    for seed in (0, 1):
        chain = [labels_used(size, seed) for size in (2, 20, 99, 100, 500)]
        assert [len(used) for used in chain] == [2, 20, 99, 100, 500]
        assert all(smaller < larger for smaller, larger in pairwise(chain))
    assert len(labels_used(20, 0) & labels_used(20, 1)) < 10


@pytest.mark.parametrize("labels", ["ab", "abcde"])
def test_every_prefix_keeps_the_labels_shares_and_every_label_comes_at_once(labels: str) -> None:
    train = documents([1] * 600, labels)
    shares = {label: n / 600 for label, n in Counter(e.output for e in train).items()}
    drawn, _ = data.labelled(train, 99, seed=3)
    for size in range(len(labels), 100):
        found = Counter(e.output for e in drawn[:size])
        assert set(found) == set(labels)
        assert all(abs(found[label] - share * size) <= 2 for label, share in shares.items())


def test_every_fifth_label_is_set_aside_from_one_hundred_on() -> None:
    assert [len(part) for part in data.labelled(EVEN, 99, 0)] == [99, 0]
    learn, select = data.labelled(EVEN, 100, 0)
    assert (len(learn), len(select)) == (80, 20)
    assert not {e.id for e in learn} & {e.id for e in select}
    assert 9 <= Counter(e.output for e in select)["a"] <= 17
    more_learn, more_select = data.labelled(EVEN, None, 0)
    assert (len(more_learn), len(more_select)) == (480, 120)
    assert {e.id for e in select} < {e.id for e in more_select}


def test_numbers_have_nested_subsets_too() -> None:
    rows = [Example(str(n), (0.0,), (float(n),), str(n)) for n in range(50)]
    small, large = (data.labelled(rows, size, 0)[0] for size in (20, 40))
    assert small == large[:20]
    assert len({e.id for e in large}) == 40


def test_sizes_that_cannot_be_say_what_can() -> None:
    with pytest.raises(BadInput, match="601 labels were asked for, the context has 600"):
        data.labelled(EVEN, 601, 0)
    with pytest.raises(BadInput, match="0 labels were asked for: give at least 1"):
        data.labelled(EVEN, 0, 0)


def test_the_digest_names_the_knobs_that_differ_from_the_default() -> None:
    same = SimpleNamespace(id="sentiment/tweets", knobs={"min_rating": 0.5})
    other = SimpleNamespace(id="sentiment/tweets", knobs={"min_rating": 1})
    assert data.digest(TWEETS) == data.digest(same)
    assert len({data.digest(c) for c in (TWEETS, other, SimpleNamespace(id="sentiment/movies", knobs={}))}) == 3


def test_a_context_that_is_not_fetched_has_no_sizes_and_says_why_it_has_no_examples() -> None:
    assert not data.available(TWEETS)
    assert data.sizes(TWEETS) == {}
    with pytest.raises(Unavailable, match=r"vaderSentiment-3.3.2.tar.gz \(2.5 MB\)"):
        data.splits(TWEETS)


def test_unknown_contexts_and_knobs_are_refused() -> None:
    with pytest.raises(UnknownName, match="sentiment/tweets"):
        data.context(SimpleNamespace(id="sentiment/tweet", knobs={}))
    with pytest.raises(BadInput, match="min_rating"):
        data.context(SimpleNamespace(id="sentiment/tweets", knobs={"min_rating": 5}))


def test_sizes_are_remembered_on_disk(home: Path) -> None:
    (home / "sizes").mkdir()
    kept = {"train": 3, "validation": 1, "test": 1}
    (home / "sizes" / f"{data.digest(TWEETS)}.json").write_text(json.dumps(kept))
    assert data.sizes(TWEETS) == kept


def test_another_process_finds_the_same_splits_and_subsets_without_torch_or_sklearn() -> None:
    code = """
import hashlib, sys
sys.path[:0] = sys.argv[1:]
from test_data import EVEN, print_of
print(print_of(), "torch" in sys.modules, "sklearn" in sys.modules)
"""
    found = [
        subprocess.run(
            [sys.executable, "-c", code, str(ROOT), str(ROOT / "tests")], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert found == [f"{print_of()} False False\n"] * 2


def print_of() -> str:
    ids = [[e.id for e in split] for split in vars(data.divide(EVEN)).values()]
    drawn = [[e.id for e in part] for part in data.labelled(EVEN, 100, 7)]
    return hashlib.sha256(json.dumps([ids, drawn]).encode()).hexdigest()


def test_lists_do_not_wait_for_the_sizes_of_a_slow_context_until_it_was_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choice = SimpleNamespace(id="sentiment/sample-cafes-en", knobs={})
    monkeypatch.setattr(type(data.context(choice)), "slow", True)
    assert data.sizes(choice, patient=False) == {}
    counted = data.sizes(choice)
    assert sum(counted.values()) == len(data.context(choice).examples())
    assert data.sizes(choice, patient=False) == counted


def test_a_context_that_reads_what_is_not_there_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = SimpleNamespace(id="sentiment/sample-cafes-en", knobs={})
    assert data.available(choice)
    monkeypatch.setattr(type(data.context(choice)), "present", lambda self: False)
    assert not data.available(choice)
    assert data.sizes(SimpleNamespace(id=choice.id, knobs={})) == {}
