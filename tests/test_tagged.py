"""Tagged sentences: from marked text, from a source's tags; and which of many are used."""

from ctx.spans import spans
from ctx.tagged import few, joined, mapped, marked
from tests.contexts_checked import assert_well_tagged


def test_marked_text_becomes_words_and_tags() -> None:
    text = "Dear [PER Ada Lovelace], [ORG Mill & Sons Ltd.]'s man in [LOC Bad Ems] isn't in."
    example = joined("1", marked(text, "en"), "frame")
    assert " ".join(example.input) == "Dear Ada Lovelace , Mill & Sons Ltd. 's man in Bad Ems isn't in ."
    assert spans(example.output) == [("PER", 1, 3), ("ORG", 4, 8), ("LOC", 11, 13)]
    assert (example.group, example.stratum) == ("frame", "some")
    assert_well_tagged([example])


def test_chinese_and_japanese_become_single_characters() -> None:
    assert marked("[PER 田中 太郎]は[LOC 神戸]へ。", "ja") == [
        ([], ""),
        (["田", "中", "太", "郎"], "PER"),
        (["は"], ""),
        (["神", "戸"], "LOC"),
        (["へ", "。"], ""),
    ]


def test_entities_that_touch_stay_two() -> None:
    example = joined("1", marked("[PER 李鹏][PER 吴邦国]", "zh"), "a")
    assert example.output == ("B-PER", "I-PER", "B-PER", "I-PER", "I-PER")


def test_a_text_without_a_mark_names_nobody() -> None:
    example = joined("1", marked("Nobody came (again).", "en"), "a")
    assert example.input == ("Nobody", "came", "(", "again", ")", ".")
    assert example.stratum == "none"


def test_types_of_a_source_are_renamed_and_others_fall_away() -> None:
    tags = ["B-geo-loc", "I-geo-loc", "O", "B-movie", "I-movie", "B-person"]
    assert mapped(tags, {"geo-loc": "LOC", "person": "PER"}) == ["B-LOC", "I-LOC", "O", "O", "O", "B-PER"]


def test_a_choice_of_few_stays_when_others_are_added_and_does_not_follow_the_order() -> None:
    ids = [str(number) for number in range(1000)]
    chosen = few(ids, 100)
    assert len(chosen) == 100
    assert few(reversed(ids), 100) == chosen
    assert len(few([*ids, "new"], 100) - chosen) <= 1
    assert 30 < sum(int(id) < 500 for id in chosen) < 70
    assert few(ids, 5000) == set(ids)
