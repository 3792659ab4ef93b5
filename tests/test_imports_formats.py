"""Every format is read to the same examples, whatever its encoding, delimiter, header and packing."""

from __future__ import annotations

import csv
import gzip
import json
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

RECORDS = [{"text": text, "label": label} for text, label in REVIEWS]
ACCENTS = [(f"{text} Café déjà vu.", label) for text, label in REVIEWS]


def examples(*paths: Path, **given: Any) -> list[tuple[Any, Any]]:
    """What the imported context holds."""
    found = taken(*paths, **given)
    assert found.meta is not None
    assert found.report.refused == 0, found.report.refusals
    return [(one.input, one.output) for one in part("contexts", found.meta.id)().examples()]


def workbook(path: Path, rows: list[list[Any]], extra: bool = False) -> Path:
    import openpyxl

    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    if extra:
        book.create_sheet("Notes").append(["nothing"])
    book.save(path)
    return path


@pytest.mark.parametrize("sign", [",", "\t", ";", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_the_delimiter_and_the_line_ends_are_found_out(tmp_path: Path, sign: str, ending: str) -> None:
    text = csv_text(sign=sign).replace("\n", ending)
    assert examples(written(tmp_path, "reviews.csv", text)) == REVIEWS


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom", "cp1252"])
def test_encodings_are_found_out_and_said(tmp_path: Path, codec: str) -> None:
    marks = {"utf-16-le-bom": b"\xff\xfe", "utf-16-be-bom": b"\xfe\xff"}
    text = csv_text(ACCENTS)
    raw = marks[codec] + text.encode(codec[:-4]) if codec in marks else text.encode(codec)
    path = written(tmp_path, "reviews.csv", raw)
    assert examples(path) == ACCENTS
    said = {"cp1252": "Windows-1252", "utf-8-sig": "byte order mark", "utf-8": "UTF-8."}.get(codec, "UTF-16")
    assert said in taken(path, dry=True).report.notes[0]


@pytest.mark.parametrize("codec", ["gb18030", "shift_jis", "utf-16-le"])
def test_an_encoding_that_is_named_is_used(tmp_path: Path, codec: str) -> None:
    rows = [(f"朝の茶は美味 {n}", "good" if n % 2 else "bad") for n in range(12)]
    path = written(tmp_path, "reviews.csv", csv_text(rows).encode(codec))
    assert examples(path, reading=Reading(encoding=codec)) == rows


def test_json_lines_json_lists_and_lists_inside_a_record_are_read(tmp_path: Path) -> None:
    for name, text in {
        "a.jsonl": json_lines(RECORDS),
        "b.json": json_lines(RECORDS),
        "c.json": json.dumps(RECORDS),
        "d.json": json.dumps(RECORDS, indent=2),
        "e.json": json.dumps({"version": 1, "data": RECORDS}),
        "f.json": json.dumps({"version": 1, "data": RECORDS}, indent=1),
        "g.txt": json_lines(RECORDS),
        "h.json": "\ufeff" + json.dumps(RECORDS),
    }.items():
        assert examples(written(tmp_path, name, text)) == REVIEWS, name


def test_a_long_json_list_is_read_across_the_pieces_it_comes_in(tmp_path: Path) -> None:
    rows = [{"text": f"{'word ' * (n % 700)}{n}", "label": "ab"[n % 2], "n": n} for n in range(600)]
    found = examples(written(tmp_path, "long.json", json.dumps(rows)), mapping=Mapping("sentiment", "text", "label"))
    assert found == [(row["text"], row["label"]) for row in rows]


def test_parquet_is_read_with_its_lists_numbers_and_gaps(tmp_path: Path) -> None:
    columns = {
        "review": [text for text, _ in REVIEWS],
        "stars": [5 if label == "good" else 1 for _, label in REVIEWS],
        "blob": [b"x"] * len(REVIEWS),
    }
    pq.write_table(pa.table(columns), tmp_path / "r.parquet")
    assert examples(tmp_path / "r.parquet") == [(text, "5" if label == "good" else "1") for text, label in REVIEWS]
    assert any("blob" in note for note in taken(tmp_path / "r.parquet", dry=True).report.notes)
    for kind in (pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.string()):
        table = pa.table({"text": pa.array([t for t, _ in REVIEWS], kind), "label": [label for _, label in REVIEWS]})
        pq.write_table(table, tmp_path / "s.parquet", use_dictionary=kind != pa.string())
        assert examples(tmp_path / "s.parquet") == REVIEWS


def test_an_excel_sheet_is_read_and_other_sheets_are_named(tmp_path: Path) -> None:
    rows = [["text", "label"], *map(list, REVIEWS)]
    path = workbook(tmp_path / "reviews.xlsx", rows, extra=True)
    assert examples(path) == REVIEWS
    assert any("Notes" in note for note in taken(path, dry=True).report.notes)
    with pytest.raises(BadInput, match=r"no sheet “Other”. There are: Sheet, Notes"):
        taken(path, reading=Reading(sheet="Other"))


def test_excel_numbers_dates_and_empty_cells_become_texts(tmp_path: Path) -> None:
    rows = [["text", "stars", "note"], *([text, 5 if label == "good" else 1.5, None] for text, label in REVIEWS)]
    rows[3][0] = None
    found = taken(workbook(tmp_path / "r.xlsx", rows))
    assert set(found.labels) == {"5", "1.5"}
    assert [str(one) for one in found.report.refusals] == ["row 4: its text is empty"]


def test_without_openpyxl_a_workbook_gets_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workbook(tmp_path / "reviews.xlsx", [["text", "label"], *map(list, REVIEWS)])
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(BadInput, match="needs the package “openpyxl”"):
        taken(path)


def conll(sentences: list[list[tuple[str, str]]], sign: str = " ") -> str:
    return "\n\n".join("\n".join(sign.join((word, "NN", tag)) for word, tag in one) for one in sentences) + "\n"


SENTENCES = [
    [("Ada", "B-PER"), ("Lovelace", "I-PER"), ("met", "O"), (name, "B-PER"), ("in", "O"), ("Bath", "B-LOC")]
    for name in ["Tom", "Ben", "Sam", "Kim", "Joe", "Pat", "Max", "Eva", "Lea", "Ida", "Ann", "Kai"]
]


@pytest.mark.parametrize("name", ["n.conll", "n.txt", "n.bio"])
@pytest.mark.parametrize("sign", [" ", "\t", "   "])
def test_conll_is_a_sentence_a_row(tmp_path: Path, name: str, sign: str) -> None:
    text = "-DOCSTART- O\n\n# a remark\n" + conll(SENTENCES, sign)
    path = written(tmp_path, name, text)
    found = examples(path)
    assert found == [(tuple(w for w, _ in one), tuple(t for _, t in one)) for one in SENTENCES]
    made = taken(path)
    assert made.meta is not None
    assert part("contexts", made.meta.id).labels == ("LOC", "PER")


def test_words_and_tags_come_from_columns_too(tmp_path: Path) -> None:
    words = [[word for word, _ in one] for one in SENTENCES]
    tags = [[tag for _, tag in one] for one in SENTENCES]
    wanted = [(tuple(w), tuple(t)) for w, t in zip(words, tags, strict=True)]
    lines = [{"tokens": w, "ner_tags": t} for w, t in zip(words, tags, strict=True)]
    assert examples(written(tmp_path, "a.jsonl", json_lines(lines))) == wanted
    rows = [(" ".join(w), " ".join(t)) for w, t in zip(words, tags, strict=True)]
    assert examples(written(tmp_path, "b.csv", csv_text(rows, "sentence,tags"))) == wanted
    pq.write_table(pa.table({"tokens": words, "tags": tags}), tmp_path / "c.parquet")
    assert examples(tmp_path / "c.parquet") == wanted


def test_types_of_entities_can_be_renamed_and_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, "n.conll", conll(SENTENCES))
    said = Mapping("ner", "words", "tags", renames=(("PER", "PERSON"), ("LOC", "")))
    found = examples(path, mapping=said)
    assert found[0][1] == ("B-PERSON", "I-PERSON", "O", "B-PERSON", "O", "O")


def test_parallel_files_are_pairs_line_by_line(tmp_path: Path) -> None:
    english = written(tmp_path, "train.en", "".join(f"The number {n} is green.\n" for n in range(12)))
    spanish = written(tmp_path, "train.es", "".join(f"El número {n} es verde.\r\n" for n in range(12)).encode("cp1252"))
    found = taken(english, spanish)
    assert found.meta is not None
    assert (found.meta.application, found.meta.language) == ("translation", "en-es")
    assert examples(english, spanish)[3] == ("The number 3 is green.", "El número 3 es verde.")


def test_records_of_translations_are_flattened(tmp_path: Path) -> None:
    lines = [{"translation": {"fr": f"Le chat {n}", "en": f"The cat {n}"}} for n in range(12)]
    assert examples(written(tmp_path, "t.jsonl", json_lines(lines)))[0] == ("The cat 0", "Le chat 0")


def test_gzip_and_zip_are_read_through(tmp_path: Path) -> None:
    packed = written(tmp_path, "reviews.csv.gz", gzip.compress(csv_text().encode()))
    assert examples(packed) == REVIEWS
    with zipfile.ZipFile(tmp_path / "r.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner/reviews.tsv", csv_text(sign="\t"))
        archive.writestr("__MACOSX/inner/._reviews.tsv", b"\0\0")
    assert examples(tmp_path / "r.zip") == REVIEWS


def test_a_folder_of_files_is_one_context(tmp_path: Path) -> None:
    folder = tmp_path / "reviews"
    folder.mkdir()
    written(folder, "a.csv", csv_text(REVIEWS[:6]))
    written(folder, "b.csv", csv_text([(label, text) for text, label in REVIEWS[6:]], "label,text"))
    written(folder, "README.md", "not data")
    assert examples(folder) == REVIEWS
    written(folder, "b.csv", csv_text([*REVIEWS[6:], ("", "good")]))
    assert [str(one) for one in taken(folder).report.refusals] == ["b.csv, row 8: its text is empty"]
    written(folder, "c.csv", "other,columns\n1,2\n")
    with pytest.raises(BadInput, match="import them one by one"):
        taken(folder)


def test_cells_may_hold_line_breaks_quotes_and_delimiters(tmp_path: Path) -> None:
    rows = [(f'He said "no, {n}",\nthen left;\tquickly', label) for n, (_, label) in enumerate(REVIEWS)]
    assert examples(written(tmp_path, "r.csv", csv_text(rows))) == rows


def test_random_tables_come_back_as_they_were(tmp_path: Path) -> None:
    import random

    rng = random.Random(4)
    signs = "ab ,;\t|\"\n'é中=@<>&"
    for turn in range(30):
        rows = [("x" + "".join(rng.choices(signs, k=rng.randint(1, 40))), rng.choice("pn")) for _ in range(40)]
        rows = list({" ".join(text.casefold().split()): (text, label) for text, label in rows}.values())
        path = tmp_path / f"{turn}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=rng.choice(",;\t|")).writerows([("text", "label"), *rows])
        assert examples(path, mapping=Mapping("sentiment", "text", "label")) == rows


def test_a_missing_header_is_noticed_and_can_be_said(tmp_path: Path) -> None:
    path = written(tmp_path, "r.csv", csv_text(header="text,label").split("\n", 1)[1])
    found = taken(path)
    assert found.report.rows == len(REVIEWS)
    assert any("no names" in note for note in found.report.notes)
    assert examples(path) == REVIEWS
    said = taken(path, reading=Reading(header=True), mapping=Mapping("sentiment", *REVIEWS[0]), dry=True)
    assert said.report.rows == len(REVIEWS) - 1


def test_double_and_empty_column_names_are_told_apart_and_said(tmp_path: Path) -> None:
    rows = [(text, "", label, "x") for text, label in REVIEWS]
    path = written(tmp_path, "r.csv", csv_text(rows, "text,,label,label"))
    found = taken(path, mapping=Mapping("sentiment", "text", "label"))
    notes = " ".join(found.report.notes)
    assert "“column 2”" in notes
    assert "“label (2)”" in notes


def test_what_is_stored_never_goes_beyond_the_caps() -> None:
    assert csv.field_size_limit() > limits.MOST_TEXT, "a text that is short enough must fit the reader's cells"


def test_names_that_are_empty_or_spaces_get_one_in_every_format(tmp_path: Path) -> None:
    records = [{"": text, "  ": label} for text, label in REVIEWS]
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "r.parquet")
    given = (
        written(tmp_path, "r.jsonl", json_lines(records)),
        written(tmp_path, "r.json", json.dumps(records)),
        tmp_path / "r.parquet",
    )
    for path in given:
        found = taken(path, mapping=Mapping("sentiment", "column 1", "column 2"))
        assert found.labels == {"good": 6, "bad": 6}
        assert "Column 2 has no name: it is called “column 2”." in found.report.notes
