"""Grammars with several languages: what is written out, the samples made of it, and damaged files."""

from pathlib import Path

import pytest

import ctx.home
from ctx import data, grammar
from ctx.config import ContextChoice
from ctx.contexts import samples_text
from ctx.errors import Unavailable
from ctx.parts import Context
from ctx.registry import registry

PAIRS: list[type[Context]] = list(samples_text.PARTS)
NOTICES = [samples_text.NoticesEnglish, samples_text.NoticesSpanish]
every_pair = pytest.mark.parametrize("context", PAIRS, ids=lambda context: context.name)
every_sample = pytest.mark.parametrize("context", [*PAIRS, *NOTICES], ids=lambda context: context.name)
HEAD = "role,name,en,pt\n"
SMALL = """\
slot,thing,the report,o relatório
slot,thing,the invoice,a fatura
slot,thing,the plan,o plano
frame,need,we need {thing}.,precisamos de {thing}.
frame,both,{thing}? and {thing2}!,¿{thing2}? e {thing}!
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ctx.home, "project", lambda: tmp_path)
    (tmp_path / "sample_data").mkdir()
    return tmp_path / "sample_data" / "small.csv"


def splits(context: type[Context]) -> dict[str, list]:
    return vars(data.splits(ContextChoice(id=context.name)))


def test_a_frame_is_written_with_the_same_things_in_every_language(file: Path) -> None:
    file.write_text(HEAD + SMALL, encoding="utf-8")
    found = {one.texts["en"]: one.texts["pt"] for one in grammar.sentences("small.csv", ("en", "pt"), 99)}
    assert found == {
        "We need the report.": "Precisamos do relatório.",
        "We need the invoice.": "Precisamos da fatura.",
        "We need the plan.": "Precisamos do plano.",
        "The report? And the invoice!": "¿A fatura? E o relatório!",
        "The report? And the plan!": "¿O plano? E o relatório!",
        "The invoice? And the report!": "¿O relatório? E a fatura!",
        "The invoice? And the plan!": "¿O plano? E a fatura!",
        "The plan? And the report!": "¿O relatório? E o plano!",
        "The plan? And the invoice!": "¿A fatura? E o plano!",
    }


def test_fewer_writings_are_the_first_of_more_and_always_the_same(file: Path) -> None:
    file.write_text(HEAD + SMALL, encoding="utf-8")
    few, more = (grammar.sentences("small.csv", ("en", "pt"), each) for each in (2, 99))
    for frame in ("need", "both"):
        assert [one for one in more if one.frame == frame][:2] == [one for one in few if one.frame == frame]
    assert len({one.name for one in more}) == len(more) == 9


def test_a_changed_file_is_read_again(file: Path) -> None:
    file.write_text(HEAD + SMALL, encoding="utf-8")
    assert len(grammar.sentences("small.csv", ("en", "pt"), 99)) == 9
    file.write_text(HEAD + SMALL + "slot,thing,the list,a lista\n", encoding="utf-8")
    assert len(grammar.sentences("small.csv", ("en", "pt"), 99)) == 16


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ("frame,need,we need {thing}.,precisamos.\nslot,thing,it,isso\n", "“need” has not the same slots"),
        ("frame,need,we need {thing}.,precisamos de {thing}.\n", "a slot “thing” that nothing fills"),
        (
            "frame,need,needed.,precisa.\nsummary,need,{thing}.,{thing}.\nslot,thing,it,isso\n",
            "“need” has not the same slots",
        ),
        ("verse,need,we need.,precisamos.\n", "line 2 is a “verse”, not a frame, a summary or a slot"),
        ("frame,need,we need.\n", "line 2 has not the columns role, name, en, pt"),
    ],
)
def test_a_damaged_grammar_is_said_in_one_sentence(file: Path, rows: str, why: str) -> None:
    file.write_text(HEAD + rows, encoding="utf-8")
    with pytest.raises(Unavailable, match=why):
        grammar.sentences("small.csv", ("en", "pt"), 1)


@every_sample
def test_the_registry_finds_every_sample_and_it_says_that_it_is_made_up(context: type[Context]) -> None:
    assert registry("contexts")[context.name] is context
    assert context.sample
    assert context.labels == context.assets == ()
    assert "grammar" in context.citation
    assert len(context().digest()) == 64


@every_pair
def test_pairs_are_many_and_no_sentence_comes_twice(context: type[Context]) -> None:
    examples = context().examples()
    assert len(examples) >= 300
    assert len({e.id for e in examples}) == len({e.input.casefold() for e in examples}) == len(examples)
    assert len({example.group for example in examples}) >= 50
    assert not any(set("{}") & set(example.input + example.output) for example in examples)
    chinese = [any("\u4e00" <= letter <= "\u9fff" for letter in example.output) for example in examples]
    assert set(chinese) == {context.language == "en-zh"}
    assert all(example.input[0].isupper() and example.input[-1] in ".?" for example in examples)


@every_pair
def test_most_words_that_are_tested_were_trained_on_in_other_frames(context: type[Context]) -> None:
    def words(split: str) -> list[str]:
        text = " ".join(example.output for example in splits(context)[split]).casefold()
        return [letter for letter in text if letter != " "] if context.language == "en-zh" else text.split()

    assert not {e.group for e in splits(context)["train"]} & {e.group for e in splits(context)["test"]}
    known = set(words("train"))
    assert sum(word in known for word in words("test")) / len(words("test")) > 0.85


@pytest.mark.parametrize("place", ["cafe", "office"])
def test_an_english_sentence_lies_in_one_split_whatever_the_other_language(place: str) -> None:
    contexts = [context for context in PAIRS if f"-{place}-" in context.name]
    sides = [{name: [e.input for e in split] for name, split in splits(context).items()} for context in contexts]
    assert len(contexts) == 3
    assert sides[0] == sides[1] == sides[2]


def test_cafe_and_office_have_no_sentence_in_common() -> None:
    spanish = [context for context in PAIRS if context.language == "en-es"]
    sentences = [{example.input.casefold() for example in context().examples()} for context in spanish]
    assert len(sentences) == 2
    assert not sentences[0] & sentences[1]


@pytest.mark.parametrize("context", NOTICES, ids=lambda context: context.name)
def test_notices_are_40_to_80_words_and_summed_up_in_5_to_12(context: type[Context]) -> None:
    examples = context().examples()
    assert len(examples) >= 150
    assert len({example.input for example in examples}) == len(examples)
    assert all(40 <= len(example.input.split()) <= 80 for example in examples)
    assert all(5 <= len(example.output.split()) <= 12 for example in examples)
    assert not any(example.input.startswith(example.output) for example in examples)


def test_what_a_summary_says_stands_in_the_notice() -> None:
    for context in NOTICES:
        shares = []
        for example in context().examples():
            said = set(example.output.casefold().rstrip(".").split())
            heard = set(example.input.casefold().replace(".", " ").replace(",", " ").replace(":", " ").split())
            shares.append(len(said & heard) / len(said))
        assert sum(shares) / len(shares) > 0.85


def test_notices_lie_in_the_same_splits_in_both_languages() -> None:
    english, spanish = (
        {name: [example.id for example in split] for name, split in splits(context).items()} for context in NOTICES
    )
    assert english == spanish
    assert {name: len(ids) for name, ids in english.items()} == {"train": 150, "validation": 40, "test": 50}
