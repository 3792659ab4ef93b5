"""Your own data on the Contexts page where files, people or the machine do something odd: never a traceback."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctx import registry
from ctx.imports import stored, trial
from tests.imported import csv_text, json_lines
from tests.pages import opened, texts
from tests.uploaded import MANY, box, page, reviews, said, store, uploaded, worked

__all__ = ["store"]  # the fixture that every test here uses

SAME = "x" * 100
ZERO = "\u200b"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("r.jsonl", json_lines([{SAME + n + SAME: a for n in "abc"} | {"label": b} for a, b in MANY])),
        ("r.csv", csv_text([(a, a, a, b) for a, b in MANY], f"a{ZERO},a{ZERO}{ZERO},a,label")),
        ("r.jsonl", json_lines([{" a": a, "a ": a, "a": a, "a (2)": a, "label": b} for a, b in MANY])),
    ],
)
def test_columns_that_shorten_to_one_name_are_told_apart(name: str, content: str) -> None:
    app = uploaded((name, content))
    columns = [*app.dataframe[0].value.columns]
    assert len(set(columns)) == len(columns) >= 4
    assert columns[1].endswith("(2)")
    assert "60 accepted" in said(app)


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("harm", ["gone", "cut"])
def test_data_that_vanished_or_is_damaged_is_one_sentence_and_breaks_no_page(
    tmp_path: Path, harm: str, counted: bool
) -> None:
    meta, other = reviews(tmp_path), reviews(tmp_path, title="Another")
    app = opened("contexts", **({"context": meta.id} if counted else {}))
    file = meta.folder / stored.EXAMPLES
    file.unlink() if harm == "gone" else file.write_bytes(file.read_bytes()[:-9])
    for address in ({}, {"context": meta.id}, {"context": other.id, "with": meta.id}):
        app = opened("contexts", **address)
        assert not app.exception, address
        assert {meta.id, other.id} <= {*app.dataframe[0].value["Name"]}
    table = app.dataframe[0].value.set_index("Name")
    assert table.loc[meta.id, "On this machine"] == ("its file is gone" if harm == "gone" else "yes")
    for role in ("source", "target"):
        app = opened("lab", **{role: meta.id})
        assert not app.exception, role
    app = opened("contexts", context=meta.id)
    if not (counted and harm == "cut"):
        assert ("is gone" if harm == "gone" else "is damaged") in texts(app)
    app.button(key="own remove").click().run()
    app.button(key="own remove now").click().run()
    assert not app.exception
    assert meta.id not in registry.contexts("local")


def test_what_was_corrected_stays_while_the_file_is_read_otherwise_or_the_page_is_left() -> None:
    rows = [(text, "3", label) for text, label in MANY]
    app = uploaded(("r.csv", csv_text(rows, "text,stars,mood")))
    box(app, "Label").set_value(2).run()
    box(app, "Group").set_value(1).run()
    worked(app)
    box(app, "Encoding").set_value("cp1252").run()
    worked(app)
    assert (box(app, "Label").value, box(app, "Group").value) == (1, -1), "a guess of its own for another reading"
    box(app, "Encoding").set_value("").run()
    assert (box(app, "Label").value, box(app, "Group").value) == (2, 1)
    box(app, "Application").set_value("summarisation").run()
    box(app, "Application").set_value("sentiment").run()
    assert box(app, "Label").value == 2
    app.switch_page("pages/lab.py").run()
    app.switch_page("pages/contexts.py").run()
    assert not app.exception
    assert (box(app, "Application").value, box(app, "Label").value) == ("sentiment", 2)


def test_signs_that_turn_directions_turn_nothing_around_a_label() -> None:
    rows = [(text, f"\u202e\u2067{label}") for text, label in MANY]
    app = uploaded(("r.csv", csv_text(rows)))
    assert "good (30)" in said(app)
    assert not {"\u202e", "\u2067"} & {*said(app)}
    app.button(key="own add").click().run()
    worked(app)
    assert not {"\u202e", "\u2067"} & {*said(app)}
    assert registry.part("contexts", "sentiment/my-r").labels == ("\u202e\u2067bad", "\u202e\u2067good")


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_nothing_in_the_file_of_refusals_is_a_formula(sign: str) -> None:
    assert trial._harmless(f"{sign}cmd()") == f"'{sign}cmd()"
    assert trial._harmless("row 3") == "row 3"


NAMES = ["Ada", "Tom", "Ben", "Sam", "Kim", "Joe", "Pat", "Max", "Eva", "Lea", "Ida", "Ann"]
ACCENTS = [(text.replace("a", "é"), label) for text, label in MANY]
ODD = [
    ("r.csv", csv_text(ACCENTS).encode("utf-16"), ["UTF-16, by its byte order mark", "60 accepted"]),
    ("r.csv", csv_text(ACCENTS).encode("cp1252"), ["read as Windows-1252", "60 accepted"]),
    ("r.csv", csv_text(MANY) + "nul\0,good\n", ["60 accepted, 0 repaired, 1 refused", "row 62: it holds a NUL byte"]),
    (
        "r.csv",
        csv_text([(a, a, b) for a, b in MANY], "text,text,label"),
        ["“text” is there more than once: column 2 is called “text (2)”", "60 accepted"],
    ),
    ("r.csv", csv_text([*MANY, ("Well.", "odd")]), ["One example only: “odd”", "61 accepted"]),
    (
        "n.conll",
        "\n\n".join(f"{name} I-PER\nmet O\nBath B-LOC" for name in NAMES),
        ["12 repaired", "1 tag changed so that entities begin with B, first I-PER → B-PER", "Names in texts"],
    ),
]


def test_odd_files_are_taken_and_what_was_done_is_said() -> None:
    app = page()
    for name, content, words in ODD:
        uploaded((name, content), app=app)
        text = said(app)
        assert not app.error, words
        for one in words:
            assert one in text
        assert [one for one in app.button if one.key == "own add"]
        app.button(key="own leave").click().run()


def test_a_wrong_delimiter_is_one_sentence_that_names_the_right_one() -> None:
    app = uploaded(("r.csv", csv_text(MANY, sign=";")))
    box(app, "Columns are parted by").set_value("comma").run()
    worked(app)
    assert "its delimiter looks like semicolon" in "".join(str(one.value) for one in app.error).replace("\\", "")


def test_a_format_that_is_read_in_one_way_offers_no_other_and_filters_hide_nothing_new() -> None:
    raw = io.BytesIO()
    pq.write_table(pa.table({"text": [text for text, _ in MANY], "label": [label for _, label in MANY]}), raw)
    app = page(search="nothing has this")
    uploaded(("r.parquet", raw.getvalue()), app=app)
    assert "r.parquet is read as Parquet" in said(app)
    assert not [one for one in app.selectbox if one.label in ("Format", "Encoding", "Header")]
    app.button(key="own add").click().run()
    worked(app)
    assert "search" not in app.query_params
    assert "sentiment/my-r" in {*app.dataframe[0].value["Name"]}
