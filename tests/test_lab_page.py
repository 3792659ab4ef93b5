"""The Lab as a visitor meets it, without a browser: entered at app.py, its address the only thing that it remembers."""

from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ctx.errors import Unavailable
from ctx.home import project
from ctx.lab import data, link
from ctx.records import Job
from ctx.store import open_store
from ctx.study import rows
from ctx.ui.page import literal
from ctx.worker import run_here

QUICK = {"app": "lesson", "draws": "2", "optim.epochs": "1", "optim.min_updates": "5", "source.size": "100"}
Visit = Callable[..., AppTest]


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch) -> Visit:
    monkeypatch.setenv("CTX_WORKERS", "0")
    st.cache_resource.clear()
    st.cache_data.clear()

    def open_page(**address: str) -> AppTest:
        app = AppTest.from_file(project() / "app.py", default_timeout=30)
        app.switch_page("pages/lab.py")
        for name, value in address.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception
        return app

    return open_page


def said(app: AppTest) -> str:
    """All that stands on the page, joiners left out."""
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error, app.subheader, app.code)
    return "\n".join(str(one.value) for kind in kinds for one in kind).replace("\u2060", "").replace("\\", "")


def address(app: AppTest, name: str) -> str:
    """What the address says for a name."""
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]


def train_what_is_queued() -> None:
    store = open_store()
    for run in reversed(store.runs(["queued"], limit=None)):
        run_here(store, run)


def click(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    assert not app.exception
    return app


def test_a_visitor_guesses_trains_and_reads_an_answer(visit: Visit) -> None:
    app = visit(**QUICK)
    assert "What Train will do" in said(app)
    app.segmented_control(key="guess").set_value("helps").run()
    click(app, "train")
    assert list(app.query_params) == ["study"]
    assert "No draw is complete yet." in said(app)
    assert app.button(key="stop")
    train_what_is_queued()
    app.run()
    text = said(app)
    assert "of 2 draws (" in text
    assert "You guessed “helps”" in text
    assert "Labels used: related teacher 100, base teacher 20" in text
    assert app.button(key="train").disabled, "these settings have their answer"


def test_a_studys_address_shows_the_same_to_another_visitor(visit: Visit) -> None:
    first = click(visit(**QUICK), "train")
    train_what_is_queued()
    first.run()
    second = visit(study=address(first, "study"))
    assert said(second) == said(first)


def test_what_is_in_the_store_is_not_trained_twice(visit: Visit) -> None:
    click(visit(**QUICK), "train")
    train_what_is_queued()
    again = click(visit(**QUICK), "train")
    assert "Found in the store: 6 of 6 runs were trained before." in said(again)
    assert open_store().count() == 6


def test_a_changed_setting_says_that_the_answer_is_from_before(visit: Visit) -> None:
    app = click(visit(**QUICK), "train")
    train_what_is_queued()
    app.number_input(key="set target.size").set_value(50).run()
    assert address(app, "target.size") == "50"
    assert "You changed labels 20 → 50" in said(app)
    assert not app.button(key="train").disabled


def test_stop_stops_and_go_on_takes_the_runs_up_again(visit: Visit) -> None:
    app = click(click(visit(**QUICK), "train"), "stop")
    assert {run.state for run in open_store().runs()} == {"stopped"}
    app.run()
    click(app, "resume")
    assert {run.state for run in open_store().runs()} == {"queued"}


def test_a_failed_run_says_why(visit: Visit) -> None:
    app = click(visit(**QUICK), "train")
    store = open_store()
    run = store.claim("tester")
    assert run is not None
    store.finish(run, "failed", error="The disk is full: free some space.")
    app.run()
    assert "The disk is full: free some space." in said(app)


def test_weigh_and_freeze_open_after_the_first_result(visit: Visit) -> None:
    fresh = visit(**QUICK)
    assert not [button for button in fresh.button if str(button.key).startswith("open ")]
    app = click(click(fresh, "train"), "open weigh")
    assert "with this schedule there is one loss at a time" in said(app).lower()
    click(app, "joint")
    assert address(app, "schedule") == "joint"
    assert "L = L(related teacher) + 0.1 · L(base teacher)" in said(app)
    click(app, "open freeze")
    app.segmented_control(key="freeze stack").set_value(1).run()
    assert address(app, "tuning") == "head"


def test_a_layer_of_the_stack_freezes_all_below_it(visit: Visit) -> None:
    app = visit(study=open_store().add_study("x", link.spec(data.sample(), 1, None), rows(data.sample(), 1)).id)
    click(app, "open freeze")
    app.segmented_control(key="freeze stack").set_value(1).run()
    assert (address(app, "tuning"), address(app, "tuning.layers")) == ("freeze", "1")
    assert "1 of 2 frozen" in said(app)


def test_try_next_trains_at_once(visit: Visit) -> None:
    app = click(click(visit(**QUICK), "train"), "next opposed")
    study = open_store().study(address(app, "study"))
    assert link.asked(study).sources[0].knobs == {"relatedness": -1.0}


def test_all_settings_change_the_address(visit: Visit) -> None:
    app = visit(app="lesson")
    app.session_state["all settings"] = True
    app.run()
    app.number_input(key="all optim.epochs").set_value(3).run()
    assert address(app, "optim.epochs") == "3"
    assert app.selectbox(key="all backbone").disabled


def test_swap_turns_the_question_round(visit: Visit) -> None:
    app = click(visit(), "swap")
    assert address(app, "source") == "sentiment/sample-cafes-en"
    assert address(app, "target") == "sentiment/sample-gadgets-en"


def test_choosing_the_other_sides_context_swaps(visit: Visit) -> None:
    app = visit(app="lesson")
    app.selectbox(key="set target").set_value("lesson/relative").run()
    assert address(app, "source") == "lesson/base"


def test_without_the_real_data_the_samples_stand_in_and_the_page_says_so(visit: Visit) -> None:
    app = visit()
    assert "sample sentences written for this project" in said(app)
    assert app.selectbox(key="set source").value == "sentiment/sample-gadgets-en"


def job(state: str, error: str | None = None) -> Job:
    """The fetch of the default pair, in this state."""
    store = open_store()
    added = data.fetch(store, data.default("sentiment"))
    assert added is not None
    if state != "queued":
        claimed = store.claim_job("tester", ["fetch"])
        assert claimed is not None
        store.report(claimed, "vaderSentiment", 12.0, 86.0)
        if state == "failed":
            store.finish_job(claimed, error or str(Unavailable("no network")))
    return store.job(added.id)


def test_a_fetch_shows_its_progress_size_and_licence(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_OFFLINE", "0")
    job("running")
    app = visit()
    text = said(app)
    assert "83.5 MB, Apache-2.0" in text
    assert "2.5 MB, MIT" in text
    assert app.button(key="train").disabled
    click(app, "sample")
    assert address(app, "backbone") == "tiny"
    assert not app.button(key="train").disabled


def test_a_failed_fetch_gives_its_reason_and_the_samples(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_OFFLINE", "0")
    monkeypatch.setattr("ctx.ui.start.prepare", lambda store: False)
    job("failed", "No network: check the cable.")
    app = visit()
    assert "check the cable" in said(app)
    assert app.button(key="fetch again")
    assert app.selectbox(key="set source").value == "sentiment/sample-gadgets-en"


@pytest.mark.parametrize("name", ["study", "app", "source", "target.size", "schedule.lam", "draws", "nothing"])
def test_nonsense_in_the_address_gets_a_sentence(visit: Visit, name: str) -> None:
    app = visit(**{name: "<b>$x$ :smile:"})
    assert len(app.warning) == 1
    assert "<b>" not in app.warning[0].value, "no markup from an address"


def test_a_store_from_a_newer_version_gets_one_sentence(visit: Visit, home: Path) -> None:
    import sqlite3

    open_store().close()
    connection = sqlite3.connect(home / "ctx.sqlite")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    app = visit()
    assert len(app.error) == 1
    assert "newer version" in said(app)


def test_rows_of_the_samples_are_compared_sentence_by_sentence(visit: Visit) -> None:
    config = data.sample().model_copy(update={"optim": data.sample().optim.model_copy(update={"epochs": 1})})
    store = open_store()
    study = store.add_study("x", link.spec(config, 1, None), rows(config, 1))
    train_what_is_queued()
    app = visit(study=study.id)
    assert "One draw proves nothing" in said(app)
    counts = app.segmented_control(key="sentences kind").options
    total = sum(int(option.split()[-1]) for option in counts)
    assert config.target is not None
    assert total == len(data.data.splits(config.target).test)


def test_text_of_data_is_shown_as_it_is() -> None:
    shown = literal("a_b_ **c** <b> $d$ :e:")
    assert all(f"\\{mark}" in shown for mark in "_*<>$:")
