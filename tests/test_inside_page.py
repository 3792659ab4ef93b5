"""The Lab says what happens inside a run, and offers the methods by name."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from ctx.config import RunConfig
from ctx.lab import inside, link
from ctx.lab.data import sample
from ctx.lab.history import changes
from ctx.lab.methods import changed, methods
from ctx.lab.settings import change
from ctx.parts import Choice
from ctx.recipes import made_by
from ctx.store import Store, open_store
from ctx.study import rows
from ctx.worker import run_here
from pages import opened, plain

STEPS = np.arange(1, 5)


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
    assert (found.apart, found.looks) == (2, 4)
    assert "In 2 of 4 looks the gradients pointed apart" in inside.conflict(found)
    assert "Mostly in: layer 2." in inside.conflict(found)
    assert inside.agreement(told(weighted__target=[1])) is None


@pytest.mark.parametrize(("cosines", "said"), [([0.5, 0.1], "In none of 2 looks"), ([0.5], "looked at once")])
def test_no_conflict_is_said_of_the_looks_alone(cosines: list[float], said: str) -> None:
    found = inside.agreement(told(cosine__source=cosines))
    assert found is not None
    assert said in inside.conflict(found)
    assert "helped" not in inside.conflict(found)


def test_the_weight_in_effect_is_one_curve_that_compares_with_lambda() -> None:
    config = asked(balancer=Choice(name="uncertainty"), schedule=Choice(name="joint", knobs={"lam": 0.5}))
    run = told(told__uncertainty__source=[1, 2, 0, 4], told__uncertainty__target=[0.5, 2, 1, 1])
    ((key, (steps, values)),) = inside.effect(run, config).items()
    assert (key, steps.tolist(), values.tolist()) == ("source", [1, 2, 4], [0.5, 1, 0.25])
    assert inside.told(run) == {}  # not a second time
    weighted = config.model_copy(update={"sources": (config.sources[0].model_copy(update={"weight": 2.0}),)})
    assert inside.effect(run, weighted)["source"][1].tolist() == [1, 2, 0.5]
    moving = inside.effect(told(**{"lambda__target": [0, 0.5, 1]}), asked())
    assert moving["source"][1].tolist() == [0, 0.5, 1]
    assert inside.effect(told(weighted__source=[1], weighted__target=[1]), asked()) == {}


def test_why_there_are_no_curves_is_said_with_what_to_choose() -> None:
    looked = told(gradient__target=[1])
    frozen = asked(tuning=Choice(name="head"))
    assert "choose a tuning that lets layers learn" in inside.why_none(frozen, told(weighted__target=[1]))
    assert inside.why_uncompared(frozen, {}) == ""
    alone = asked(schedule=Choice(name="sequential"))
    assert inside.why_none(alone, looked) == ""
    assert "With the schedule joint" in inside.why_uncompared(alone, looked)
    assert "nothing in common" in inside.why_uncompared(asked(), looked)
    assert inside.why_uncompared(asked(), looked | told(cosine__source=[1])) == ""


def test_terms_of_penalties_are_curves_of_their_own_and_several_of_one_have_their_names() -> None:
    run = told(weighted__target=[1, 2], term__dann__domain=[3, 1], term__l2sp__start=[0, 1], term__l2sp__head=[1, 1])
    found = inside.terms(run)
    assert found["dann/domain"][1].tolist() == [3, 1]
    names = inside.share_names(found, {})
    dann, l2sp = "Contexts can't be told apart (DANN)", "Near the start (L2-SP)"
    assert names == {"dann/domain": dann, "l2sp/start": f"{l2sp}: start", "l2sp/head": f"{l2sp}: head"}


def asked(**changes: object) -> RunConfig:
    config = sample("sentiment")
    assert config is not None
    usual = {"tuning": Choice(name="full"), "schedule": Choice(name="joint")}
    return config.model_copy(update=usual | changes)


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
    for title in ("Shares of the loss", "Do the gradients agree?", "Lengths of the gradients", "Learning rates"):
        assert f"**{title}**" in plain(app)
    for said in (
        "each penalty's term is of their sum",
        "looks",
        "before it is weighed",
        "A layer that does not learn",
    ):
        assert said in plain(app)
    charts = [one.proto for one in app.get("plotly_chart") if "layer 2" in one.proto.spec]
    assert len(charts) == 2
    drawn = [json.loads(one.proto.spec) for one in app.get("plotly_chart")]
    cosines = next(one for one in drawn if one["layout"]["yaxis"].get("range") == [-1, 1])
    assert len(cosines["data"]) == 4  # the embedding, two layers, all of them


SETS = {
    "target-only": {"schedule": "target-only"},
    "zero-shot": {"schedule": "source-only"},
    "fine-tune": {"schedule": "sequential"},
    "multi-task": {},
    "stilts": {"schedule": "intermediate"},
    "linear-probe": {"schedule": "sequential", "tuning": "head"},
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
        assert made_by(one.config) == one.name
        assert changed(one.config, one) == ""
        assert one.config.contexts() == config.contexts()
        assert one.config.schedule.knobs.get("lam") == (1 if wanted["schedule"] == "joint" else None)
        assert one.config.tuning.knobs == ({"decay": 2.6} if one.name == "gradual" else {})


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
    assert made_by(other) == method
    assert said in changed(other, one)
    assert made_by(change(other, "tuning", "bitfit")) == ""


def test_a_method_is_chosen_on_the_page(store: Store) -> None:
    app = opened("lab")
    app.session_state["methods said"] = True
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


def test_what_comes_with_a_part_is_said_by_the_part() -> None:
    config = two_sources()
    there = {one.name: one.config for one in methods(config)}
    assert changes(config, there["lora"]) == "schedule joint → sequential, tuning full → lora"
    assert changes(there["lora"], config) == "schedule sequential → joint, tuning lora → full"
    assert changes(there["fine-tune"], there["dann"]) == "schedule sequential → joint, λ 1, dann off → on"
    assert changes(config, change(there["lora"], "tuning.rank", 4)) == changes(config, there["lora"]) + ", rank 4"
    three = change(config, "source.3", "sentiment/sample-gadgets-en")
    one = change(change(three, "source.3", None), "source.2", None)
    assert [said.split(" → ")[-1] for said in changes(three, one).split(", ")] == ["–", "–"]
    assert changes(change(config, "source.2", None), config) == "source 2 – → cafés in Chinese"
