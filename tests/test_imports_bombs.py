"""Archives that inflate, records nested without end: stopped in time, in one sentence, with memory bounded."""

from __future__ import annotations

import gzip
import io
import json
import time
import tracemalloc
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctx.imports import limits
from ctx.imports.mapping import Mapping
from tests.imported import REVIEWS, SENTIMENT, csv_text, json_lines, refusal, taken, written


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
