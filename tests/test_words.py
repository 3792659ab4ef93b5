"""Words and their tokens, texts to be written and their ids, and a table of words that is too large to learn whole."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ctx import encoder
from ctx.backbones.minilm import ASSET
from ctx.layers import Table, narrow
from ctx.parts import Backbone, Choice
from ctx.registry import make

TINY: Backbone = make("backbones", Choice(name="tiny"))
LONG = "Donaudampfschifffahrtsgesellschaft"


def subwords(folder: Path) -> Path:
    """A SentencePiece-like tokenizer: “▁” stands for a space, long words and Chinese come in pieces."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    pieces = [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        "▁",
        "▁in",
        "▁we",
        "at",
        "e",
        "▁Donau",
        "dampf",
        "schiff",
        "北京",
        "在",
        "。",
    ]
    found = Tokenizer(models.Unigram([(piece, -len(pieces) / len(piece)) for piece in pieces], unk_id=3))
    split = pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")
    found.pre_tokenizer, found.decoder = pre_tokenizers.Sequence(list(split)), decoders.Metaspace()
    ends = [("<s>", 0), ("</s>", 2)]
    found.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    found.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    folder.mkdir()
    found.save(str(folder / "tokenizer.json"))
    return folder


def heads(folder: Path, words: tuple[str, ...], separator: str, longest: int = 40, prefix: str = "") -> list[str]:
    """The token at which each word begins, as text."""
    ((ids, firsts),) = encoder.tokenize_words(folder, [words], separator, longest, prefix)
    assert ids.dtype == firsts.dtype == np.int64
    assert len(firsts) == len(words)
    tool = encoder.tokenizer(folder)
    return [tool.id_to_token(int(ids[first])) if first >= 0 else "" for first in firsts]


def test_each_word_begins_at_its_first_piece(tmp_path: Path) -> None:
    folder = subwords(tmp_path / "model")
    words = ("we", "eat", "in", "Donaudampfschiff", "北京")
    assert heads(folder, words, " ") == ["▁we", "e", "▁in", "▁Donau", "北京"]
    assert heads(folder, words, " ", prefix="in: ") == ["▁we", "e", "▁in", "▁Donau", "北京"]


def test_characters_that_one_piece_covers_begin_at_the_same_place(tmp_path: Path) -> None:
    folder = subwords(tmp_path / "model")
    assert heads(folder, tuple("在北京。"), "") == ["在", "北京", "北京", "。"]
    ((_, firsts),) = encoder.tokenize_words(folder, [tuple("在北京。")], "", 40)
    assert firsts.tolist() == [2, 3, 3, 4]  # after <s> and ▁


def test_words_that_were_cut_off_or_hold_nothing_begin_nowhere(tmp_path: Path) -> None:
    folder = subwords(tmp_path / "model")
    assert heads(folder, ("in", "", " ", "we", "in", "we"), " ", longest=4) == ["▁in", "", "", "▁we", "", ""]
    assert heads(folder, (), " ") == []


def test_texts_to_be_written_end_with_the_end_and_come_back(tmp_path: Path) -> None:
    folder = subwords(tmp_path / "model")
    whole, cut = encoder.target_ids(folder, ["we eat in 北京", "we we we we we we we we"], 8)
    assert whole[-1] == cut[-1] == 2
    assert len(cut) == 7 + 1
    assert encoder.decode(folder, [whole, np.append(whole, [1, 1])]) == ["we eat in 北京"] * 2


@pytest.mark.network
def test_minilm_finds_the_words_of_a_tweet(fetched: Callable[..., None]) -> None:
    fetched(ASSET)
    backbone = make("backbones", Choice(name="minilm"))
    words = ("Gr8", "to", "meet", "@Angela", "in", "Heilbronn", "!")
    ((ids, firsts),) = backbone.encode_words([words])
    tool = encoder.tokenizer(backbone.folder())
    found = [tool.id_to_token(int(ids[first])) for first in firsts]
    assert found == ["gr", "to", "meet", "@", "in", "he", "!"]
    assert np.array_equal(ids, backbone.encode([" ".join(words)])[0])


def test_tiny_finds_the_words_of_a_sentence() -> None:
    ((ids, firsts),) = TINY.encode_words([("We", "don't", "eat", "www.cafe.de", "…", "_", "在", "北京")])
    assert firsts.tolist() == [1, 2, 3, 4, 9, -1, 10, 11]
    assert len(ids) == 13
    assert np.array_equal(ids, TINY.encode(["We don't eat www.cafe.de … _ 在北京"])[0])


def test_tiny_cuts_a_long_sentence() -> None:
    ((ids, firsts),) = TINY.encode_words([("a",) * 126 + ("b.c", "d")])
    assert len(ids) == 128
    assert firsts.tolist() == [*range(1, 128), -1]


TEXTS = [
    "Save the file_name, please: “don't” wait…",
    f"Die {LONG} (1829) zahlt 3,50 €.",
    "在北京的 Wi-Fi 很慢。",
    "Ä\u0308 x²=½",
]


def test_tiny_reads_back_what_it_wrote() -> None:
    rows = TINY.target_ids(TEXTS, 64)
    assert TINY.decode(rows) == TEXTS
    assert all(row.dtype == np.int64 and row[-1] == 2 and row.min() >= 2 and row.max() < 2**31 for row in rows)


def test_tiny_cuts_a_text_to_be_written_and_ends_it() -> None:
    (row,) = TINY.target_ids(["one two three four"], 3)
    assert row[-1] == 2
    assert TINY.decode([row]) == ["one two"]
    assert TINY.decode([np.array([2, 77, 1])]) == [""]


def test_tiny_has_no_vectors_to_start_from() -> None:
    assert TINY.vectors(np.array([5, 6])) is None


def test_of_a_large_table_only_the_rows_in_use_learn_and_what_it_gives_stays() -> None:
    shared = Table(torch.randn(50, 4).half())
    own = copy.deepcopy(shared)
    assert own.weight.data_ptr() == shared.weight.data_ptr()
    ids = torch.tensor([[7, 3, 7], [49, 0, 3]])
    before = shared(ids)
    assert before.dtype == torch.float32
    assert torch.equal(before, shared.table[ids].float())
    narrow([torch.nn.Sequential(own)], lambda: [np.array([3, 7, 7]), np.array([3])])
    assert torch.equal(own(ids), before)
    assert own.weight.shape == (3, 4)  # 0, the padding, is always in use
    own(ids).square().sum().backward()
    with torch.no_grad():
        own.weight -= 0.1 * own.weight.grad
    after = own(ids)
    moved = (after != before).any(-1)
    assert moved.tolist() == [[True, True, True], [False, True, True]]
    assert torch.allclose(after[0, 1], before[0, 1] * (1 - 0.1 * 2 * 2))  # row 3 was seen twice
    assert torch.equal(shared(ids), before)
