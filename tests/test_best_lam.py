"""A learnt weight is held to the best fixed λ that was trained here with the same settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical
from ctx.lab import best_lam, link
from ctx.parts import Choice
from ctx.records import Run, Told
from ctx.store import Store, open_store
from ctx.study import rows
from ctx.worker import run_here
from pages import opened, texts

BASE = RunConfig(
    sources=(SourceChoice(id="sentiment/sample-cafes-en", size=40),),
    target=ContextChoice(id="sentiment/sample-gadgets-en", size=20),
    backbone=Choice(name="tiny"),
    schedule=Choice(name="joint", knobs={"lam": 0.5}),
    tuning=Choice(name="full"),
    optim=Optim(epochs=1, min_updates=3, batch=8),
)
LEARNT = canonical(BASE.model_copy(update={"balancer": Choice(name="uncertainty")}))


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("CTX_WORKERS", "0")
    return open_store()


class Scores:
    """Validation curves: of each run two points, the first of the weights that it kept."""

    def __init__(self, scores: dict[str, float]) -> None:
        self.scores = scores

    def series(self, ids: Any, names: Any = (), after: int = -1) -> dict[str, Told]:
        steps = np.array([3.0, 6.0])
        (name,) = names
        return {id: {name: (steps, np.array([self.scores[id], 1.0]))} for id in ids}


def fixed(store: Store, lam: float, seed: int = 0, **changes: Any) -> Run:
    """A finished run with a fixed λ."""
    schedule = Choice(name="joint", knobs={"lam": lam})
    run = store.add_run(BASE.model_copy(update={"schedule": schedule, "seed": seed} | changes))
    return replace(run, state="done", final={"kept_step": 3})


def test_it_is_the_best_by_the_validation_score_of_the_weights_kept(store: Store) -> None:
    runs = [fixed(store, 0.1), fixed(store, 1.0), fixed(store, 1.0, seed=1), fixed(store, 10.0)]
    scores = Scores(dict(zip([run.id for run in runs], (0.6, 0.8, 0.6, 0.65), strict=True)))
    found = best_lam.tried(LEARNT, runs, scores)
    assert [(one.lam, round(one.score, 3)) for one in found] == [(0.1, 0.6), (1.0, 0.7), (10.0, 0.65)]
    metric = best_lam.headline(LEARNT)
    first = best_lam.best(found, metric)
    assert first is not None
    assert (first.lam, set(first.runs)) == (1.0, {runs[1].id, runs[2].id})
    said = best_lam.sentence(found, metric)
    assert "λ = 1, the best by the validation score" in said
    assert all(run.id[:8] in said for run in runs[1:3])
    assert not any(run.id[:8] in said for run in (runs[0], runs[3]))
    lower = replace(metric, higher_is_better=False)
    assert best_lam.best(found, lower) == found[0]
    assert "the only fixed one" in best_lam.sentence(found[:1], metric)


def test_other_settings_do_not_count(store: Store) -> None:
    target = ContextChoice(id="sentiment/sample-gadgets-en", size=10)
    moving = Choice(name="joint", knobs={"lam": 1.0, "shape": "linear"})
    others = [
        fixed(store, 1.0, target=target),
        fixed(store, 1.0, tuning=Choice(name="head")),
        fixed(store, 1.0, balancer=Choice(name="pcgrad")),
        fixed(store, 1.0, schedule=moving),
        fixed(store, 1.0, schedule=Choice(name="sequential")),
        fixed(store, 1.0, penalties=(Choice(name="coral"),)),
        replace(fixed(store, 2.0), state="running"),
    ]
    assert best_lam.tried(LEARNT, others, Scores({})) == []
    alone = LEARNT.model_copy(update={"schedule": Choice(name="replay")})
    assert best_lam.tried(alone, [fixed(store, 1.0)], Scores({})) == [], "λ is no setting of it"
    assert best_lam.best([], best_lam.headline(LEARNT)) is None
    assert best_lam.sentence([], best_lam.headline(LEARNT)) == ""


def test_the_lab_draws_it_beside_the_learnt_one(store: Store) -> None:
    asked = BASE.model_copy(update={"balancer": Choice(name="uncertainty")})
    study = store.add_study("learnt", link.spec(asked, 1, None), rows(asked, 1))
    for _, _, run in store.study_runs(study.id):
        run_here(store, run)
    other = run_here(store, store.add_run(BASE.model_copy(update={"schedule": Choice(name="joint", knobs={"lam": 2})})))
    app = opened("lab", study=study.id)
    app.session_state["inside"] = True
    app.run()
    assert not app.exception
    said = texts(app).replace("\u2060", "").replace("\\", "")
    assert "λ in effect" in said
    assert "Dashed: λ = 2" in said
    assert other.id[:8] in said
    drawn = [one.proto.spec for one in app.get("plotly_chart") if "the best fixed λ" in one.proto.spec]
    drawn += [one.proto.spec for one in app.get("plotly_chart") if "the best fixed \\u03bb" in one.proto.spec]
    assert len(drawn) == 1
    assert '"dash"' in drawn[0]
