"""Looking at own data and adding it as work for a worker: left, killed, done twice, watched; disk and hub in bounds."""

import io
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from ctx import registry
from ctx.errors import BadInput, StoreError
from ctx.hand import _take_job
from ctx.imports import findings, trial, uploads
from ctx.imports import take as taking
from ctx.imports.tables import Reading
from ctx.imports.take import About
from ctx.records import Job
from ctx.store import Store, open_store
from ctx.ui import own_work
from tests.imported import REVIEWS, csv_text
from tests.uploaded import MANY, store, uploaded, worked

__all__ = ["store"]  # the fixture that every test here uses


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
