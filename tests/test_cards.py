"""A context's card: counted right, once, from what is there and nothing else."""

import json
from pathlib import Path

import pytest

from ctx import cards, data, kept
from ctx.cli import main
from ctx.config import ContextChoice
from ctx.errors import UnknownName
from ctx.parts import Context, Example
from ctx.registry import registry
from ctx.wording import lengths, words

OFFICE, CAFES = ContextChoice(id="ner/sample-office-en"), ContextChoice(id="sentiment/sample-cafes-zh")
HERE = [name for name, cls in registry("contexts").items() if cls.sample or name.startswith("lesson/")]


class Five(Context):
    """Five reviews, two of them alike and one torn."""

    name = "sentiment/five"
    title = "Five"
    application = "sentiment"
    labels = ("bad", "good")

    def examples(self) -> list[Example]:
        rows = [
            ("a b", "good"),
            ("A  b", "good"),
            ("c", "bad"),
            ("d e f", "good"),
            ("D e f", "bad"),
            ("g h i j", "good"),
        ]
        return [Example(str(n), text, label, str(n)) for n, (text, label) in enumerate(rows)]


def test_a_card_counts_what_one_counts_by_hand() -> None:
    found = cards.measure(Five())
    assert (found.rows, found.kept) == (6, 3)
    assert found.labels == {"good": pytest.approx(2 / 3), "bad": pytest.approx(1 / 3)}
    assert sum(found.sizes.values()) == 3
    assert found.inputs is not None
    assert found.inputs.median == 2
    assert found.outputs is None
    assert found.named is None


def test_names_are_counted_by_type_and_by_sentence() -> None:
    found = cards.card(OFFICE).measured
    assert found is not None
    splits = data.splits(OFFICE)
    every = [*splits.train, *splits.validation, *splits.test]
    begun = [tag[2:] for example in every for tag in example.output if tag.startswith("B-")]
    assert found.labels == {kind: begun.count(kind) / len(begun) for kind in ("PER", "ORG", "LOC")}
    assert found.named == sum(example.stratum == "some" for example in every) / len(every)


@pytest.mark.parametrize("name", HERE)
def test_every_context_that_is_here_has_a_card_with_three_examples(name: str) -> None:
    card = cards.card(ContextChoice(id=name))
    found = card.measured
    assert found is not None
    assert found.sizes == data.sizes(ContextChoice(id=name))
    assert found.kept == sum(found.sizes.values()) <= found.rows
    assert len(found.examples) == 3
    assert all(len(text) <= cards.LONGEST + 2 for pair in found.examples for text in pair)
    if card.application in ("translation", "summarisation"):
        assert found.outputs is not None
        assert found.labels == {}
    elif card.application in ("sentiment", "ner"):
        assert sum(found.labels.values()) == pytest.approx(1)
        assert found.inputs is not None


def test_examples_show_different_labels() -> None:
    found = cards.card(CAFES).measured
    assert found is not None
    assert {answer for _, answer in found.examples} == {"negative", "positive"}


def test_what_would_have_to_be_fetched_has_facts_and_no_numbers() -> None:
    card = cards.card(ContextChoice(id="sentiment/tweets"))
    assert card.licence == "MIT"
    assert not card.available
    assert card.measured is None
    with pytest.raises(UnknownName, match="There is no context"):
        cards.card(ContextChoice(id="sentiment/nowhere"))


def test_a_card_is_counted_once_and_a_damaged_one_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cards.card(CAFES)
    (place,) = (home / cards.FOLDER).glob("*.json")
    real = cards.measure
    monkeypatch.setattr(cards, "measure", lambda context: pytest.fail("counted twice"))
    assert cards.card(CAFES) == first
    monkeypatch.setattr(cards, "measure", real)
    for damage in (b"", b"{}", b"[1]", b'{"sizes": 3', b"\xff\xfe"):
        place.write_bytes(damage)
        assert cards.card(CAFES) == first
    assert json.loads(place.read_text(encoding="utf-8"))["rows"] == first.measured.rows  # type: ignore[union-attr]


def test_other_data_has_another_card(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    cards.card(CAFES)
    monkeypatch.setattr(cards, "CARD_VERSION", 999)
    cards.card(CAFES)
    assert len(list((home / cards.FOLDER).glob("*.json"))) == 2


def test_a_full_disk_only_makes_it_slower(home: Path) -> None:
    (home / cards.FOLDER).write_text("in the way")
    assert cards.card(CAFES).measured is not None
    assert kept.document(cards.FOLDER, "x") is None


def test_words_are_runs_of_letters_and_single_characters_of_chinese_and_japanese() -> None:
    assert words("Don’t stop: it's 3.5!") == ["don’t", "stop", "it's", "3", "5"]
    assert words("iPhone很好，ABC。カフェ") == ["iphone", "很", "好", "abc", "カ", "フ", "ェ"]
    assert words("Привет мир — école") == ["привет", "мир", "école"]


def test_lengths_are_the_percentiles_of_the_words() -> None:
    found = lengths(["a " * n for n in range(1, 102)])
    assert found is not None
    assert (found[0].low, found[0].median, found[0].high) == (6, 51, 96)
    assert not found[0].characters
    assert lengths(["很好很好", "ok"])[0].characters  # type: ignore[index]
    assert lengths([]) is None


def test_the_command_prints_a_card_and_still_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contexts", OFFICE.id, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == cards.card(OFFICE).model_dump(mode="json")
    assert main(["contexts", OFFICE.id]) == 0
    assert "with a name   74% of the sentences" in capsys.readouterr().out
    assert main(["contexts", "sentiment/tweets"]) == 0
    assert "`ctx fetch sentiment/tweets` fetches 2.5 MB" in capsys.readouterr().out
    assert main(["contexts", "sentiment/nowhere", "--json"]) == 2
    assert "There is no context" in json.loads(capsys.readouterr().out)["error"]
    assert main(["contexts", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(registry("contexts"))
