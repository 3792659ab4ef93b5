"""Bad input of every kind: a report that names the row, or one sentence; never a traceback, never a silent change."""

from __future__ import annotations

import gzip
import io
import json
import time
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctx.errors import BadInput
from ctx.imports import limits
from ctx.imports.mapping import Mapping
from ctx.imports.tables import Reading
from ctx.registry import part
from tests.imported import REVIEWS, csv_text, json_lines, taken, written

SENTIMENT = Mapping("sentiment", "text", "label")


def refusal(*paths: Path, **given: Any) -> str:
    """The one sentence that a file is refused with."""
    with pytest.raises(BadInput) as caught:
        taken(*paths, **given)
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 500
    return said


def test_mixed_bytes_are_repaired_with_their_row_and_place(tmp_path: Path) -> None:
    lines = csv_text().encode().split(b"\n")
    lines[3] = "“Déjà vu”,good".encode()
    lines[5] = '"Très bon café",good'.encode("cp1252")
    path = written(tmp_path, "r.csv", b"\n".join(lines))
    found = taken(path)
    offset = len(b"\n".join(lines[:5])) + 1 + len('"Tr')
    assert (found.report.accepted, found.report.repaired, found.report.refused) == (11, 1, 0)
    assert [str(one) for one in found.report.repairs] == [
        f"row 6: bytes that aren't UTF-8 (from offset {offset}) were read as Windows-1252"
    ]
    assert "Très bon café" in {one.input for one in part("contexts", "sentiment/my-r")().examples()}


def test_bytes_that_are_no_character_at_all_cost_their_row(tmp_path: Path) -> None:
    lines = csv_text().encode().split(b"\n")
    lines[3] = "“Déjà vu”,good".encode()
    lines[5] = b'"a \x81 b",good'
    found = taken(written(tmp_path, "r.csv", b"\n".join(lines)))
    offset = len(b"\n".join(lines[:5])) + 1 + 3
    assert [str(one) for one in found.report.refusals] == [
        f"row 6: the byte at offset {offset} is no character in utf-8"
    ]


def test_a_nul_byte_is_named_with_its_offset_in_every_encoding(tmp_path: Path) -> None:
    text = csv_text().replace("cold coffee", "cold\0coffee")
    for codec, mark in (
        ("utf-8", b""),
        ("utf-8", b"\xef\xbb\xbf"),
        ("utf-16-le", b"\xff\xfe"),
        ("utf-16-be", b"\xfe\xff"),
    ):
        raw = mark + text.encode(codec)
        offset = len(mark + text[: text.index("\0")].encode(codec))
        found = taken(written(tmp_path, "r.csv", raw))
        (said,) = found.report.refusals
        assert said.row == 3
        assert f"offset {offset}" in said.reason
    for name in ("r.jsonl", "r.txt"):
        lines = json_lines([{"text": text, "label": label} for text, label in REVIEWS]).replace("cold ", "cold\0")
        found = taken(written(tmp_path, name, lines))
        assert f"offset {lines.index(chr(0))}" in found.report.refusals[0].reason


def test_a_nul_in_the_header_and_utf16_without_a_mark_refuse_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "r.csv", csv_text().replace("text", "te\0xt", 1))
    assert "NUL byte at offset 2" in refusal(path, reading=Reading(header=True))
    assert "offset 1" in refusal(written(tmp_path, "r.csv", csv_text().encode("utf-16-le")))


def test_an_escaped_nul_and_half_a_surrogate_pair_cost_their_rows(tmp_path: Path) -> None:
    records = [{"text": text, "label": label} for text, label in REVIEWS]
    records += [{"text": "a\0b", "label": "good"}, {"text": "half \ud800", "label": "good"}]
    found = taken(written(tmp_path, "r.jsonl", json_lines(records)))
    assert [(one.row, one.reason.split(" ")[2]) for one in found.report.refusals] == [(13, "holds"), (14, "holds")]


def test_a_line_of_100_megabytes_is_refused_without_being_held(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    with path.open("wb") as file:
        file.write(csv_text().encode())
        for _ in range(100):
            file.write(b"x" * 1_000_000)
    for name in ("long.csv", "long.jsonl", "long.txt", "long.conll"):
        there = path.rename(tmp_path / name)
        tracemalloc.start()
        began = time.perf_counter()
        assert "Line 14 of long" in refusal(there) or name == "long.jsonl"
        assert time.perf_counter() - began < 5
        assert tracemalloc.get_traced_memory()[1] < 40e6
        tracemalloc.stop()
        path = there


@pytest.mark.parametrize("after", [0, 3, 40])
def test_an_unclosed_quote_is_named_with_the_row_where_it_opens(tmp_path: Path, after: int) -> None:
    rest = [f"plain number {n},{'good' if n % 2 else 'bad'}" for n in range(after)]
    lines = ["text,label", *(f"{text.replace(',', ';')},{label}" for text, label in REVIEWS)]
    lines += ['"never closed,good', *rest]
    found = taken(written(tmp_path, "r.csv", "\n".join(lines)))
    assert [str(one) for one in found.report.refusals] == ["row 14: the quote that opens in line 14 is never closed"]
    assert found.report.accepted == len(REVIEWS) + after


def test_a_quote_that_swallows_rows_gives_them_back(tmp_path: Path) -> None:
    lines = csv_text().rstrip("\n").split("\n")
    lines[4] = lines[4].replace('","', ",")
    found = taken(written(tmp_path, "r.csv", "\n".join(lines)))
    assert [one.row for one in found.report.refusals] == [5]
    assert found.report.accepted == len(REVIEWS) - 1


def test_quotes_without_end_are_refused_soon(tmp_path: Path) -> None:
    line = 'a",b,"\n'
    path = written(tmp_path, "r.csv", "text,label,more\n" + line * 1_000_000)
    began = time.perf_counter()
    assert "quote" in refusal(path, mapping=SENTIMENT)
    assert time.perf_counter() - began < 30


def test_ragged_rows_are_refused_or_repaired_with_their_row(tmp_path: Path) -> None:
    text = csv_text() + "only one cell\nthree,good,cells\nempty end,good,,\n"
    found = taken(written(tmp_path, "r.csv", text))
    assert [str(one) for one in found.report.refusals] == [
        "row 14: it has 1 cells, the header has 2",
        "row 15: it has 3 cells, the header has 2",
    ]
    assert [str(one) for one in found.report.repairs] == ["row 16: 2 empty cells beyond the header were left out"]


def test_a_wrong_delimiter_is_said_with_the_likely_one(tmp_path: Path) -> None:
    path = written(tmp_path, "r.csv", csv_text())
    assert "looks like comma" in refusal(path, reading=Reading(delimiter=";"))
    assert "one character" in refusal(path, reading=Reading(delimiter="::"))
    assert taken(path, reading=Reading(delimiter="comma")).report.accepted == len(REVIEWS)


def test_one_label_only_is_refused_and_a_class_of_one_is_said(tmp_path: Path) -> None:
    same = [(text, "good") for text, _ in REVIEWS]
    assert "Every row has the label “good”" in refusal(written(tmp_path, "r.csv", csv_text(same)))
    lonely = [*REVIEWS, ("It is what it is.", "neither")]
    found = taken(written(tmp_path, "r.csv", csv_text(lonely)))
    assert any("One example only: “neither”" in note for note in found.report.notes)


def test_empty_texts_and_labels_cost_their_rows(tmp_path: Path) -> None:
    found = taken(written(tmp_path, "r.csv", csv_text([*REVIEWS, ("", "good"), ("  \t", "bad"), ("No label.", "")])))
    assert [str(one) for one in found.report.refusals] == [
        "row 14: its text is empty",
        "row 15: its text is empty",
        "row 16: its label is empty",
    ]


def test_a_million_labels_are_refused_soon(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    with path.open("w") as file:
        file.write("text,label\n")
        file.writelines(f"text number {n},label {n}\n" for n in range(1_000_000))
    began = time.perf_counter()
    assert "more than 500 different labels" in refusal(path, mapping=SENTIMENT)
    assert time.perf_counter() - began < 5


def test_long_texts_labels_and_ids_are_refused_and_never_cut(tmp_path: Path) -> None:
    rows = [(text, label, str(n)) for n, (text, label) in enumerate(REVIEWS)]
    most = "y" * limits.MOST_TEXT
    rows += [("x" * 100_001, "good", "a"), (most, "good", "b"), ("z", "g" * 101, "c"), ("w", "bad", "d" * 201)]
    rows += [("v" * 140_000, "good", "e"), ("u", "bad", "0")]
    found = taken(written(tmp_path, "r.csv", csv_text(rows, "text,label,id")), mapping=Mapping("sentiment", *ID))
    assert [(one.row, one.reason) for one in found.report.refusals] == [
        (14, "its text has more than 100,000 characters"),
        (16, "its label has more than 100 characters"),
        (17, "its id has more than 200 characters"),
        (18, "one of its cells has more than 131,072 characters"),
        (19, "its id “0” was there before"),
    ]
    assert most in {one.input for one in part("contexts", "sentiment/my-r")().examples()}


ID = ("text", "label", "", "id")


@pytest.mark.parametrize("line", [b"0" * 65_536, b"a,b\n" * 16_384, b"\n" * 65_536])
def test_gzip_and_zip_bombs_are_stopped_while_they_unpack(tmp_path: Path, line: bytes) -> None:
    began = time.perf_counter()
    tracemalloc.start()
    with gzip.open(tmp_path / "bomb.csv.gz", "wb") as file:
        for _ in range(2_000):
            file.write(line)
    with (
        zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("b.csv", "w") as inner,
    ):
        for _ in range(2_000):
            inner.write(line)
    tracemalloc.reset_peak()
    for name in ("bomb.csv.gz", "bomb.zip"):
        said = refusal(tmp_path / name, mapping=Mapping("sentiment", "a", "b"))
        assert "unpacks to more than" in said or "longer than" in said
    assert tracemalloc.get_traced_memory()[1] < 60e6
    tracemalloc.stop()
    assert time.perf_counter() - began < 30


def test_an_archive_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("r.csv", csv_text() + "\n" * 50_000_000)
    raw = packed.getvalue()
    size = (50_000_000 + len(csv_text())).to_bytes(4, "little")
    assert size in raw
    said = refusal(written(tmp_path, "r.zip", raw.replace(size, (1000).to_bytes(4, "little"))))
    assert "r.zip can't be read" in said


def test_a_parquet_bomb_is_stopped_by_its_directory_or_stays_small(tmp_path: Path) -> None:
    rows = limits.MOST_ROWS + 1
    pq.write_table(pa.table({"text": pa.array(["x"] * rows).dictionary_encode()}), tmp_path / "rows.parquet")
    assert "more than 2,000,000" in refusal(tmp_path / "rows.parquet")
    spaces = pa.table({"text": [" " * 1_000_000] * 100})
    pq.write_table(spaces, tmp_path / "b.parquet", use_dictionary=False, compression="zstd")
    assert "unpacks to more than 200 times" in refusal(tmp_path / "b.parquet")
    long = "x" * 1_000_000
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 3_000), [long])
    inner = pa.DictionaryArray.from_arrays(pa.array([0] * 6_000_000), [long])
    words = pa.ListArray.from_arrays(pa.array(range(0, 6_000_001, 2_000), pa.int32()), inner)
    table = pa.table({"text": texts, "label": ["a", "b"] * 1_500, "words": words})
    pq.write_table(table, tmp_path / "dictionary.parquet")
    assert (tmp_path / "dictionary.parquet").stat().st_size < 1e6, "three gigabytes and six terabytes, unpacked"
    del table, texts, inner, words
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    assert "text has more than 100,000" in refusal(tmp_path / "dictionary.parquet", mapping=SENTIMENT)
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()
    assert pa.total_allocated_bytes() - before < 10e6


def test_an_excel_bomb_is_stopped_by_its_directory(tmp_path: Path) -> None:
    import openpyxl

    openpyxl.Workbook().save(tmp_path / "a.xlsx")
    with zipfile.ZipFile(tmp_path / "a.xlsx", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/more.xml", b" " * (limits.MOST_SHEETS + 1))
    assert "unpacks to more than 134 MB" in refusal(tmp_path / "a.xlsx")


def test_entities_that_multiply_in_a_workbook_are_refused(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in [("text", "label"), *REVIEWS]:
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha" * 10}">' for n in range(9))
    with zipfile.ZipFile(tmp_path / "a.xlsx") as old, zipfile.ZipFile(tmp_path / "b.xlsx", "w") as new:
        for info in old.infolist():
            raw = old.read(info)
            if b"Loud music" in raw:
                raw = raw.replace(b"Loud music", b"&l8;")
                tag = raw.index(b"<sst" if b"<sst" in raw else b"<worksheet")
                raw = raw[:tag] + f"<!DOCTYPE x [{laughs}]>".encode() + raw[tag:]
            new.writestr(info, raw)
    began = time.perf_counter()
    assert "can't be read as an Excel workbook" in refusal(tmp_path / "b.xlsx")
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize("depth", [100_000, 3_000])
def test_deeply_nested_json_costs_its_row_or_the_file(tmp_path: Path, depth: int) -> None:
    deep = "[" * depth + "]" * depth
    records = json_lines([{"text": text, "label": label} for text, label in REVIEWS])
    line = '{"text": ' + deep + ', "label": "good"}\n'
    found = taken(written(tmp_path, "r.jsonl", records + line))
    assert [str(one) for one in found.report.refusals] == ["row 13: it is nested too deeply"]
    assert "nested too deeply" in refusal(written(tmp_path, "r.json", f"[{line}]"))
    assert "nested too deeply" in refusal(written(tmp_path, "s.json", deep))
    assert "nested too deeply" in refusal(written(tmp_path, "t.json", '{"data":\n' + deep + "}"))


def test_broken_json_is_named_with_its_row(tmp_path: Path) -> None:
    good = [{"text": text, "label": label} for text, label in REVIEWS]
    bad = [
        '{"text": "half',
        "[1, 2]",
        '"text"',
        '{"text": "a", "text": "b", "label": "good"}',
        "{}",
        "{" * 90,
        "1" * 5000,
    ]
    found = taken(written(tmp_path, "r.jsonl", json_lines(good) + "\n".join(bad)))
    assert [one.row for one in found.report.refusals] == list(range(13, 20))
    assert found.report.refusals[3].reason == "one of its names comes twice"
    whole = json.dumps(good)
    assert "from row 12 on: the list is not closed" in refusal(written(tmp_path, "a.json", whole[:-1]))
    assert "from row 2 on" in refusal(written(tmp_path, "b.json", whole.replace('"label": "bad"', 'label: "bad"', 1)))
    assert "goes on after its list" in refusal(written(tmp_path, "c.json", whole * 2))
    assert "0 lists of records" in refusal(written(tmp_path, "d.json", '{"a":\n1}'))


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
        "it has 1 words and 2 tags",
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
