"""Mutated files of every format: each is imported with counts that add up, or refused in one sentence.

The mutations are drawn from fixed seeds: a failure comes back at once, and its seed is in the test's name.
"""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctx.errors import BadInput
from ctx.imports.mapping import Mapping
from ctx.registry import part
from tests.imported import REVIEWS, csv_text, json_lines, taken, written

ROWS = [(f"{text} Nr. {n}: “é, 中”", label) for n in range(4) for text, label in REVIEWS]
RECORDS = [{"text": text, "label": label} for text, label in ROWS]
PIECES = [bytes([sign]) for sign in b'\0"\n\r,\t\xff\x81\xc3{[]}\\O '] + [b"\xff\xfe"]
SENTIMENT = Mapping("sentiment", "text", "label")


def workbook() -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    for row in [("text", "label"), *ROWS]:
        book.active.append(row)
    book.save(file := io.BytesIO())
    return file.getvalue()


def parquet() -> bytes:
    columns = {"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS], "n": list(range(len(ROWS)))}
    pq.write_table(pa.table(columns), file := io.BytesIO())
    return file.getvalue()


def zipped() -> bytes:
    with zipfile.ZipFile(file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("r.csv", csv_text(ROWS))
    return file.getvalue()


def conll() -> str:
    words = [word for text, _ in ROWS for word in [*text.split(), ""]]
    return "\n".join(f"{word} {'B-X' if word.istitle() else 'O'}" if word else "" for word in words)


FILES = {
    "r.csv": csv_text(ROWS).encode(),
    "r.tsv": csv_text(ROWS, sign="\t").encode("utf-16"),
    "windows.csv": csv_text(ROWS).replace("中", "ß").encode("cp1252"),
    "plain.csv": "\n".join(["text;label", *(f"{text};{label}" for text, label in ROWS)]).encode("utf-8-sig"),
    "r.jsonl": json_lines(RECORDS).encode(),
    "r.json": str(RECORDS).replace("'", '"').encode(),
    "r.parquet": parquet(),
    "r.xlsx": workbook(),
    "r.csv.gz": gzip.compress(csv_text(ROWS).encode(), mtime=0),
    "r.zip": zipped(),
    "r.conll": conll().encode(),
}


def mutated(raw: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, put in, taken out or copied, or the end cut off."""
    found = bytearray(raw)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        place = rng.randrange(max(1, len(found)))
        length = rng.choice([1, 1, 4, 50, 1000])
        kind = rng.randrange(6)
        if kind == 0:
            found[place : place + 1] = rng.randbytes(1)
        elif kind == 1:
            found[place:place] = rng.choice(PIECES) * rng.choice([1, 1, 3, 300])
        elif kind == 2:
            del found[place : place + length]
        elif kind == 3:
            found[place:place] = found[place : place + length]
        elif kind == 4:
            other = rng.randrange(max(1, len(found)))
            found[place : place + length] = found[other : other + length]
        elif rng.random() < 0.2:
            del found[place:]
    return bytes(found)


@pytest.mark.parametrize("name", FILES)
def test_the_files_that_are_mutated_are_sound(tmp_path: Path, name: str) -> None:
    report = taken(written(tmp_path, name, FILES[name])).report
    assert (report.accepted, report.refused) == (len(ROWS), 0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", FILES)
def test_a_mutated_file_is_imported_with_a_report_or_refused_in_a_sentence(
    tmp_path: Path, name: str, seed: int
) -> None:
    rng = random.Random(f"{name} {seed}")
    known = {text.replace("中", sign) for text, _ in ROWS for sign in "中ß"}
    kept = 0
    said = ["A first sentence."]
    for turn in range(40):
        path = written(tmp_path, name, mutated(FILES[name], rng))
        try:
            found = taken(path)
        except BadInput as error:
            said.append(str(error))
            continue
        assert found.meta is not None
        assert found.meta.examples == found.report.accepted + found.report.repaired
        there = part("contexts", found.meta.id)().examples()
        assert len(there) == found.meta.examples
        if found.meta.application == "sentiment":
            assert all(one.input.strip() and one.output in found.meta.labels for one in there), turn
            assert name not in LITERAL or all(is_literal(one.input, path.read_bytes()) for one in there), turn
            kept += any(one.input in known for one in there)
        else:
            assert all(len(one.input) > 0 for one in there), turn
    assert_one_line(max(said, key=len))
    assert not any("\n" in one for one in said)
    assert kept or name in PACKED, "nothing was ever imported"


LITERAL = ("r.csv", "plain.csv", "windows.csv")
PACKED = ("r.xlsx", "r.zip", "r.csv.gz", "r.conll", "r.parquet", "r.json")


def is_literal(text: str, raw: bytes) -> bool:
    """Whether its lines stand in the file as they are, quotes doubled or not, each in an encoding it may be in."""
    whole = [raw.decode(codec, "replace") for codec in ("utf-8", "cp1252")]
    lines = [line for one in (text, text.replace('"', '""')) for line in [one.split("\n")]]
    return any(all(any(line in one for one in whole) for line in form) for form in lines)


def assert_one_line(said: str) -> None:
    assert "\n" not in said
    assert 10 < len(said) < 600


@pytest.mark.parametrize("seed", range(10))
def test_random_bytes_are_never_a_traceback(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    for name in ("a.csv", "a.jsonl", "a.json", "a.conll", "a.parquet", "a.xlsx", "a.txt", "a"):
        raw = b"".join(rng.choice([*PIECES, b"text", b"label", b"good", rng.randbytes(3)]) for _ in range(400))
        starts = {"a.parquet": b"PAR1", "a.xlsx": b"PK\x03\x04"}
        try:
            taken(written(tmp_path, name, starts.get(name, b"") + raw), mapping=SENTIMENT)
        except BadInput as error:
            assert_one_line(str(error))
