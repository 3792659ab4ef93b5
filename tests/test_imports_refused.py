"""Files that are no data, tags and columns that don't fit, texts and names that mean harm: said, or kept."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ctx.imports.mapping import Mapping
from ctx.registry import part
from tests.imported import REVIEWS, SENTIMENT, csv_text, json_lines, refusal, taken, written


def test_tags_that_do_not_begin_with_b_are_repaired_and_counted(tmp_path: Path) -> None:
    names = ["Ada", "Tom", "Ben", "Sam", "Kim", "Joe", "Pat", "Max", "Eva", "Lea", "Ida", "Ann"]
    text = "\n\n".join(f"{name} I-PER\nmet O\nKai I-PER\nLee I-PER\nin O\nBath B-LOC" for name in names)
    found = taken(
        written(tmp_path, "n.conll", text + "\n\nBob S-PER\nand O\nSue B-PER\nDay E-PER\n\nOh WHO\n\nalone\n")
    )
    assert (found.report.accepted, found.report.repaired, found.report.refused) == (0, 13, 2)
    assert found.report.repairs[0].reason == "2 tags changed so that entities begin with B, first I-PER → B-PER"
    assert found.meta is not None
    last = part("contexts", found.meta.id)().examples()[-1]
    assert last.output == ("B-PER", "O", "B-PER", "I-PER")
    assert [one.reason for one in found.report.refusals] == [
        "“WHO” is no tag such as O, B-PER, I-PER",
        "line 92 has no tag: “alone”",
    ]


def test_words_and_tags_of_different_number_cost_their_row(tmp_path: Path) -> None:
    records = [{"tokens": [str(n), "met", "Ada"], "tags": ["O", "O", "B-PER"]} for n in range(12)]
    records += [
        {"tokens": ["one"], "tags": ["O", "O"]},
        {"tokens": ["a", ""], "tags": ["O", "O"]},
        {"tokens": [], "tags": []},
    ]
    found = taken(written(tmp_path, "n.jsonl", json_lines(records)))
    assert [one.reason for one in found.report.refusals] == [
        "it has 1 word and 2 tags",
        "its text is empty",
        "its text is empty",
    ]


def test_a_sentence_without_end_is_refused_and_not_held(tmp_path: Path) -> None:
    text = "\n\n".join(f"Tom B-PER\nis O\n{n} O" for n in range(12))
    found = taken(written(tmp_path, "n.conll", f"{text}\n\n" + "word O\n" * 500_000))
    assert [str(one) for one in found.report.refusals] == ["row 49: it has more than 2,000 words"]


def test_parallel_files_of_different_length_are_refused_in_a_sentence(tmp_path: Path) -> None:
    one = written(tmp_path, "a.en", "line\n" * 20)
    other = written(tmp_path, "a.es", "línea\n" * 19)
    assert refusal(one, other).startswith("a.en has 20 lines and a.es 19:")


def test_an_empty_side_of_a_pair_costs_its_line(tmp_path: Path) -> None:
    one = written(tmp_path, "a.en", "".join(f"line {n}\n" for n in range(12)) + "\n")
    other = written(tmp_path, "a.es", "".join(f"línea {n}\n" for n in range(11)) + "\nlínea\n")
    assert [str(r) for r in taken(one, other).report.refusals] == [
        "row 12: its target is empty",
        "row 13: its text is empty",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n\n \n", "blank lines"),
        (b"text,label\n", "has no rows"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\xd0\xcf\x11\xe0abc", "save it as .xlsx"),
        (b"\x1f\x8babc", "can't be read"),
        (b"PK\x03\x04abc", "can't be read as one"),
        (b"PAR1abcPAR1", "can't be read as Parquet"),
        (gzip.compress(csv_text().encode() * 50)[:-9], "can't be read"),
        (b"\xff\xfe\x00\x00t\x00\x00\x00", "UTF-32"),
        (b"just one text\nand another\n" * 20, "Name the application"),
        (("," * 1200 + "\n").encode() * 3, "1,201 columns"),
    ],
)
def test_what_is_no_data_is_refused_in_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    found = refusal(written(tmp_path, "r.csv", content))
    assert said in found


def test_a_missing_file_and_a_folder_without_data_are_refused(tmp_path: Path) -> None:
    assert "There is no file" in refusal(tmp_path / "gone.csv")
    assert "holds 0 files" in refusal(tmp_path)
    assert "There is no file" in refusal(Path("/dev/zero"))


def test_columns_that_do_not_fit_are_named_with_those_that_exist(tmp_path: Path) -> None:
    path = written(tmp_path, "r.csv", csv_text())
    assert refusal(path, mapping=Mapping("sentiment", "words", "label")).endswith("There are: text, label.")
    assert "can't be both" in refusal(path, mapping=Mapping("sentiment", "text", "text"))
    assert "Which column is the target?" in refusal(path, mapping=Mapping("translation", "text"))
    assert "no application" in refusal(path, mapping=Mapping("weather", "text", "label"))
    assert "at least 10" in refusal(path, mapping=Mapping("sentiment", "text", "label", group="label"))


def test_too_few_texts_are_refused_with_the_first_reason(tmp_path: Path) -> None:
    said = refusal(written(tmp_path, "r.csv", csv_text([*REVIEWS[:5], ("", "good")])))
    assert "5 different texts are left of 6 rows" in said
    assert "row 7: its text is empty" in said
    same = [("The same.", label) for _, label in REVIEWS]
    assert "0 different texts" in refusal(written(tmp_path, "r.csv", csv_text(same)), mapping=SENTIMENT)


NASTY = [
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "[link](javascript:alert(1))",
    "javascript:alert(1)",
    "![](file:///etc/hosts)",
    "**bold** $x^2$ `code`",
    "\u202egnp.exe",
    "\x1b[31mred\x07",
    "@SUM(1+1)*cmd",
    "{{7*7}}${7*7}",
    "' OR 1=1 --",
]


def test_markup_formulas_and_control_signs_are_kept_as_they_are(tmp_path: Path) -> None:
    rows = [(f"{text} {n}", f"{NASTY[n % 3]}") for n, text in enumerate(NASTY)]
    found = taken(
        written(tmp_path, "r.csv", csv_text(rows, "=text(),<b>label</b>")), mapping=Mapping("sentiment", *HEADER)
    )
    assert found.meta is not None
    assert found.report.accepted == len(rows)
    made = part("contexts", found.meta.id)
    assert [(one.input, one.output) for one in made().examples()] == rows
    assert made.labels == tuple(sorted(NASTY[:3]))


HEADER = ("=text()", "<b>label</b>")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("../../x.csv", "my-x"),
        ("..\\..\\x.csv", "my-x"),
        ("CON", "my-con"),
        ("nul.csv", "my-nul"),
        ("a" * 300 + ".csv", "my-" + "a" * 40),
        ("\u202egnp.csv", "my-gnp"),
        ("<script>alert(1)</script>.csv", "my-script"),
        ("javascript:alert(1)", "my-javascript-alert-1"),
        ("Café Déjà.csv", "my-cafe-deja"),
        ("..", "my-unnamed"),
        ("", "my-r"),
        ("评论.csv", "my-data-"),
        ("\0\n.csv", "my-csv"),
    ],
)
def test_any_name_becomes_a_safe_id_in_its_own_folder(tmp_path: Path, home: Path, name: str, slug: str) -> None:
    from ctx.imports.take import look, take

    found = take(look([written(tmp_path, "r.csv", csv_text())], names=[name]))
    assert found.meta is not None
    assert found.meta.id.startswith(f"sentiment/{slug}")
    assert found.meta.folder.parent == home / "datasets"
    assert found.meta.folder.is_dir()
    assert not any(c in found.meta.title for c in "\u202e\0\n/\\")
    assert len(found.meta.title) <= 80
    assert part("contexts", found.meta.id).labels == ("bad", "good")


def test_a_list_that_is_too_long_costs_its_row_and_is_never_cut_in_silence(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    good = [([f"word {n}", "more"], f"short {n}") for n in range(12)]
    bad = [(["w"] * 5_000, "of words"), ([f"w{n}" for n in range(2_001)], "one too many")]
    records = [{"document": text, "summary": short} for text, short in [*good, *bad]]
    deep = {"document": [["w"] * 5_000], "summary": "inside a list"}
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "s.parquet")
    mapping = Mapping("summarisation", "document", target="summary")
    reason = "its text is a list of more than 2,000 texts"
    for path, rows in ((written(tmp_path, "s.jsonl", json_lines([*records, deep])), 3), (tmp_path / "s.parquet", 2)):
        found = taken(path, mapping=mapping)
        assert found.report.accepted == 12
        assert [one.reason for one in found.report.refusals] == [reason] * rows
