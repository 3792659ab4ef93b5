"""The sample sentences with names: enough, varied, well marked, there without a network."""

import csv
import re
from collections import Counter, defaultdict

import pytest

import ctx.home
from ctx.contexts.samples_ner import OfficeEnglish, SampleNames, TravelChinese
from ctx.errors import Unavailable
from ctx.registry import registry
from ctx.sample_files import path
from tests.contexts_checked import assert_splits_are_apart, assert_well_tagged, entities

SAMPLES = [OfficeEnglish, TravelChinese]
every_sample = pytest.mark.parametrize("context", SAMPLES, ids=lambda context: context.name)


@every_sample
def test_the_registry_finds_every_sample(context: type[SampleNames]) -> None:
    assert registry("contexts")[context.name] is context
    assert context.sample
    assert not context.assets
    assert (context.application, context.labels) == ("ner", ("LOC", "ORG", "PER"))


@every_sample
def test_a_sample_has_150_sentences_in_40_frames(context: type[SampleNames]) -> None:
    examples = context().examples()
    assert_well_tagged(examples)
    assert len(examples) >= 150
    assert len({example.input for example in examples}) == len(examples)
    frames = Counter(example.group for example in examples)
    assert len(frames) >= 40
    assert max(frames.values()) <= 6


@every_sample
def test_types_are_balanced_names_varied_and_some_sentences_name_nobody(context: type[SampleNames]) -> None:
    examples = context().examples()
    names = defaultdict(list)
    for example in examples:
        for kind, text in entities(example):
            names[kind].append(text)
    assert all(len(found) >= 40 for found in names.values())
    assert all(len(set(found)) >= 20 for found in names.values())
    assert 0.15 < sum(example.stratum == "none" for example in examples) / len(examples) < 0.35


@every_sample
def test_splits_share_no_frame_and_no_text(context: type[SampleNames]) -> None:
    assert_splits_are_apart(context.name)


@every_sample
def test_every_bracket_marks_a_known_type(context: type[SampleNames]) -> None:
    with path(context.file).open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    for text in texts:
        rest = re.sub(r"\[(PER|LOC|ORG) [^][]+\]", "", text)
        assert not re.search(r"[][]", rest), text


def test_the_chinese_sample_is_in_characters_and_the_english_one_in_words() -> None:
    assert all(len(word) == 1 for example in TravelChinese().examples() for word in example.input)
    words = {word for example in OfficeEnglish().examples() for word in example.input}
    assert words >= {"'s", "R."}
    assert not [word for word in words if " " in word]


def test_a_digest_names_the_content_of_the_file() -> None:
    assert len({context().digest() for context in SAMPLES}) == 2
    assert OfficeEnglish().digest() == OfficeEnglish().digest()


@pytest.mark.parametrize("content", [None, b"id,text\n1,Fine.\n", b"id,text,frame\n1,,a\n"])
def test_a_missing_or_damaged_file_is_said_in_one_sentence(content, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(ctx.home, "project", lambda: tmp_path)
    if content is not None:
        (tmp_path / "sample_data").mkdir()
        (tmp_path / "sample_data" / "office-en.csv").write_bytes(content)
    with pytest.raises(Unavailable, match=r"^The sample file .*office-en\.csv .*: restore it from the project"):
        OfficeEnglish().examples()
