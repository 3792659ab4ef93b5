"""Bad input of every kind: a report that names the row, or one sentence; never a traceback, never a silent change."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest

from ctx.imports import limits
from ctx.imports.mapping import Mapping
from ctx.imports.tables import Reading
from ctx.registry import part
from tests.imported import REVIEWS, SENTIMENT, csv_text, json_lines, refusal, taken, written


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
        "row 14: it has 1 cell, the header has 2",
        "row 15: it has 3 cells, the header has 2",
    ]
    assert [str(one) for one in found.report.repairs] == ["row 16: left out beyond the header: 2 empty cells"]


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
    found = taken(
        written(tmp_path, "r.csv", csv_text(rows, "text,label,id")),
        mapping=Mapping("sentiment", "text", "label", "", "id"),
    )
    assert [(one.row, one.reason) for one in found.report.refusals] == [
        (14, "its text has more than 100,000 characters"),
        (16, "its label has more than 100 characters"),
        (17, "its id has more than 200 characters"),
        (18, "one of its cells has more than 131,072 characters"),
        (19, "its id “0” was there before"),
    ]
    assert most in {one.input for one in part("contexts", "sentiment/my-r")().examples()}
