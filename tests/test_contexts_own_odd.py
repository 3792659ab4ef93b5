"""Your own data on the Contexts page where files, people or the machine do something odd: never a traceback."""

from pathlib import Path

import pytest

from ctx import registry
from ctx.imports import stored
from tests.imported import csv_text, json_lines
from tests.pages import opened, texts
from tests.test_contexts_own import MANY, reviews, said, store, uploaded

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
