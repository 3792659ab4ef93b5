"""Your own data on the Contexts page where files, people or the machine do something odd: never a traceback."""

import io
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctx import registry
from ctx.errors import BadInput, StoreError
from ctx.hand import _take_job
from ctx.imports import findings, stored, trial, uploads
from ctx.imports import take as taking
from ctx.imports.tables import Reading
from ctx.imports.take import About
from ctx.records import Job
from ctx.store import Store, open_store
from ctx.ui import own_work
from tests.imported import REVIEWS, csv_text, json_lines
from tests.pages import opened, texts
from tests.test_contexts_own import MANY, box, page, reviews, said, store, uploaded, worked

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


def test_an_import_that_was_left_ends_soon_and_keeps_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "EVERY", -1.0)
    app = uploaded(("r.csv", csv_text(MANY)))
    token = app.session_state["own upload"]
    seen = findings.seen(token, Reading())
    assert seen is not None
    for about in (None, About()):
        other = uploads.add([("r.csv", io.BytesIO(csv_text(MANY).encode()))])
        read: list[int] = []

        def left(rows: int, _: int, read: list[int] = read, other: str = other) -> None:
            read.append(rows)
            uploads.drop(other)

        with pytest.raises(BadInput, match="no longer here"):
            trial.of_job(trial.payload(other, Reading(), seen.guess, about), left)
        assert read == [1]
    assert not [*(home / "datasets").iterdir()]
    app.button(key="own add").click().run()
    app.button(key="own leave").click().run()
    assert app.file_uploader
    worked(app)
    (job, *_) = open_store().jobs(states=None, kind=trial.KIND)
    assert (job.state, "no longer here" in (job.error or "")) == ("failed", True)
    assert not [*(home / "datasets").iterdir()]


def test_an_import_whose_worker_died_is_done_once_more_and_was_there_already() -> None:
    app = uploaded(("r.csv", csv_text(MANY)))
    next(one for one in app.text_input if one.label == "Title").set_value("Cafés").run()
    token = app.session_state["own upload"]
    app.button(key="own add").click().run()
    (job,) = open_store().jobs(kind=trial.KIND)
    first = trial.of_job(job.payload, lambda *_: None)  # and then the worker dies
    assert uploads.place(token)
    worked(app)
    assert not app.exception
    assert open_store().job(job.id).result == {**first, "before": True}
    assert "These 60 examples were there already" in "".join(str(one.value) for one in app.success)
    assert not uploads.root().exists() or not [*uploads.root().iterdir()]
    assert [*registry.contexts("local")].count(str(first["id"])) == 1
    assert f"{first['id']}-2" not in registry.contexts("local")


def test_an_import_that_is_done_while_the_page_is_drawn_is_shown_as_added(monkeypatch: pytest.MonkeyPatch) -> None:
    app = uploaded(("r.csv", csv_text(MANY)))
    app.button(key="own add").click().run()
    (job,) = open_store().jobs(kind=trial.KIND)
    real, asked = own_work.adding, []

    def late() -> object:
        found = real()
        if not asked:
            asked.append(_take_job(open_store(), "worker", {"take": trial.KIND, "threads": 1}))
        return found

    monkeypatch.setattr(own_work, "adding", late)
    app.run()
    assert not app.exception
    assert not app.error
    assert app.query_params["context"] == open_store().job(job.id).result["id"]


def test_a_data_set_of_the_hub_is_tried_in_part_and_without_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"text": f"{text} {n}", "label": label} for n in range(10) for text, label in REVIEWS]
    asked: list[object] = []

    class Data(list[object]):
        features = None

    def load(name: str, split: str, streaming: bool, token: object) -> Data:
        asked.append(token)
        return Data(rows)

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(__version__="4.1.0", load_dataset=load))
    monkeypatch.delenv("CTX_OFFLINE")
    monkeypatch.setattr(trial, "TRIED_ROWS", 50)
    token = uploads.add_hub("owner/reviews")
    told = trial.payload(token, Reading())
    trial.of_job(told, lambda *_: None)
    seen = findings.seen(token, Reading())
    assert seen is not None
    tried = findings.tried(token, Reading(), seen.guess)
    assert tried is not None
    assert (tried.rows, tried.notes[-1]) == (50, "Only the first 50 rows were tried.")
    added = trial.of_job(trial.payload(token, Reading(), seen.guess, About()), lambda *_: None)
    assert added["examples"] == 120
    assert asked == [False, False]
    monkeypatch.setattr(trial, "TRIED_SECONDS", -1.0)
    trial.of_job(told, lambda *_: None)
    tried = findings.tried(token, Reading(), seen.guess)
    assert tried is not None
    assert "Only the first 0 rows were tried." in tried.error


def test_what_would_fill_the_disk_is_refused_before_it_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    content = csv_text(MANY).encode()
    with pytest.raises(BadInput, match="3 files were given: choose one file, or two"):
        uploads.add([(f"{n}.csv", io.BytesIO(content)) for n in range(3)])
    assert not uploads.root().exists()
    monkeypatch.setattr(uploads, "MOST_BYTES", 2 * len(content) + 500)
    uploads.add([("a.en", io.BytesIO(content)), ("a.fr", io.BytesIO(content))])
    with pytest.raises(BadInput, match="Uploads take more than"):
        uploads.add([("r.csv", io.BytesIO(content))])
    assert len([*uploads.root().iterdir()]) == 1


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


def test_a_store_that_cannot_be_read_while_one_waits_is_one_line_and_nothing_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = uploaded(("r.csv", csv_text(MANY)))
    app.button(key="own add").click().run()
    held = app.session_state["own adding"]
    real = Store.job
    for fails in range(1, 5):  # at the first look of a run, the second …
        asked: list[str] = []

        def busy(self: Store, job_id: str, asked: list[str] = asked, fails: int = fails) -> Job:
            asked.append(job_id)
            if len(asked) >= fails:
                raise StoreError("The store is busy: try again.")
            return real(self, job_id)

        with monkeypatch.context() as broken:
            broken.setattr(Store, "job", busy)
            app.run()
            assert not app.exception
            assert len(asked) >= fails
    assert app.session_state["own adding"] == held
    worked(app)
    assert app.query_params["context"] == "sentiment/my-r"


def test_work_is_looked_at_often_at_first_and_seldom_later(monkeypatch: pytest.MonkeyPatch) -> None:
    job = open_store().add_job(trial.KIND, {})
    assert own_work._every(job) == own_work.FAST
    assert own_work._every(replace(job, created=job.created - own_work.EARLY)) == own_work.SLOW


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
