"""Own data once it is a context: in the Lab, its owner's alone, deleted after a question."""

from pathlib import Path

from ctx import cards, registry
from ctx.config import ContextChoice
from ctx.imports import stored
from ctx.lab.settings import setting
from ctx.store import open_store
from tests.pages import opened
from tests.test_contexts_page import shown
from tests.uploaded import reviews, run_config, said, store

__all__ = ["store"]  # the fixture that every test here uses


def test_it_is_deleted_after_a_question_that_names_its_runs(tmp_path: Path, home: Path) -> None:
    meta = reviews(tmp_path)
    run = open_store().add_run(run_config(meta.id), name="the run")
    app = opened("contexts", context=meta.id)
    assert cards.card(ContextChoice(id=meta.id)).measured
    assert list((home / "cards").iterdir())
    app.button(key="own remove").click().run()
    assert "The 60 examples of “r” are deleted for good." in said(app)
    assert "1 run used it (the run)" in said(app)
    assert "It waits or trains now" in said(app)
    app.button(key="own remove now").click().run()
    assert not app.exception
    assert meta.id not in registry.contexts("local")
    assert "context" not in app.query_params
    assert not list((home / "cards").iterdir()), "its card showed examples"
    page = opened("run", run=run.id)
    assert not page.exception


def test_what_is_not_ones_own_cannot_be_deleted(tmp_path: Path) -> None:
    everybodys = reviews(tmp_path, owner="", id="everybodys")
    for name in (everybodys.id, "sentiment/sample-cafes-en"):
        app = opened("contexts", context=name)
        assert not app.exception
        assert not [one for one in app.button if one.key == "own remove"]


def test_the_lab_offers_ones_own_data_and_nobody_elses(tmp_path: Path) -> None:
    mine, hers = reviews(tmp_path, id="mine"), reviews(tmp_path, id="hers", owner="ada")
    options = setting(run_config("sentiment/sample-cafes-en"), "target").options
    assert mine.id in options
    assert hers.id not in options
    app = opened("lab", target=mine.id, source="sentiment/sample-cafes-en", backbone="tiny")
    assert not app.exception
    assert "Visit" in shown(app), "one of its sentences is shown"
    app = opened("lab", target=hers.id)
    assert not app.exception
    assert "Visit" not in shown(app)


def test_the_lab_opens_where_a_study_s_data_was_deleted(tmp_path: Path) -> None:
    from ctx.lab.link import spec

    meta = reviews(tmp_path)
    config = run_config(meta.id)
    study = open_store().add_study("x", spec(config, 1, None), [("target only", 0, config)])
    stored.forget(meta.id, "local")
    app = opened("lab", study=study.id)
    assert not app.exception
