"""The Run page and a command on runs whose answers are texts or names: each answer beside what people answered."""

from pathlib import Path

import pytest

from ctx.config import ContextChoice, Optim, RunConfig
from ctx.parts import Choice
from ctx.predict import of_run
from ctx.records import Run
from ctx.store import Store, open_store
from ctx.ui.runs_answers import answers
from ctx.worker import run_here
from tests.pages import opened, texts


@pytest.fixture
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("CTX_WORKERS", "0")
    return open_store()


def trained(store: Store, context: str) -> Run:
    config = RunConfig(
        target=ContextChoice(id=context, size=30),
        backbone=Choice(name="tiny"),
        schedule=Choice(name="target-only"),
        tuning=Choice(name="full"),
        optim=Optim(epochs=1, min_updates=5),
    )
    return run_here(store, store.add_run(config))


@pytest.mark.parametrize(
    ("context", "metric", "floor"),
    [
        ("ner/sample-office-en", "f1", "no names at all"),
        ("translation/sample-cafe-en-es", "chrf", "left in English"),
        ("summarisation/sample-notices-es", "rougeL", "its first sentence"),
    ],
)
def test_every_answer_stands_beside_what_people_answered(store: Store, context: str, metric: str, floor: str) -> None:
    run = trained(store, context)
    assert run.final is not None
    assert run.final["metrics"]["target"][metric] is not None
    app = opened("run", run=run.id, show="answers")
    assert not app.exception
    found = answers(run, "target", ContextChoice(id=context, size=30))
    assert found is not None
    assert list(found.columns) == ["text", "people", "answer", "score"]
    assert found["score"].is_monotonic_increasing
    assert found["score"].between(0, 1).all()
    assert any(frame.value.astype(str).stack().str.contains(floor).any() for frame in app.dataframe)
    assert isinstance(of_run(run, "Please send Ada the keys.").answer, str)


def test_a_run_that_is_not_done_says_so(store: Store) -> None:
    run = store.add_run(
        RunConfig(
            target=ContextChoice(id="ner/sample-office-en", size=20),
            backbone=Choice(name="tiny"),
            schedule=Choice(name="target-only"),
        )
    )
    app = opened("run", run=run.id, show="answers")
    assert not app.exception
    assert "once the run is done" in texts(app)
