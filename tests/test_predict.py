"""A sentence of one's own is judged by the very model that was tested."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import softmax
from stores import lesson

from ctx import checkpoint, data
from ctx.cli import main
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice
from ctx.errors import BadInput, Unavailable
from ctx.hand import _take_job
from ctx.parts import Choice
from ctx.predict import check_alike, of_run
from ctx.records import Run
from ctx.store import Store, open_store
from ctx.worker import run_here


@pytest.fixture
def store(home: Path) -> Store:
    return open_store()


def trained(store: Store, tuning: str = "full", **knobs: str) -> Run:
    config = RunConfig(
        sources=(SourceChoice(id="sentiment/sample-cafes-en", size=40),),
        target=ContextChoice(id="sentiment/sample-gadgets-en", size=20),
        backbone=Choice(name="tiny"),
        tuning=Choice(name=tuning, knobs=knobs),
        optim=Optim(epochs=1, min_updates=5),
    )
    return run_here(store, store.add_run(config))


@pytest.mark.parametrize("tuning", ["full", "head"])
def test_a_test_sentence_gets_what_the_test_gave_it(store: Store, tuning: str) -> None:
    run = trained(store, tuning)
    tested = softmax(store.output(run.id, "test/target"), axis=1)
    for row in (0, 5, 40):
        text = data.splits(ContextChoice(id="sentiment/sample-gadgets-en")).test[row].input
        assert np.allclose(list(of_run(run, text).answer.values()), tested[row], atol=1e-5)


def test_a_worker_judges_a_text_for_a_page(store: Store) -> None:
    run = trained(store)
    job = store.add_job("predict", {"runs": [run.id], "text": "Not bad <b>at all</b>."})
    assert _take_job(store, "me", {"take": "predict", "threads": 1})
    done = store.job(job.id)
    assert (done.state, done.error) == ("done", None)
    assert done.result == {
        run.id: {"answer": pytest.approx(of_run(run, "Not bad <b>at all</b>.").answer), "modules": []}
    }


def test_a_worker_judges_a_text_of_another_context(store: Store) -> None:
    run, cafes = trained(store, "per-context"), "sentiment/sample-cafes-en"
    job = store.add_job("predict", {"runs": [run.id], "text": "Fine.", "of": cafes})
    assert _take_job(store, "me", {"take": "predict", "threads": 1})
    result = store.job(job.id).result
    assert result is not None
    assert result[run.id]["modules"] == [cafes]
    assert result[run.id]["answer"] == pytest.approx(of_run(run, "Fine.", cafes).answer)


def test_a_command_judges_a_text(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained(store)
    assert main(["predict", run.id, "The screen is lovely."]) == 0
    assert "positive" in capsys.readouterr().out


@pytest.mark.parametrize("unseen", ["nearest", "mean"])
def test_a_sentence_is_judged_by_the_module_of_its_context(
    store: Store, unseen: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(store, "per-context", unseen=unseen)
    text, cafes, gadgets, chinese = "Fine.", *(f"sentiment/sample-{n}" for n in ("cafes-en", "gadgets-en", "cafes-zh"))
    own, other, third = (of_run(run, text, name) for name in (gadgets, cafes, chinese))
    assert own == of_run(run, text)
    assert own.answer != other.answer
    assert (own.modules, other.modules) == ((gadgets,), (cafes,))
    if unseen == "mean":
        assert third.modules == (cafes, gadgets)
        assert third.answer not in (own.answer, other.answer)
    else:
        assert third in (own, other)
    assert main(["predict", run.id, text, "--context", chinese]) == 0
    said = "the mean of" if unseen == "mean" else "that of"
    assert f"{chinese} has no module of its own: {said}" in capsys.readouterr().out


def test_without_modules_a_context_with_the_same_labels_has_the_same_head(store: Store) -> None:
    run = trained(store)
    assert of_run(run, "Fine.", "sentiment/sample-cafes-zh") == of_run(run, "Fine.")
    with pytest.raises(BadInput, match=r"is ner, and this run is of sentiment: name another"):
        of_run(run, "Fine.", "ner/sample-office-en")
    with pytest.raises(BadInput, match="no-such"):
        of_run(run, "Fine.", "sentiment/no-such")


def test_a_context_that_nothing_was_learnt_of_is_refused(home: Path) -> None:
    there = [data.context(ContextChoice(id=f"sentiment/sample-{name}")) for name in ("cafes-en", "gadgets-en")]
    other = SimpleNamespace(name="own/x", application="sentiment", labels=("bad", "good"), language="en")
    with pytest.raises(
        BadInput, match="own/x has the labels bad, good, and this run has learnt negative, positive: name"
    ):
        check_alike(other, there)  # type: ignore[arg-type]
    texts = [SimpleNamespace(name=f"en-{to}", application="translation", labels=(), language=to) for to in ("es", "pt")]
    check_alike(texts[0], texts)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="en-de is in de, and this run has learnt es and pt: name another"):
        check_alike(SimpleNamespace(**vars(texts[0]) | {"name": "en-de", "language": "de"}), texts)  # type: ignore[arg-type]


def test_a_run_that_cannot_judge_says_why(store: Store) -> None:
    waiting = store.add_run(lesson())
    with pytest.raises(BadInput, match="only a finished run"):
        of_run(waiting, "Fine.")
    with pytest.raises(BadInput, match="no target whose sentences"):
        of_run(run_here(store, waiting), "Fine.")
    run = trained(store)
    (checkpoint.folder(run.id) / f"{checkpoint.FINAL}{checkpoint.SUFFIX}").unlink()
    with pytest.raises(Unavailable, match="--again"):
        of_run(run, "Fine.")


def test_a_run_of_an_earlier_engine_is_not_read_by_this_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(store)
    monkeypatch.setattr("ctx.config.ENGINE_VERSION", 10_000)
    with pytest.raises(Unavailable, match="earlier version"):
        of_run(run, "Fine.")


@pytest.mark.parametrize(
    ("schedule", "unseen", "says"),
    [
        ("joint", "mean", "The module of sentiment/sample-gadgets-en answers."),
        (
            "source-only",
            "mean",
            "sentiment/sample-gadgets-en has no module of its own: the mean of sentiment/sample-cafes-en, "
            "sentiment/sample-cafes-zh answers.",
        ),
        (
            "source-only",
            "nearest",
            "sentiment/sample-gadgets-en has no module of its own: that of sentiment/sample-cafes-en answers.",
        ),
    ],
)
def test_a_command_says_whose_module_has_judged(
    store: Store, capsys: pytest.CaptureFixture[str], schedule: str, unseen: str, says: str
) -> None:
    names = "sentiment/sample-cafes-en", "sentiment/sample-cafes-zh"
    config = RunConfig(
        sources=tuple(SourceChoice(id=name, size=40) for name in names),
        target=ContextChoice(id="sentiment/sample-gadgets-en", size=20),
        backbone=Choice(name="tiny"),
        schedule=Choice(name=schedule),
        tuning=Choice(name="per-context", knobs={"unseen": unseen}),
        optim=Optim(epochs=1, min_updates=5),
    )
    run = run_here(store, store.add_run(config))
    tested = softmax(store.output(run.id, "test/target"), axis=1)
    text = data.splits(ContextChoice(id="sentiment/sample-gadgets-en")).test[5].input
    assert np.allclose(list(of_run(run, text).answer.values()), tested[5], atol=1e-5)
    assert main(["predict", run.id, "The screen is lovely."]) == 0
    assert says in capsys.readouterr().out.splitlines()
    assert main(["show", run.id]) == 0
    assert says in capsys.readouterr().out
