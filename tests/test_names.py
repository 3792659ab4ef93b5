"""Culture contexts: frames written here, filled with a language's names; made up, and the same everywhere."""

import csv
import re
from collections import Counter
from importlib import metadata

import pytest
from faker import Faker

from ctx import data, sample_files
from ctx.contexts.names import CHOICE, FRAMES, LOCALES, PARTS, SLOT, TYPES, Names, filled
from ctx.registry import registry
from tests.contexts_checked import assert_splits_are_apart, assert_well_tagged, chosen, entities

every_culture = pytest.mark.parametrize("context", PARTS, ids=lambda context: context.name)
ASKED = ["zh", "es", "fr", "de", "it", "pt", "ja", "ru"]
SCRIPTS = {"zh": r"[\u4e00-\u9fff]", "ja": r"[\u3040-\u30ff\u4e00-\u9fff]", "ru": r"[\u0400-\u04ff]"}


def frames() -> dict[str, list[str]]:
    with sample_files.path(FRAMES).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {code: [row["text"] for row in rows if row["locale"] == code] for code in LOCALES}


def test_the_registry_finds_a_context_for_every_culture_and_each_says_it_is_made_up() -> None:
    for language in ASKED:
        part = registry("contexts")[f"ner/names-{language}"]
        assert part.language == language
        assert "made up" in part.title
        assert part.origin.startswith("Made up")
        assert part.labels == ("LOC", "ORG", "PER")
        assert not part.assets


@pytest.mark.parametrize("code", LOCALES)
def test_frames_are_many_all_different_and_some_name_nobody(code: str) -> None:
    found = frames()[code]
    assert len(set(found)) == len(found) >= 30
    slots = [SLOT.findall(frame) for frame in found]
    assert {slot for names in slots for slot in names} <= set(TYPES)
    assert 5 <= sum(not names for names in slots) <= len(found) / 4
    assert sum(len(names) > 1 for names in slots) >= 15
    assert {TYPES[slot] for names in slots for slot in names} == {"PER", "LOC", "ORG"}
    leftover = [SLOT.sub("", CHOICE.sub("", frame)) for frame in found]
    assert not [text for text in leftover if re.search(r"[][{}|]", text)]


@every_culture
def test_a_culture_has_about_600_sentences_in_its_own_script(context: type[Names]) -> None:
    examples = context().examples()
    assert_well_tagged(examples)
    assert 600 <= len(examples) <= 680
    assert len({example.input for example in examples}) == len(examples)
    script = re.compile(SCRIPTS.get(context.language, r"[A-Za-z]"))
    assert all(script.search("".join(example.input)) for example in examples)
    if context.language in ("zh", "ja"):
        assert all(len(word) == 1 for example in examples for word in example.input)


@every_culture
def test_all_three_types_occur_with_many_names_each(context: type[Names]) -> None:
    names: dict[str, list[str]] = {"LOC": [], "ORG": [], "PER": []}
    for example in context().examples():
        for kind, text in entities(example):
            names[kind].append(text)
    for kind, found in names.items():
        assert len(found) > 200, kind
        assert len(set(found)) > 70, kind
        assert Counter(found).most_common(1)[0][1] < len(found) / 10, kind


@every_culture
def test_splits_share_no_frame_and_no_text(context: type[Names]) -> None:
    assert_splits_are_apart(context.name)
    for split in vars(data.splits(chosen(context.name))).values():
        assert {kind for example in split for kind, _ in entities(example)} == {"LOC", "ORG", "PER"}


def test_the_same_sentences_come_every_time() -> None:
    context = registry("contexts")["ner/names-es"]
    assert context().examples() == context().examples()


def test_a_digest_names_the_frames_and_fakers_version(monkeypatch: pytest.MonkeyPatch) -> None:
    context = registry("contexts")["ner/names-es"]
    before = context().digest()
    assert sample_files.digest(FRAMES) in before
    monkeypatch.setattr(metadata, "version", lambda name: f"{name} 0")
    assert context().digest() != before


def test_a_frame_is_filled_with_marked_names_and_one_of_its_words() -> None:
    fake = Faker("de_DE")
    fake.seed_instance(3)
    texts = {filled("{man} kommt (heute|morgen) aus {city} (allein) zu {company}.", "de_DE", fake) for _ in range(40)}
    shape = re.compile(r"\[PER \S+ [^]]+\] kommt (heute|morgen) aus \[LOC [^]]+\] \(allein\) zu \[ORG [^]]+\]\.?")
    assert all(shape.fullmatch(text) for text in texts)
    assert {match[1] for text in texts if (match := shape.fullmatch(text))} == {"heute", "morgen"}
    assert not any("..]" in text or ".]." in text for text in texts)


@pytest.mark.parametrize("code", ["fr_FR", "pt_BR"])
def test_towns_made_from_surnames_are_more_than_the_surname(code: str) -> None:
    fake = Faker(code)
    fake.seed_instance(5)
    for _ in range(100):
        town = filled("{city}", code, fake)
        assert re.fullmatch(r"\[LOC \w.*[ -].*\]", town), town
