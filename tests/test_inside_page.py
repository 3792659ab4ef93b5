"""The Lab says what happens inside a run, and offers the methods by name."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from ctx.config import RunConfig
from ctx.lab import inside, link
from ctx.lab.data import sample
from ctx.lab.methods import changed, chosen, methods
from ctx.lab.settings import change
from ctx.store import Store, open_store
from ctx.study import rows
from ctx.worker import run_here
from pages import opened, texts

STEPS = np.arange(1, 5)


def plain(app: AppTest) -> str:
    """All that stands on the page, without what keeps it from being read as markup."""
    return texts(app).replace("\u2060", "").replace("\\", "")


def plain_text(one: Any) -> str:
    return str(one.value).replace("\u2060", "").replace("\\", "")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("CTX_WORKERS", "0")
    return open_store()


def told(**values: list[float]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    named = {name.replace("__", "/"): np.asarray(value, float) for name, value in values.items()}
    return {name: (STEPS[: len(value)], value) for name, value in named.items()}


def test_shares_of_the_loss_add_up_to_one() -> None:
    run = told(weighted__source=[3, 1, 0, 2], weighted__target=[1, 1, 0, 2], term__dann__domain=[0, -2, 0, 4])
    found = inside.shares(run)
    assert set(found) == {"source", "target", "dann/domain"}
    assert np.sum([y for _, y in found.values()], axis=0).tolist() == [1, 1, 0, 1]
    assert found["dann/domain"][1].tolist() == [0, 0.5, 0, 0.5]
    assert inside.shares(told(weighted__target=[1, 2])) == {}


def test_a_conflict_is_named_with_its_layers() -> None:
    run = told(
        cosine__source=[0.5, -0.1, -0.2, 0.1], cosine__source__layer2=[-0.5] * 4, cosine__source__layer10=[0.1] * 4
    )
    found = inside.agreement(run)
    assert found is not None
    assert list(found.layers) == ["layer2", "layer10"]
    assert found.share == 0.5
    assert "In 50% of the looks" in inside.conflict(found)
    assert "Mostly in: layer 2." in inside.conflict(found)
    assert "helped the other" in inside.conflict(inside.agreement(told(cosine__source=[0.5])))  # type: ignore[arg-type]
    assert inside.agreement(told(weighted__target=[1])) is None


def test_the_lab_draws_them_for_a_finished_study(store: Store) -> None:
    begun = sample("sentiment")
    assert begun is not None
    config = change(begun, "tuning", "full")
    for name, value in (("optim.epochs", 1), ("optim.min_updates", 35), ("source.size", 40), ("backbone", "tiny")):
        config = change(config, name, value)
    study = store.add_study("inside", link.spec(config, 1, None), rows(config, 1))
    for _, _, run in store.study_runs(study.id):
        run_here(store, run)
    app = opened("lab", study=study.id)
    app.session_state["inside"] = True
    app.run()
    assert not app.exception
    for title in ("Shares of the loss", "Do the gradients agree?", "length of the gradient", "learning rate"):
        assert title in plain(app)
    drawn = [json.loads(one.proto.spec) for one in app.get("plotly_chart")]
    cosines = next(one for one in drawn if one["layout"]["yaxis"].get("range") == [-1, 1])
    assert len(cosines["data"]) == 4  # the embedding, two layers, all of them


SETS = {
    "target-only": {"schedule": "target-only"},
    "zero-shot": {"schedule": "source-only"},
    "fine-tune": {"schedule": "sequential"},
    "multi-task": {},
    "stilts": {"schedule": "intermediate"},
    "linear-probe": {"tuning": "head"},
    "gradual": {"schedule": "sequential", "tuning": "gradual"},
    "lora": {"schedule": "sequential", "tuning": "lora"},
    "adapters": {"schedule": "sequential", "tuning": "adapter"},
    "per-context": {"tuning": "per-context"},
    "l2sp": {"schedule": "sequential", "penalties": ("l2sp",)},
    "dann": {"penalties": ("dann",)},
    "pcgrad": {"balancer": "pcgrad"},
}


def two_sources() -> RunConfig:
    config = sample("sentiment")
    assert config is not None
    return change(config, "source.2", "sentiment/sample-cafes-zh")


def test_every_method_sets_its_parts_and_is_known_again() -> None:
    config = two_sources()
    there = methods(config)
    assert [one.name for one in there] == list(SETS)
    for one in there:
        assert one.why_not == "", one.name
        wanted = {"schedule": "joint", "tuning": "full", "balancer": "fixed", "penalties": ()} | SETS[one.name]
        found = {kind: getattr(one.config, kind).name for kind in ("schedule", "tuning", "balancer")}
        assert found | {"penalties": tuple(p.name for p in one.config.penalties)} == wanted
        assert chosen(one.config, there) == one.name
        assert changed(one.config, one) == ""
        assert one.config.contexts() == config.contexts()


@pytest.mark.parametrize(
    ("method", "knob", "value", "said"),
    [
        ("lora", "tuning.rank", 16, "rank 8 → 16"),
        ("dann", "schedule.lam", 0.5, "λ 1 → 0.5"),
        ("l2sp", "penalty.l2sp.weight", 1.0, "0.1 → 1"),
    ],
)
def test_a_method_is_known_with_other_knobs(method: str, knob: str, value: float, said: str) -> None:
    config = two_sources()
    there = methods(config)
    one = next(one for one in there if one.name == method)
    other = change(one.config, knob, value)
    assert chosen(other, there) == method
    assert said in changed(other, one)
    assert chosen(change(other, "tuning", "bitfit"), there) == ""


def test_a_method_is_chosen_on_the_page(store: Store) -> None:
    app = opened("lab")
    app.session_state["all settings"] = True
    app.run()
    assert "Each chosen matrix W stays as it is" in plain(app).replace("LoRA: each", "Each"), "before it is clicked"
    app.button_group(key="method").set_value("fine-tune").run()
    assert not app.exception
    assert app.query_params["schedule"] == ["sequential"] or app.query_params["schedule"] == "sequential"
    app.session_state["all settings"] = True
    app.run()
    assert "Train on the source, hand the weights over" in plain(app)


def test_penalties_that_are_off_for_one_reason_have_one_sentence(store: Store) -> None:
    app = opened("lab", schedule="sequential", tuning="full")
    app.session_state["all settings"] = True
    app.run()
    assert not app.exception
    reasons = [said for said in map(plain_text, app.caption) if "Such a penalty" in said]
    assert reasons == [
        "Equal covariances (CORAL), Contexts can't be told apart (DANN), Equal distributions (MMD): Such a penalty "
        "compares source and target texts of one update, and the schedule sequential never has both in one: choose the "
        "schedule “Both at once (joint)”."
    ]
