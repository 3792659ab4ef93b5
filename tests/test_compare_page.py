"""Compare as a person meets it: entered through app.py, told by its address, never a traceback."""

from pathlib import Path

import pytest

from ctx.store import Store, open_store
from tests.finished import SENTIMENT, finished
from tests.pages import opened, texts


@pytest.fixture
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("CTX_WORKERS", "0")
    return finished(home)


def test_an_empty_store_says_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_WORKERS", "0")
    open_store().close()
    app = opened("compare")
    assert not app.exception
    assert "press Train" in texts(app)


def test_it_opens_with_the_newest_study_and_target_only_as_the_baseline(store: Store) -> None:
    app = opened("compare")
    assert not app.exception
    assert "12 of 12 runs listed, 6 ticked." in texts(app)
    listed, found, differing = (one.value for one in app.dataframe)
    assert listed["Draws"].tolist() == [2] * 6
    assert found["Arm"].tolist() == ["target-only", "source-only", "joint", "source-only", "joint"]
    pinned = next(box for box in app.selectbox if box.label == "Pin a baseline")
    alone = next(run for run in store.runs() if run.config.schedule.name == "target-only" and run.config.seed == 0)
    assert pinned.value == alone.id[:8]
    assert [text != "" for text in found["Δ macro-F1"]] == [False, True, True, False, False]
    assert "schedule" in differing.index
    assert "95 % interval. Dotted line: always one answer." in texts(app)


def test_the_address_says_what_is_ticked_listed_and_in_which_order(store: Store) -> None:
    numbers = [run for run in store.runs() if run.config.target.id == "lesson/base"]
    app = opened(
        "compare",
        runs=",".join(run.id[:8] for run in numbers),
        search="lesson",
        sort="target/mse",
        order="rising",
        each="run",
    )
    assert not app.exception
    assert not app.warning
    listed, found, *_ = (one.value for one in app.dataframe)
    assert len(listed) == 6
    assert listed["target/mse"].is_monotonic_increasing
    assert {"R²", "mean squared error"} <= set(found.columns)


def test_the_list_shows_every_applications_first_result(store: Store) -> None:
    app = opened("compare")
    listed = app.dataframe[0].value
    assert set(listed["Measured by"]) == {"macro-F1", "R²"}
    assert listed["result (target)"].notna().all()
    (box,) = (one for one in app.text_input if one.label == "Search runs")
    box.set_value("lesson").run()
    listed = app.dataframe[0].value
    assert "Measured by" not in listed
    assert listed["R² (target)"].notna().all()


def test_filters_and_choices_go_into_the_address(store: Store) -> None:
    app = opened("compare")
    next(box for box in app.multiselect if box.label == "Schedule").set_value(["joint"]).run()
    next(box for box in app.selectbox if box.label == "Curves of").set_value("gradient").run()
    next(box for box in app.selectbox if box.label == "Pin a baseline").set_value("").run()
    assert not app.exception
    assert app.query_params["schedule"] == "joint"
    assert app.query_params["curve"] == "gradient"
    assert app.query_params["baseline"] == "none"
    assert "2 of 12 runs listed, 6 ticked, 4 of them hidden by the filters." in texts(app)


def test_nonsense_in_the_address_is_said_once_and_the_default_is_shown(store: Store) -> None:
    nonsense = {"sort": "nothing", "curve": "x", "metric": "y", "baseline": "q", "state": ["done", "odd"]}
    app = opened("compare", **nonsense)
    assert not app.exception
    said = [str(one.value) for one in app.warning]
    assert len(said) == 5
    assert all("in the address is left out" in one for one in said)
    assert not app.run().warning


def test_unknown_runs_in_the_address_leave_an_empty_choice_with_a_sentence(store: Store) -> None:
    app = opened("compare", runs="zzzzzzzz")
    assert not app.exception
    assert "zzzzzzzz" in texts(app)
    assert "Tick two or more rows" in texts(app)


def test_one_draw_claims_nothing(store: Store) -> None:
    first = [run for run in store.runs() if run.config.seed == 0 and run.config.target.id == "lesson/base"]
    app = opened("compare", runs=",".join(run.id[:8] for run in first))
    assert "One draw says nothing about cause" in texts(app)


def test_names_are_shown_as_they_are(store: Store) -> None:
    evil = "<b>x</b> :red[y] $z$ **w**"
    for run in store.runs(limit=6):
        store.rename(run.id, name=evil)
    app = opened("compare")
    assert not app.exception
    assert evil in app.dataframe[0].value["Name"].tolist()
    assert not any(":red[y]" in str(one.value) for one in (*app.markdown, *app.caption))
    spec = " ".join(str(chart.proto.spec) for chart in app.get("plotly_chart"))
    assert "<b>x</b>" not in spec


def test_runs_that_wait_are_listed_and_have_no_invented_results(store: Store) -> None:
    store.add_run(SENTIMENT.model_copy(update={"seed": 99}), again=True)
    run = store.runs(["queued"])[0]
    app = opened("compare", runs=run.id[:8])
    assert not app.exception
    assert "None of these runs has finished yet" in texts(app)
