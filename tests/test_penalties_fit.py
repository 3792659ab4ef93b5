"""Where a penalty means something, and where it is refused with the reason."""

from __future__ import annotations

import math
from typing import Any

import pytest
from test_penalties_run import ALIGNING, GUARDING, PAIRS, TERMS, config, steps, usual

from ctx.config import RunConfig, SourceChoice, check, facts
from ctx.errors import BadInput
from ctx.lab.mixture import formula
from ctx.lab.settings import settings
from ctx.parts import Choice
from ctx.registry import part


@pytest.fixture
def other_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The target knows a label more, so that it has a head of its own."""
    monkeypatch.setattr(part("contexts", PAIRS["sentiment"][1]), "labels", ("negative", "positive", "neither"))


@pytest.mark.usefixtures("other_labels")
@pytest.mark.parametrize("name", TERMS)
def test_contexts_of_different_labels_have_a_penalty_too(name: str) -> None:
    found = steps(usual(name))
    assert all(math.isfinite(value) for values in found for value in values.values())
    assert found[-1][f"term/{name}/{min(TERMS[name])}"] != 0


@pytest.mark.usefixtures("other_labels")
def test_a_head_of_the_targets_own_that_nothing_would_train_is_refused() -> None:
    with pytest.raises(BadInput, match="its head would be untrained"):
        check(usual("dann", schedule=Choice(name="joint", knobs={"lam": 0.0})))


def test_the_lab_says_of_a_penalty_that_is_off_why_it_means_nothing_here() -> None:
    def off(asked: RunConfig) -> dict[str, str]:
        return {one.name.removeprefix("penalty."): one.off for one in settings(asked) if one.group == "penalty"}

    joint, after = off(config()), off(config(schedule="sequential"))
    assert {name for name in TERMS if not joint[name]} == {*ALIGNING}
    assert "with the backbone tiny and the tuning full all that learns begins at random" in joint["l2sp"]
    assert {name for name in TERMS if not after[name]} == {"l2sp", *GUARDING}
    assert after["mmd"] == part("penalties", "mmd").unfit(facts(config(schedule="sequential")))
    assert off(config("sentiment", Choice(name="mmd")))["mmd"] == ""


HEAD = {"tuning": Choice(name="head")}


@pytest.mark.parametrize("name", ALIGNING)
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schedule": Choice(name="sequential")}, "the schedule sequential never has both in one: choose the schedule"),
        ({"schedule": Choice(name="target-only")}, "the schedule target-only never has both in one"),
        (HEAD, "the tuning head leaves all of them frozen: choose the tuning “Nothing frozen (full)”"),
    ],
)
def test_what_compares_contexts_needs_both_in_an_update_and_layers_that_learn(
    name: str, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadInput) as caught:
        check(usual(name, **changes))
    assert str(caught.value).startswith(f"The penalty {name} ")
    assert said in str(caught.value)
    assert "leave" not in str(caught.value).rpartition(":")[2], "it may never have been put in"


def test_two_sources_and_no_target_in_an_update_are_not_compared() -> None:
    second = SourceChoice(id="sentiment/sample-cafes-zh", size=12)
    asked = usual("mmd", schedule=Choice(name="sequential"))
    with pytest.raises(BadInput, match="the schedule sequential never has both in one"):
        check(asked.model_copy(update={"sources": (*asked.sources, second)}))


@pytest.mark.parametrize("name", GUARDING)
@pytest.mark.parametrize(
    "schedule",
    [
        Choice(name="joint"),
        Choice(name="target-only"),
        Choice(name="source-only"),
        Choice(name="sequential", knobs={"copy_weights": False}),
    ],
    ids=["joint", "target-only", "source-only", "not copied"],
)
def test_what_guards_needs_weights_handed_over(name: str, schedule: Choice) -> None:
    with pytest.raises(BadInput) as caught:
        check(usual(name, schedule=schedule))
    assert f"with the schedule {schedule.name} no weights are handed over" in str(caught.value)
    assert "leave" not in str(caught.value).rpartition(":")[2], "it may never have been put in"


@pytest.mark.usefixtures("other_labels")
@pytest.mark.parametrize("name", ["l2sp", *GUARDING])
def test_frozen_layers_under_heads_of_their_own_leave_nothing_to_hold(name: str) -> None:
    with pytest.raises(BadInput, match="the tuning head"):
        check(usual(name, **HEAD))


@pytest.mark.parametrize("name", ["l2sp", *GUARDING])
def test_a_head_that_is_handed_over_is_held(name: str) -> None:
    assert any(value for one, value in steps(usual(name, **HEAD))[-1].items() if one.startswith(f"term/{name}/"))


MINILM: dict[str, Any] = {"backbone": Choice(name="minilm"), "schedule": Choice(name="joint")}


@pytest.mark.parametrize(
    ("tuning", "knobs", "fits"),
    [
        ("full", {}, True),
        ("full", {"reinit": 2}, True),  # the layers below the two are held
        ("bitfit", {}, True),
        ("lora", {}, False),
        ("adapter", {}, False),
        ("per-context", {"module": "adapter"}, False),
    ],
)
def test_l2sp_wants_something_pretrained_that_learns(tuning: str, knobs: dict[str, Any], fits: bool) -> None:
    asked = usual("l2sp", **MINILM | {"tuning": Choice(name=tuning, knobs=knobs)})
    after = asked.model_copy(update={"schedule": Choice(name="sequential")})
    assert "start" in formula(after).split(", then ")[1]
    assert ("start" in formula(after).split(", then ")[0]) == fits
    if fits:
        check(asked)
        return
    with pytest.raises(BadInput, match=f"the tuning {tuning} all that learns begins at random: choose the schedule"):
        check(asked)


def test_l2sp_holds_nothing_that_began_at_random_before_it_is_handed_over() -> None:
    for tuning in ("lora", "full"):
        found = steps(usual("l2sp", schedule="sequential", tuning=Choice(name=tuning)))
        terms = ["term/l2sp/start" in values for values in found]
        assert terms == ["loss/target" in values for values in found], tuning
        assert found[-1]["term/l2sp/start"] > 0
