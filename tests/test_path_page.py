"""The path behind the λ slider, as a visitor of the Lab meets it."""

from __future__ import annotations

from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice
from ctx.hand import _take_job
from ctx.home import project
from ctx.lab import link
from ctx.parts import Choice
from ctx.preview import KIND
from ctx.store import open_store
from ctx.study import rows
from ctx.ui.lab_next import OPEN
from ctx.ui.lab_path import AXIS
from ctx.worker import run_here
from tests.pages import texts

CONFIG = RunConfig(
    sources=(SourceChoice(id="sentiment/sample-cafes-en", size=40),),
    target=ContextChoice(id="sentiment/sample-gadgets-en", size=20),
    backbone=Choice(name="tiny", knobs={"layers": 1, "width": 16}),
    optim=Optim(epochs=1, min_updates=5),
)


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CTX_WORKERS", "0")
    st.cache_resource.clear()
    store = open_store()
    made = store.add_study("", link.spec(CONFIG, 2, None), rows(CONFIG, 2))
    for run in store.runs(["queued"], limit=None):
        run_here(store, run)
    return made.id


def weighing(study: str, **address: str) -> AppTest:
    app = AppTest.from_file(str(project() / "app.py"), default_timeout=30)
    app.switch_page("pages/lab.py")
    for name, value in {"study": study, **address}.items():
        app.query_params[name] = value
    app.session_state[OPEN] = "weigh"
    return ran(app)


def ran(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception
    return app


def said(app: AppTest) -> str:
    return texts(app).replace("\u2060", "").replace("\\", "")


def paths(app: AppTest) -> list[Any]:
    charts = [one.proto for one in app.get("plotly_chart")]
    return [chart.spec for chart in charts if "path" in chart.spec and "runs that were trained" in chart.spec]


def solve() -> None:
    assert _take_job(open_store(), "worker", {"take": KIND, "threads": 1})


def test_weigh_asks_for_the_path_once_and_shows_it_with_the_runs_on_it(study: str) -> None:
    weighing(study)
    weighing(study)
    assert len(open_store().jobs(kind=KIND)) == 1, "two visitors, one job"
    assert not paths(weighing(study))
    solve()
    app = weighing(study)
    assert len(paths(app)) == 2, "a panel for each context"
    assert "52 heads on frozen features" in said(app)
    assert "without any label of it" in said(app)
    assert not open_store().jobs(kind=KIND)


def test_another_lambda_moves_the_marker_and_asks_for_nothing(study: str) -> None:
    weighing(study)
    solve()
    before = paths(weighing(study))
    after = paths(ran(weighing(study, **{"schedule.lam": "5"})))
    assert len(after) == 2
    assert before != after
    assert not open_store().jobs(kind=KIND)


def test_the_path_along_labels_is_another_question(study: str) -> None:
    app = weighing(study)
    solve()
    app.session_state[AXIS] = "size"
    ran(app)
    solve()
    ran(app)
    assert "labels" in said(app)
    assert len(paths(app)) == 2


def test_layers_that_learn_have_no_path_and_a_sentence_says_so(study: str) -> None:
    app = weighing(study, tuning="full")
    assert "Freeze all layers" in said(app)
    assert not open_store().jobs(kind=KIND)


def test_a_failed_preview_says_why_and_can_be_asked_for_again(study: str, monkeypatch: pytest.MonkeyPatch) -> None:
    weighing(study)
    store = open_store()
    job = store.claim_job("worker", [KIND])
    assert job is not None
    store.finish_job(job, "The disk is full: make room.")
    app = weighing(study)
    assert "The disk is full: make room." in said(app)
    app.button(key="preview again").click().run()
    assert len(store.jobs(kind=KIND)) == 1


def test_an_answer_that_no_file_keeps_is_shown_and_not_asked_for_again(
    study: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctx.preview.keep", lambda *_: None)  # a full disk, or a worker elsewhere
    weighing(study)
    solve()
    assert len(paths(weighing(study))) == 2
    assert not open_store().jobs(kind=KIND)
