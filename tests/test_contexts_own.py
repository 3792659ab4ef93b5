"""Your own data on the Contexts page: uploaded, looked at by a worker, corrected, added, deleted; never a traceback."""

import csv
import gzip
import io
import os
import time
import tomllib
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctx import registry
from ctx.errors import BadInput
from ctx.gc import collect
from ctx.home import project
from ctx.imports import findings, hub, trial, uploads
from ctx.imports.names import SLUG
from ctx.imports.tables import Reading
from ctx.store import open_store
from tests.imported import REVIEWS, csv_text
from tests.pages import texts
from tests.test_contexts_page import shown
from tests.uploaded import MANY, box, page, said, store, uploaded, worked

__all__ = ["store"]  # the fixture that every test here uses

EVIL = "<img src=x onerror=alert(1)> $a$ **b** :tada: [l](javascript:alert(1)) =1+1"


def test_a_file_is_understood_reported_and_added(home: Path) -> None:
    app = uploaded(("reviews.csv", "\ufeff" + csv_text(MANY) + '"torn","good","more"\n'))
    text = said(app)
    assert "reviews.csv is read as CSV with 2 columns: “text”, “label”. UTF-8, with a byte order mark." in text
    assert "It looks like Sentiment: “text” is read, “label” is to be learnt. Its language looks like “en”." in text
    assert "61 rows: 60 accepted, 0 repaired, 1 refused." in text
    assert "row 62: it has 3 cells, the header has 2" in text
    assert "good (30)" in text
    assert "“The soup was warm and the waiter smiled. Visit 0.”" in text
    assert [*app.dataframe[0].value["label"]] == ["good", "bad", "good", "bad", "good"]
    next(one for one in app.text_input if one.label == "Title").set_value("Cafés").run()
    app.button(key="own add").click().run()
    assert "row 0 of 61" in str(app.get("progress")[0].proto.text)
    worked(app)
    assert app.query_params["context"] == "sentiment/my-reviews"
    assert "Added: 60 examples" in "".join(str(one.value) for one in app.success)
    assert registry.part("contexts", "sentiment/my-reviews").title == "Cafés"
    assert " to learn from" in said(app)
    assert not list((home / "uploads").iterdir()), "nothing is left of the upload"
    assert not app.file_uploader, "the line that takes files is closed"


def test_what_was_misunderstood_is_corrected() -> None:
    rows = [(text, "3", label) for text, label in MANY]
    app = uploaded(("r.csv", csv_text(rows, "text,stars,mood")))
    box(app, "Label").set_value(2).run()
    worked(app)
    assert "good (30)" in said(app)
    app.button(key="own add").click().run()
    worked(app)
    assert registry.part("contexts", "sentiment/my-r").labels == ("bad", "good")


def test_another_application_asks_for_its_column_and_takes_it() -> None:
    rows = [(f"a long text about number {n}", f"number {n}") for n in range(20)]
    app = uploaded(("r.csv", csv_text(rows, "a,b")))
    box(app, "Application").set_value("translation").run()
    if box(app, "Translation").value is None:
        assert "Choose the column above" in texts(app)
        box(app, "Text").set_value(0).run()
        box(app, "Translation").set_value(1).run()
    worked(app)
    app.button(key="own add").click().run()
    worked(app)
    assert registry.part("contexts", "translation/my-r").application == "translation"


def test_the_file_is_read_again_as_one_says() -> None:
    app = uploaded(("r.csv", csv_text(MANY, sign=";").replace("Visit", "Visit,")))
    box(app, "Columns are parted by").set_value("comma").run()
    worked(app)
    assert "parted by semicolon" not in said(app)
    box(app, "Columns are parted by").set_value("semicolon").run()
    box(app, "Header").set_value("none").run()
    worked(app)
    assert "with 2 columns: “column 1”, “column 2”" in said(app)


def test_two_text_files_are_a_translation_line_by_line() -> None:
    english, french = ("".join(f"{word} {n}\n" for n in range(12)) for word in ("The cat", "Le chat"))
    app = uploaded(("train.en", english), ("train.fr", french))
    assert "It looks like Translation: “en” is read, “fr” is to be learnt." in said(app)
    app.button(key="own add").click().run()
    worked(app)
    assert app.query_params["context"] == "translation/my-train-en-and-train"


def zipped(content: bytes) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("r.csv", content)
    return raw.getvalue()


def bomb() -> bytes:
    raw = io.BytesIO()
    spaces = pa.table({"text": [" " * 1_000_000] * 20})
    pq.write_table(spaces, raw, use_dictionary=False, compression="zstd")
    return raw.getvalue()


DEEP = '[{"text": ' + "[" * 100_000
BAD = [
    ("empty.csv", b"", "is empty"),
    ("blank.csv", "\n\n\n", "nothing but blank lines"),
    ("a.pdf", b"%PDF-1.7 and so on", "is a PDF document"),
    ("a.csv", csv_text().encode("utf-16-le"), "NUL bytes from offset 1"),
    ("a.csv", csv_text().encode("utf-32"), "UTF-32"),
    ("a.csv", b"text,label\n" + b"x" * 3_000_000, "longer than 1,048,576 characters"),
    ("a.csv", csv_text([(text, "good") for text, _ in MANY]), "Every row has the label “good”"),
    ("a.csv", csv_text(REVIEWS[:4]), "4 different texts are left"),
    ("a.csv.gz", gzip.compress(b"a,b\n" * 8_000_000), "unpacks to more than 200 times"),
    ("a.zip", zipped(b"a,b\n" * 8_000_000), "unpacks to more than 200 times"),
    ("a.parquet", b"PAR1" + b"\0" * 100, "can't be read as Parquet"),
    ("a.parquet", bomb(), "unpacks to more than 200 times"),
    ("a.json", DEEP, "a.json can't be read from row 1 on: it is nested too deeply"),
    ("a.jsonl", "1\n2\n", "no records"),
]


def test_a_file_that_cannot_be_used_is_one_sentence_and_another_can_be_chosen() -> None:
    app = page()
    for name, content, reason in BAD:
        uploaded((name, content), app=app)
        complaints = [str(one.value) for kind in (app.error, app.info) for one in kind]
        complaints = [one for one in complaints if "Choose a row" not in one]
        assert len(complaints) == 1, reason
        assert reason in complaints[0].replace("\u2060", "").replace("\\", "")
        assert "\n" not in complaints[0]
        assert "Traceback" not in said(app)
        assert not [one for one in app.button if one.key == "own add"]
        app.button(key="own leave").click().run()
        assert not list(uploads.root().iterdir())


def test_too_many_labels_are_one_sentence() -> None:
    rows = [(f"text number {n}", f"label {n % 600}") for n in range(1200)]
    app = uploaded(("r.csv", csv_text(rows)))
    box(app, "Application").set_value("sentiment").run()
    for label, column in (("Text", 0), ("Label", 1)):
        box(app, label).set_value(column).run()
    worked(app)
    assert "has more than 500 different labels" in said(app)


def test_an_unclosed_quote_names_its_row_and_costs_no_other() -> None:
    app = uploaded(("r.csv", csv_text(MANY) + '"open,good\n' + csv_text([("one more", "good")]).split("\n", 1)[1]))
    assert "61 accepted, 0 repaired, 1 refused" in said(app)
    assert "the quote that opens in line 62 is never closed" in said(app)


def test_a_workbook_is_read_too() -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book, raw = openpyxl.Workbook(), io.BytesIO()
    for row in [("text", "label"), *MANY]:
        book.active.append(row)
    book.save(raw)
    app = uploaded(("r.xlsx", raw.getvalue()))
    assert "r.xlsx is read as Excel" in said(app)
    assert "60 accepted" in said(app)


def test_files_that_do_not_belong_together_are_one_sentence() -> None:
    lines = "one\ntwo\n"
    app = uploaded(("a.en", lines), ("a.fr", lines + "three\n"))
    assert "a.en has 2 lines and a.fr 3" in said(app)
    app.button(key="own leave").click().run()
    app.file_uploader[0].set_value([(f"{n}.txt", lines.encode(), "") for n in range(3)]).run()
    assert "3 files were given" in said(app)


@pytest.mark.parametrize("name", ["../../x.csv", "CON", f"{EVIL}\u202e.csv", "n" * 300 + ".csv"])
def test_a_name_is_shown_as_it_is_and_is_no_path(name: str, home: Path) -> None:
    rows = [(f"{EVIL} {n}", EVIL[:30] if n % 2 else "good") for n in range(30)]
    app = uploaded((name, csv_text(rows)))
    (folder,) = (home / "uploads").iterdir()
    assert {path.name.partition("-")[0] for path in folder.iterdir()} == {"file0", "names.json", "seen", "tried"}
    assert (folder.stat().st_mode & 0o77) == 0 or os.name == "nt"
    for sign, where in (("<img", shown(app)), ("\u202e", shown(app)), ("**b**", texts(app)), (" $a$", texts(app))):
        assert sign not in where
    app.button(key="own add").click().run()
    worked(app)
    (found,) = (home / "datasets").iterdir()
    assert SLUG.fullmatch(found.name.removeprefix("sentiment."))
    assert sorted(path.name for path in home.parent.iterdir()) == ["home"]


def test_every_refused_row_is_in_the_file_that_can_be_saved() -> None:
    rows = [*MANY, *(("", "good") for _ in range(120))]
    app = uploaded(("r.csv", csv_text(rows)))
    assert "… and 112 more" in said(app)
    token = app.session_state["own upload"]
    seen = findings.seen(token, Reading())
    assert seen is not None
    listing = findings.listing(token, Reading(), seen.guess).read_text(encoding="utf-8-sig")
    found = list(csv.DictReader(io.StringIO(listing)))
    assert [int(one["row"]) for one in found] == list(range(62, 182))
    assert {one["reason"] for one in found} == {"its text is empty"}
    assert trial._harmless("=cmd()") == "'=cmd()"


def test_the_worker_alone_reads_files_and_is_asked_once_for_each_question() -> None:
    app = page()
    app.file_uploader[0].set_value([("r.csv", csv_text(MANY).encode(), "")]).run()
    app.run()
    (job,) = open_store().jobs(kind=trial.KIND)
    assert "No worker runs here (CTX_WORKERS=0)" in texts(app)
    assert set(job.payload) == {"upload", "reading", "meaning", "about"}
    worked(app)
    app.run()
    assert len(open_store().jobs(states=None, kind=trial.KIND)) == 1


def test_a_worker_that_fails_is_said_and_can_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from ctx.imports import trial as tried

    with monkeypatch.context() as broken:
        broken.setattr(tried, "look", lambda *_: 1 / 0)
        app = uploaded(("r.csv", csv_text(MANY)))
    assert "an error that ctx did not expect" in said(app)
    next(one for one in app.button if one.label == "Try again").click().run()
    worked(app)
    assert "60 accepted" in said(app)


def test_what_is_left_for_hours_goes_and_the_page_says_so() -> None:
    app = uploaded(("r.csv", csv_text(MANY)))
    folder = uploads.place(app.session_state["own upload"])
    old = time.time() - uploads.KEPT_SECONDS - 60
    collect(open_store())
    assert folder.exists(), "not yet"
    os.utime(folder, (old, old))
    collect(open_store())
    assert not folder.exists()
    app.run()
    assert not app.exception
    assert "no longer here" in texts(app)
    assert app.file_uploader


@pytest.mark.parametrize("token", ["", "..", "../../etc", "0" * 31, "0" * 32, "G" * 32])
def test_only_a_token_names_an_upload(token: str) -> None:
    with pytest.raises(BadInput, match="no longer here"):
        uploads.files(token)
    uploads.drop(token)


def test_what_the_page_says_of_the_limit_is_what_the_server_takes() -> None:
    config = tomllib.loads((project() / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert config["server"]["maxUploadSize"] == uploads.LIMIT
    assert page().file_uploader[0].proto.max_upload_size_mb == uploads.LIMIT


def test_a_data_set_of_the_hub_is_named_and_no_folder_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    field = next(one for one in page().text_input if "hub" in one.label)
    assert field.disabled
    for name in ("ctx", "../x", "/etc/passwd", "tests/../..", "a/b/c", "hf:"):
        with pytest.raises(BadInput, match="names no data set"):
            uploads.add_hub(name)
    assert uploads.files(uploads.add_hub("owner/name")) == (["hf:owner/name"], [])
    monkeypatch.chdir(project())
    with pytest.raises(BadInput, match="is a folder here"):
        hub.table("hf:ctx/ui")
    if not hub.installed():
        with pytest.raises(BadInput, match="needs the package “datasets”"):
            hub.table("hf:owner/name")
