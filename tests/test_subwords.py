"""Sub-word dropout: the same text in other pieces of the vocabulary, words still read where they begin."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import pytest
import torch
from test_augment import run

from ctx import assets
from ctx.augment.subwords import SubwordDropout
from ctx.augmented import Batches
from ctx.backbones import e5, minilm
from ctx.batches import Encoded
from ctx.config import canonical
from ctx.parts import Augmentation, Backbone, Choice, Example, Pieces
from ctx.prefix import Memo
from ctx.registry import make, part
from ctx.resplit import resplit
from ctx.setup import Setup
from ctx.tasks.tagging import Tagging
from ctx.train import Trainer

LETTERS = "abcdefghijklmnopqrstuvwxyz"
SCRIPTS = ["abcdeéñ", "абвгдежз", "αβγδεζη", "私たちは東京都に", "أبتثجحخ", "नमस्तेदुनिया", "🙂🎉e\u0301"]


def wordpiece(longer: Sequence[str] = ()) -> Pieces:
    """[PAD] [CLS] [SEP], letters, letters inside a word, and what is given."""
    return Pieces(["", "", "", *LETTERS, *(f"##{one}" for one in LETTERS), *longer], "##")


def ids(pieces: Pieces, *tokens: str) -> list[int]:
    return [list(pieces.tokens).index(token) for token in tokens]


def made(rate: float) -> SubwordDropout:
    part: SubwordDropout = make("augment", Choice(name="subword-dropout", knobs={"rate": rate}))
    return part


def tagged(inputs: Sequence[Sequence[int]], words: Sequence[Sequence[str]], places: Sequence[Sequence[int]]) -> Encoded:
    """Encoded sentences whose words bear the tag of their number."""
    longest = max(len(row) for row in words)
    targets = np.full((len(inputs), longest, 2), -100)
    for row, where in enumerate(places):
        targets[row, : len(where)] = np.stack([np.arange(len(where)), where], axis=1)
    rows = [np.asarray(row, np.int64) for row in inputs]
    examples = [Example(str(n), tuple(row), ("O",) * len(row), "") for n, row in enumerate(words)]
    return Encoded("", examples, rows, targets, targets, np.asarray([len(row) for row in rows]), True)


class Whole(Augmentation):
    """Every piece as single characters."""

    def split(self, ids: Sequence[int], pieces: Pieces, random: np.random.Generator) -> list[list[int]]:
        return [pieces.shorter(id, 1.0, random) for id in ids]


# -- one piece


def test_at_rate_one_a_piece_becomes_its_letters_with_the_marks_of_its_place() -> None:
    pieces = wordpiece(["walk", "##ing"])
    random = np.random.default_rng(0)
    assert pieces.shorter(*ids(pieces, "walk"), 1.0, random) == ids(pieces, "w", "##a", "##l", "##k")
    assert pieces.shorter(*ids(pieces, "##ing"), 1.0, random) == ids(pieces, "##i", "##n", "##g")
    assert pieces.shorter(1, 1.0, random) == [1]


def test_a_piece_with_a_letter_that_the_vocabulary_lacks_is_said_by_what_it_has() -> None:
    pieces = Pieces(["", "▁", "a", "b", "▁ab", "bñ", "▁abñ", "ñuñ"], "")
    random = np.random.default_rng(0)
    assert [pieces.tokens[id] for id in pieces.shorter(6, 1.0, random)] == ["▁", "a", "bñ"]
    assert pieces.shorter(7, 1.0, random) == [7]


def test_how_often_each_way_is_taken_is_max_match_with_dropout() -> None:
    pieces = Pieces(["", "a", "b", "c", "ab", "bc", "abc"])
    random = np.random.default_rng(0)
    rate, times = 0.4, 4000
    ways = [tuple(way) for _ in range(times) for way in made(rate).split([6], pieces, random)]
    expected = {(6,): 1 - rate, (4, 3): rate * (1 - rate), (1, 5): rate * rate * (1 - rate), (1, 2, 3): rate**3}
    assert set(ways) == set(expected)
    for way, share in expected.items():
        assert ways.count(way) / times == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("mark", ["##", ""])
@pytest.mark.parametrize("script", SCRIPTS)
def test_pieces_join_to_the_same_text_and_all_are_in_the_vocabulary(script: str, mark: str) -> None:
    random = np.random.default_rng(sum(map(ord, script)))
    for _ in range(60):
        start = "" if mark else "▁"
        words = {"".join(random.choice(list(script), random.integers(1, 6))) for _ in range(20)}
        tokens = ["", "", *(start + word for word in sorted(words)), *(mark + word for word in sorted(words))]
        tokens += sorted(set(script) - words) + ([f"##{one}" for one in sorted(set(script) - words)] if mark else ["▁"])
        tokens = list(dict.fromkeys(tokens[2:]))
        drop = random.random(len(tokens)) < 0.2  # a vocabulary lacks letters
        pieces = Pieces(["", "", *(one for one, gone in zip(tokens, drop, strict=True) if not gone)], mark)
        text = random.integers(2, len(pieces.tokens), 8).tolist()
        for rate in (0.01, 0.5, 1.0):
            ways = made(rate).split(text, pieces, random)
            assert len(ways) == len(text)
            for piece, way in zip(text, ways, strict=True):
                said = [pieces.tokens[id] for id in way]
                assert "" not in said
                inside = mark and pieces.tokens[piece].startswith(mark)
                joined = said[0] + "".join(one.removeprefix(mark) for one in said[1:])
                assert joined == pieces.tokens[piece]
                assert all(one.startswith(mark) for one in said[0 if inside else 1 :])


# -- words


def test_words_are_read_at_the_first_of_their_new_pieces() -> None:
    pieces = wordpiece(["walk", "##ing", "dogs"])
    one = tagged([[1, *ids(pieces, "walk", "##ing", "dogs"), 2]], [["walking", "dogs", "gone"]], [[1, 3, -1]])
    after, moved = resplit(one, Whole(), [np.random.default_rng(0)], pieces, Tagging(), False)
    assert [pieces.tokens[id] for id in after.inputs[0]] == (
        ["", *["w", "##a", "##l", "##k", "##i", "##n", "##g", "d", "##o", "##g", "##s"], ""]
    )
    assert after.targets[0].tolist() == [[0, 1], [1, 8], [2, -1]]
    assert moved.tolist() == [True]
    assert after.lengths.tolist() == [13]
    assert one.targets[0, 1, 1] == 3


def test_a_piece_that_is_only_a_space_is_not_where_a_word_is_read() -> None:
    pieces = Pieces(["", "", "▁", "a", "b", "▁ab"], "")
    one = tagged([[0, 5, 5, 1]], [["ab", "ab"]], [[1, 2]])
    after, _ = resplit(one, Whole(), [np.random.default_rng(0)], pieces, Tagging(), False)
    assert after.inputs[0].tolist() == [0, 2, 3, 4, 2, 3, 4, 1]
    assert after.targets[0, :, 1].tolist() == [2, 5]


def test_words_that_shared_a_piece_are_read_where_each_begins_and_else_nothing_is_split() -> None:
    pieces = Pieces(["", "", "▁", "東", "京", "都", "に", "▁東京", "都に", "▁東"], "")
    one = tagged([[0, 7, 8, 1]], [["東", "京都", "に"]], [[1, 1, 2]])
    after, _ = resplit(one, Whole(), [np.random.default_rng(0)], pieces, Tagging(), True)
    assert after.inputs[0].tolist() == [0, 2, 3, 4, 5, 6, 1]
    assert after.targets[0, :, 1].tolist() == [2, 3, 5]
    other = tagged([[0, 7, 8, 1]], [["东", "京都", "に"]], [[1, 1, 2]])
    after, moved = resplit(other, Whole(), [np.random.default_rng(0)], pieces, Tagging(), True)
    assert (after.inputs[0] is other.inputs[0], moved.tolist()) == (True, [False])


def test_what_is_longer_than_the_backbone_takes_is_cut_before_its_end() -> None:
    pieces = Pieces(["", *LETTERS, "abcdef", "gh", ""], longest=8)
    one = tagged([[0, *ids(pieces, "abcdef", "gh", "i"), 29]], [["abcdef", "gh", "i"]], [[1, 2, 3]])
    after, _ = resplit(one, Whole(), [np.random.default_rng(0)], pieces, Tagging(), False)
    assert after.inputs[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 29]
    assert after.targets[0, :, 1].tolist() == [1, -1, -1]


# -- a run


@pytest.fixture
def lent(monkeypatch: pytest.MonkeyPatch) -> Pieces:
    """A vocabulary for the tiny encoder: numbers in eights."""
    numbers = Pieces([f"{id:o}" if id > 1 else "" for id in range(8192)])
    monkeypatch.setattr(part("backbones", "tiny"), "pieces", lambda self: numbers)
    return numbers


def batches(rate: float, application: str, seed: int = 0) -> Batches:
    augment = (Choice(name="subword-dropout", knobs={"rate": rate}),)
    return Setup(canonical(run(application, augment=augment, seed=seed))).batches["source"]


@pytest.mark.parametrize("application", SubwordDropout.applications)
def test_unless_a_piece_is_hit_a_batch_is_the_contexts_own_to_the_bit(lent: Pieces, application: str) -> None:
    one = batches(1e-12, application)
    for n in range(4):
        plain, batch = one.rows.encoded.batch(one.sampler[n]), one[n]
        assert batch.changed == 0
        assert torch.equal(plain.inputs, batch.inputs)
        assert torch.equal(plain.targets, batch.targets)
        assert torch.equal(plain.mask, batch.mask)


@pytest.mark.parametrize("application", SubwordDropout.applications)
def test_batches_are_the_same_for_the_same_seed_and_count_what_differs(lent: Pieces, application: str) -> None:
    one, again, other = (batches(0.3, application, seed) for seed in (0, 0, 1))
    for n in (3, 0, 1):
        batch, rows = one[n], one.sampler[n]
        assert torch.equal(batch.inputs, again[n].inputs)
        own = [batch.encoded.inputs[row].tolist() for row in batch.rows]
        plain = [one.rows.encoded.inputs[row].tolist() for row in rows]
        assert 0 < batch.changed == sum(a != b for a, b in zip(own, plain, strict=True))
        some = min(batch.length, other[n].length)
        assert not torch.equal(batch.inputs[:, :some], other[n].inputs[:, :some])


def test_frozen_outputs_of_changed_pieces_are_computed_plainly_and_not_kept(lent: Pieces) -> None:
    config = canonical(run("sentiment", tuning="head", augment=(Choice(name="subword-dropout"),)))
    trainer = Trainer(Setup(config), Memo())
    trainer.begin()
    trainer.model.eval()
    batch = trainer._next("target")
    assert batch.changed
    assert torch.equal(trainer._forward("target", batch)[0], trainer.model.run(batch))
    assert not trainer.frozen.features.tables


# -- real vocabularies

TEXTS = [
    "The unbelievably long walk, indefatigably.",
    "Ärger über Müßiggänger in Köln",
    "我们在北京大学学习人工智能。",
    "東京都知事は昨日、記者会見を開いた。",
    "Недоразумения и злоупотребления",
    "الاستقلالية والمسؤولية",
    "naïve café — don't 🙂",
]


@pytest.mark.network
@pytest.mark.parametrize(("name", "asset"), [("minilm", minilm.ASSET), ("e5", e5.ASSET)])
def test_real_vocabularies_give_back_the_text_and_words_keep_their_place(
    name: str, asset: assets.Asset, fetched: object
) -> None:
    fetched(asset)
    backbone: Backbone = make("backbones", Choice(name=name))
    pieces = backbone.pieces()
    random = np.random.default_rng(0)
    for row in backbone.encode(TEXTS):
        text = [id for id in row.tolist() if pieces.tokens[id]]
        for rate in (0.2, 1.0):
            ways = [pieces.shorter(id, rate, random) for id in text]
            if name == "minilm":
                said = ["".join(pieces.tokens[id].removeprefix("##") for id in way) for way in ways]
                assert said == [pieces.tokens[id].removeprefix("##") for id in text]
            else:
                assert backbone.decode([np.asarray([*chain(*ways)])]) == backbone.decode([np.asarray(text)])
        assert len([*chain(*ways)]) > len(text) or all(len(pieces.text(id)) == 1 for id in text)
    for words, separator in ((tuple(TEXTS[1].split()), " "), (tuple(TEXTS[3]), ""), (tuple(TEXTS[2]), "")):
        ((row, places),) = backbone.encode_words([words], separator)
        one = tagged([row.tolist()], [words], [places.tolist()])
        after, _ = resplit(one, Whole(), [random], pieces, Tagging(), not separator)
        assert after.inputs[0][: pieces.frame].tolist() == row[: pieces.frame].tolist()
        for word, place in zip(words, after.targets[0, :, 1], strict=True):
            letter = pieces.text(int(after.inputs[0][place])).casefold()
            unknown = name == "minilm" and not letter
            assert unknown or word[0].casefold().startswith(letter[0]) or word[0] in "ÄÜü"
