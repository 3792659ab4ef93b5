"""Map as a person meets it: entered through app.py, told by its address, never a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice
from ctx.lab.history import past
from ctx.leases import new_holder
from ctx.parts import Choice
from ctx.store import Store, open_store
from ctx.sweeps.plan import Axis, Sweep, rows, spec
from ctx.sweeps.search import begin, carry_on
from ctx.worker import run_here
from tests.pages import opened, texts

CAFES = "source=sentiment/sample-cafes-en target=sentiment/sample-gadgets-en backbone=tiny"
START = dict(word.split("=") for word in CAFES.split())
SWEEP = Sweep(
    base=RunConfig(
        sources=(SourceChoice(id="sentiment/sample-cafes-en", size=40),),
        target=ContextChoice(id="sentiment/sample-gadgets-en", size=10),
        backbone=Choice(name="tiny"),
        optim=Optim(epochs=1, min_updates=2),
    ),
    axes=(Axis(name="schedule.lam", values=(0.0, 1.0)), Axis(name="target.size", values=(10, 20))),
    draws=2,
    baseline=True,
)


@pytest.fixture
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("CTX_WORKERS", "0")
    return open_store()


def test_the_form_says_what_it_would_take_and_queues_it(store: Store) -> None:
    app = opened("map", **START, **{"axis.schedule.lam": "0,1", "axis.target.size": "10,20", "draws": "2"})
    assert not app.exception
    assert "runs, about" in texts(app)
    (button,) = (one for one in app.button if one.label.startswith("Train"))
    button.click().run()
    assert not app.exception
    (study,) = store.studies()
    assert len(store.study_runs(study.id)) == 16
    assert app.query_params["map"] == study.id
    assert "The first cells appear here" in texts(app)
    assert store.study_job("encode", study.id).state == "queued"  # type: ignore[union-attr]


def test_while_a_maps_texts_are_encoded_it_says_how_many_are(store: Store) -> None:
    study = store.add_study("map of λ", spec(SWEEP), rows(SWEEP), ahead=True)
    job = store.claim_job(new_holder(), ["encode"])
    assert job is not None
    store.report(job, "", 1200, 3400)
    assert "The encoder reads all texts first: 35% done." in texts(opened("map", map=study.id))
    store.finish_job(job)
    assert "The first cells appear here" in texts(opened("map", map=study.id))


def test_a_change_goes_into_the_address(store: Store) -> None:
    app = opened("map", **START)
    (box,) = (one for one in app.text_input if one.label.startswith("λ"))
    box.set_value("0, 1").run()
    assert app.query_params["axis.schedule.lam"] == "0, 1"
    (several,) = app.multiselect
    several.set_value(["schedule.lam", "tuning.layers"]).run()
    assert not app.exception
    assert app.query_params["axis.tuning.layers"] == "0, 1, 2"
    assert "axis.target.size" not in app.query_params


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ("0, x", "it should be a number"),
        ("", "has no values"),
        ("0, 2000", "The map has no run at"),
        ("0..1:5", "begin above 0"),
    ],
)
def test_values_that_are_none_get_a_sentence_and_no_button(store: Store, values: str, says: str) -> None:
    app = opened("map", **START, **{"axis.schedule.lam": values})
    assert not app.exception
    assert says in texts(app)
    assert not [one for one in app.button if one.label.startswith("Train")]


def test_a_map_shows_its_cells_and_what_matters(store: Store) -> None:
    study = store.add_study("map of λ", spec(SWEEP), rows(SWEEP))
    for _, _, run in store.study_runs(study.id):
        run_here(store, run)
    app = opened("map", map=study.id)
    assert not app.exception
    said = texts(app)
    different = {run.id for _, _, run in store.study_runs(study.id)}
    assert len(different) == 10  # λ 0 doesn't read the target, and target only no λ: one run for both sizes, for both λ
    assert "What matters" in said
    assert "How many labels the source is worth" in said
    shows = next(one for one in app.segmented_control if one.label == "Show")
    shows.set_value("gain").run()
    assert not app.exception
    assert "the source helped; orange" in texts(app)
    (again,) = (one for one in app.button if one.label.startswith("Another"))
    again.click().run()
    assert not app.exception
    assert app.query_params["axis.target.size"] == "10, 20"


SEARCH = SWEEP.model_copy(update={"search": 3, "baseline": False})


def test_the_form_offers_a_search_and_begins_it(store: Store) -> None:
    app = opened("map", **START, **{"axis.schedule.lam": "0,1", "axis.target.size": "10,20", "draws": "2"})
    (which,) = (one for one in app.segmented_control if one.label == "Which cells")
    which.set_value("search").run()
    assert not app.exception
    assert "by the validation score; the map shows test results" in texts(app)
    assert "At most 16 runs, about" in texts(app)
    (few,) = (one for one in app.number_input if one.label == "Cells at most")
    few.set_value(3).run()
    assert app.query_params["search"] == "3"
    assert "At most 12 runs, about" in texts(app)
    next(one for one in app.button if one.label == "Search, with 12 runs at most").click().run()
    assert not app.exception
    (study,) = store.studies()
    assert study.is_search
    assert store.study_runs(study.id) == []
    assert [job.payload for job in store.jobs(kind="search")] == [{"study": study.id}]
    assert "The first cells appear here" in texts(app)
    which = opened("map", **START, random="2")
    assert "Train" in " ".join(one.label for one in which.button)
    assert next(one for one in which.number_input if one.label == "Cells at most").value == 2


def test_without_optuna_the_form_says_what_to_install(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    app = opened("map", **START, search="3")
    assert not app.exception
    assert "pip install" in texts(app).replace("\u2060", "")
    assert not [one for one in app.button if one.label.startswith(("Train", "Search"))]


def test_a_search_tells_how_many_cells_were_tried_and_which_did_best_on_validation(store: Store) -> None:
    study = store.add_study("search", spec(SEARCH), [])
    begin(store, study)
    while (job := store.claim_job("me", ["search"])) and carry_on(store, job)["cells"]:
        for _, _, run in store.study_runs(study.id):
            run_here(store, run)
    store.finish_job(job)
    app = opened("map", map=study.id)
    assert not app.exception
    said = texts(app).replace("\u2060", "").replace("\\", "")
    assert "3 of 4 cells were tried: Optuna chose them by the validation score." in said
    assert "Best on validation: λ" in said
    assert "which the search never saw" in said
    assert not [one for one in app.button if one.label in ("Pause", "Go on")]
    next(one for one in app.button if one.label.startswith("Another")).click().run()
    assert not app.exception
    assert app.query_params["search"] == "3"


def test_a_search_is_paused_and_goes_on_even_between_two_cells(store: Store) -> None:
    study = store.add_study("search", spec(SEARCH), [])
    begin(store, study)
    app = opened("map", map=study.id)
    next(one for one in app.button if one.label == "Pause").click().run()
    assert store.claim_job("me", ["search"]) is None
    next(one for one in app.button if one.label == "Go on").click().run()
    job = store.claim_job("me", ["search"])
    assert job is not None
    carry_on(store, job)
    app = opened("map", map=study.id)
    next(one for one in app.button if one.label == "Pause").click().run()
    assert {run.state for _, _, run in store.study_runs(study.id)} == {"stopped"}
    next(one for one in app.button if one.label == "Go on").click().run()
    assert {run.state for _, _, run in store.study_runs(study.id)} == {"queued"}
    assert [job.state for job in store.jobs(kind="search")] == ["queued"]
    assert not app.exception


def test_a_search_that_cannot_go_on_says_why(store: Store) -> None:
    study = store.add_study("search", spec(SEARCH), [])
    begin(store, study)
    job = store.claim_job("me", ["search"])
    assert job is not None
    store.finish_job(job, "There is too little memory.")
    app = opened("map", map=study.id)
    assert "The search can't go on: There is too little memory" in texts(app).replace("\u2060", "").replace("\\", "")
    assert [one.label for one in app.button if one.label in ("Pause", "Go on")] == ["Go on"]


def test_a_map_that_stands_still_can_be_paused_and_go_on(store: Store) -> None:
    study = store.add_study("map of λ", spec(SWEEP), rows(SWEEP))
    app = opened("map", map=study.id)
    next(one for one in app.button if one.label == "Pause").click().run()
    assert {run.state for _, _, run in store.study_runs(study.id)} == {"stopped"}
    next(one for one in app.button if one.label == "Go on").click().run()
    assert {run.state for _, _, run in store.study_runs(study.id)} == {"queued"}
    assert not app.exception


def leads(app: AppTest) -> list[tuple[str, str]]:
    """The links of a page: their words and what they ask for."""
    return [(one.proto.label, one.proto.query_string) for one in app.get("page_link")]


def test_maps_are_found_again_on_their_own_page_and_not_among_the_labs_studies(store: Store) -> None:
    study = store.add_study("map of λ", spec(SWEEP), rows(SWEEP))
    app = opened("map", **START)
    assert not app.exception
    assert "Earlier maps" in [one.value for one in app.subheader]
    assert past(store) == []
    lab = opened("lab", study=study.id)
    assert not lab.exception
    assert "is a map" in texts(lab)
    assert ("Open the map", f"map={study.id}") in leads(lab)


def test_a_map_without_a_name_is_listed_by_what_varies_in_it(store: Store) -> None:
    store.add_study("", spec(SWEEP), rows(SWEEP))
    unread = store.add_study("", {"map": {}}, [])
    app = opened("map", **START)
    links = [one.proto.label for one in app.get("page_link")]
    assert any("× λ" in one for one in links)
    assert unread.id in links
    assert not app.exception


def test_an_unknown_map_and_one_that_is_none_get_a_sentence(store: Store) -> None:
    app = opened("map", map="nothing")
    assert "There is no one study" in texts(app)
    study = store.add_study("", {"chosen": {}, "draws": 1}, [])
    app = opened("map", map=study.id)
    assert "is no map" in texts(app)
    assert ("Open it in the Lab", f"study={study.id}") in leads(app)
