"""A sentence of one's own on the Lab page, where each context has a module: whose text it is can be said."""

from __future__ import annotations

from pathlib import Path

import pytest
from finished import SENTIMENT

from ctx.commands.asked import build
from ctx.hand import _take_job
from ctx.lab.data import judged
from ctx.lab.link import spec
from ctx.lab.names import title
from ctx.parts import Choice
from ctx.store import Store, open_store
from ctx.study import rows
from ctx.worker import run_here
from pages import opened, plain

CAFES, GADGETS, CHINESE = (f"sentiment/sample-{name}" for name in ("cafes-en", "gadgets-en", "cafes-zh"))


@pytest.fixture
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("CTX_WORKERS", "0")
    return open_store()


@pytest.mark.parametrize("tuning", ["per-context", "full"])
def test_whose_text_it_is_can_be_said_where_contexts_have_modules(store: Store, tuning: str) -> None:
    config = SENTIMENT.model_copy(update={"tuning": Choice(name=tuning)})
    study = store.add_study("", spec(config, 1, None), rows(config, 1))
    for _, _, run in store.study_runs(study.id):
        assert run_here(store, run).state == "done"
    app = opened("lab", study=study.id)
    assert not app.exception
    if tuning == "full":
        assert not [one for one in app.selectbox if one.label == "A text of"]
        return
    app.text_input(key="own text").set_value("Slow, but kind.").run()
    first = app.session_state["own sentence"]["job"]
    assert store.job(first).payload["of"] in ("", CAFES)
    box = app.selectbox(key="own text of")
    assert box.options[:2] == ["Cafés in English (sample)", "Gadgets in English (sample)"]
    assert "Cafés in Chinese (sample)" in box.options
    assert not [one for one in box.options if "Travel" in one]
    box.set_value(CHINESE).run()
    asked = store.job(app.session_state["own sentence"]["job"])
    assert asked.payload["of"] == CHINESE
    while _take_job(store, "me", {"take": "predict", "threads": 1}):
        pass
    app.run()
    assert not app.exception
    said = ", ".join(title(name) for name in (CAFES, GADGETS))
    assert f"{title(CHINESE)} has no module of its own: the mean of {said} answers." in plain(app)


def test_offered_are_contexts_that_every_arm_can_judge(home: Path) -> None:
    pair = {"source": ["translation/sample-cafe-en-pt"], "target": "translation/sample-cafe-en-es"}
    found = judged(build(pair | {"schedule": "joint"})[0])
    assert found[0] == "translation/sample-cafe-en-es"
    assert "translation/sample-office-en-es" in found
    assert not [name for name in found if not name.endswith("-es")]
