"""Schedules: λ on its way, shares of batches, replay, sources in a row; fair, resumable, taken over."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import torch
from test_handover import all_of
from test_heads import alone, together
from test_interfaces import resumed

from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical, facts, key
from ctx.parts import Choice
from ctx.plan import Phase, constant
from ctx.prefix import Memo
from ctx.registry import make
from ctx.replay import Replay
from ctx.study import arms, training_sizes
from ctx.together import kind_of
from ctx.train import train

CAFES, ZH = "sentiment/sample-cafes-en", "sentiment/sample-cafes-zh"
TWO = (SourceChoice(id=CAFES, size=60), SourceChoice(id=ZH, size=40))


def run(schedule: str = "joint", tuning: str = "full", sources: Any = TWO[:1], **knobs: Any) -> RunConfig:
    return RunConfig(
        sources=sources,
        target=ContextChoice(id="sentiment/sample-gadgets-en", size=20),
        backbone=Choice(name="tiny"),
        schedule=Choice(name=schedule, knobs=knobs),
        tuning=Choice(name=tuning),
        optim=Optim(epochs=3, min_updates=5, batch=16),
    )


def phases(config: RunConfig) -> list[Phase]:
    found: list[Phase] = make("schedules", config.schedule).phases(config, training_sizes(config))
    return found


def steps(config: RunConfig) -> list[dict[str, float]]:
    return [dict(event.values) for event in train(config, features=Memo()) if event.kind == "step"]


def present(values: dict[str, float]) -> set[str]:
    return {name.removeprefix("loss/") for name in values if name.startswith("loss/")}


# -- λ on its way


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("linear", lambda p: 2.0 * (1 - p) + 0.5 * p),
        ("cosine", lambda p: 0.5 + (2.0 - 0.5) * (1 + math.cos(math.pi * p)) / 2),
        ("step", lambda p: 2.0 if p < 0.4 else 0.5),
    ],
)
def test_every_update_weighs_the_target_as_the_formula_says(shape: str, expected: Any) -> None:
    told = steps(run(shape=shape, lam=0.5, lam_from=2.0, switch=0.4))
    assert len(told) == 15
    for n, values in enumerate(told):
        lam = expected(n / 15)
        assert values["lambda/target"] == pytest.approx(lam, rel=1e-12)
        assert values["weighted/target"] == pytest.approx(lam * values["loss/target"], rel=1e-12)
        assert values["total"] == pytest.approx(values["loss/source"] + lam * values["loss/target"], rel=1e-6)
        assert "lambda/source" not in values


def test_lambda_is_a_curve_only_where_it_varies() -> None:
    for config in (run(), run(target_share=0.5), run("sequential"), run("replay"), run("intermediate", sources=TWO)):
        assert not any(name.startswith("lambda/") for values in steps(config) for name in values)


# -- shares of batches


def test_a_context_has_its_share_of_the_batches_of_an_epoch_and_of_the_whole() -> None:
    told = steps(run(target_share=0.4))
    epochs = [sum("target" in present(values) for values in told[n : n + 5]) for n in (0, 5, 10)]
    assert epochs == [2, 2, 2]
    assert all("source" in present(values) for values in told)
    assert present(told[0]) == {"source", "target"}, "every curve begins with the first update"


@pytest.mark.parametrize(
    ("knobs", "updates"),
    [
        ({}, 8),  # 120 of 150 in batches of 16, the rest set aside
        ({"source_share": 0.5}, 16),  # two updates a batch
        ({"source_share": 0.3}, 27),  # 8 / 0.3
        ({"target_share": 0.5}, 8),
    ],
)
def test_an_epoch_is_a_pass_over_the_largest_context_by_its_share(knobs: dict[str, float], updates: int) -> None:
    config = run(sources=(SourceChoice(id=CAFES, size=150),), **knobs)
    assert phases(config)[0].updates == updates
    seen: Counter[str] = Counter()
    for number in range(1, updates + 1):
        seen.update(example.input for example in Replay(config).step(number).batches.get("source", []))
    assert len(seen) == 120, "every example"


def test_no_share_is_so_small_that_a_context_is_never_seen() -> None:
    assert Phase("x", 1, 3, {"a": constant(1), "b": constant(1)}, shares={"b": 0.01}).taken(3) == {"a": 3, "b": 1}


@pytest.mark.parametrize("share", [0.25, 0.4, 1.0])
def test_the_target_phase_of_replay_sees_the_source_in_its_share_with_its_weight(share: float) -> None:
    told = steps(run("replay", share=share, weight=0.5))
    first, second = told[:15], told[15:]
    assert all(present(values) == {"source"} for values in first)
    assert len(second) == 15 == sum("target" in present(values) for values in second)
    assert sum("source" in present(values) for values in second) == math.ceil(15 * share)
    for values in second:
        assert values["total"] == pytest.approx(values["loss/target"] + 0.5 * values.get("loss/source", 0.0), rel=1e-6)


def test_sources_in_a_row_are_phases_in_the_order_given() -> None:
    there = [{"source"}] * 15 + [{"source.2"}] * 15 + [{"target"}] * 15
    assert [present(values) for values in steps(run("intermediate", sources=TWO))] == there
    assert [phase.select_on for phase in phases(run("intermediate", sources=TWO))] == ["source", "source.2", "target"]
    turned = run("intermediate", sources=TWO[::-1])
    assert key(turned) != key(run("intermediate", sources=TWO))


# -- fair, resumable, taken over, together


@pytest.mark.parametrize(
    ("config", "target"),
    [
        (run(target_share=0.4), 15),  # never fewer than by itself
        (run(source_share=0.1), 120),  # 4 batches of the source a pass
        (run("replay", share=0.5), 15),
        (run("intermediate", sources=TWO), 15),
    ],
    ids=["rare target", "rare source", "replay", "intermediate"],
)
def test_target_only_gets_as_many_target_updates_and_never_fewer_than_by_itself(config: RunConfig, target: int) -> None:
    planned = arms(config)
    ends = {arm: list(train(one, features=Memo()))[-1].final for arm, one in planned.items()}
    updates = {arm: final["updates"]["target"] for arm, final in ends.items() if final}
    assert updates["target-only"] == target
    assert updates["target-only"] >= updates["chosen"] > updates["source-only"] == 0


SCHEDULES = {
    "linear": run(shape="linear", lam_from=2.0),
    "shares": run(target_share=0.4),
    "two sources": run(shape="cosine", source_share=0.4, sources=TWO),
    "replay": run("replay", share=0.4),
    "intermediate": run("intermediate", sources=TWO),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_stopped_run_goes_on_to_the_bit(name: str) -> None:
    resumed(SCHEDULES[name])


@pytest.mark.parametrize("name", SCHEDULES)
def test_linear_heads_make_the_same_updates_together(name: str) -> None:
    config = SCHEDULES[name].model_copy(update={"tuning": Choice(name="head")})
    assert kind_of(config)
    (told,) = together([config])
    expected = alone(config)
    assert [point[:2] for point in told.points] == [point[:2] for point in expected.points]
    for (_, _, found), (_, _, wanted) in zip(told.points, expected.points, strict=True):
        assert found.keys() == wanted.keys()
        assert {n: v for n, v in found.items() if n.startswith("lambda/")} == {
            n: v for n, v in wanted.items() if n.startswith("lambda/")
        }
    for name_, weight in expected.weights.items():
        assert float((told.weights[name_] - weight).abs().max() / weight.abs().max()) < 1e-6
    assert told.end is not None
    assert expected.end is not None
    assert told.end.final is not None
    assert expected.end.final is not None
    assert told.end.final["updates"] == expected.end.final["updates"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (run("source-only"), run("replay", share=0.4)),
        (run("replay", share=0.4), run("sequential")),
        (run("replay", share=0.4), run("replay", share=0.8, weight=3.0)),
        (
            run("intermediate", sources=TWO),
            run("intermediate", sources=TWO).model_copy(
                update={"target": ContextChoice(id="sentiment/sample-gadgets-en", size=30)}
            ),
        ),
    ],
    ids=["replay after its source", "sequential after replay", "another replay", "intermediate with more labels"],
)
def test_alike_source_phases_are_taken_over_to_the_bit(first: RunConfig, second: RunConfig, home: Any) -> None:
    torch.set_num_threads(1)
    all_of(first)
    _, plain, expected = all_of(second, sharing=False)
    events, found, last = all_of(second)
    assert found == plain
    assert any(event.gone for event in events)
    assert last.final is not None
    assert expected.final is not None
    assert last.final == expected.final | {"taken_over": 15}


def test_the_first_of_two_sources_in_a_row_is_not_both_at_once(home: Any) -> None:
    all_of(run("intermediate", sources=TWO))
    events, _, _ = all_of(run("sequential", sources=TWO))
    assert not any(event.gone for event in events)


# -- one name for what trains alike


@pytest.mark.parametrize(
    ("config", "alike"),
    [
        (run(lam=0.3, shape="linear", lam_from=0.3), run(lam=0.3)),
        (run(lam=0.3, lam_from=0.7, switch=0.2), run(lam=0.3)),
        (run(lam=0.3, shape="cosine", switch=0.2), run(lam=0.3, shape="cosine")),
        (run(lam=0.0, shape="linear", lam_from=0.0), run("source-only")),
        (run("replay", share=0.0, weight=4.0), run("sequential")),
        (run("intermediate"), run("sequential")),
    ],
)
def test_what_trains_alike_has_one_canonical_form(config: RunConfig, alike: RunConfig) -> None:
    assert canonical(config) == canonical(alike)
    assert key(config) == key(alike)


def test_a_constant_lambda_is_stored_as_before_there_were_others() -> None:
    assert canonical(run(lam=0.3)).schedule == Choice(name="joint", knobs={"lam": 0.3})
    assert canonical(run()).schedule == Choice(name="joint")


@pytest.mark.parametrize(
    "other",
    [
        run(lam=0.3, shape="linear"),
        run(lam=0.0, shape="linear", lam_from=0.3),
        run(lam=0.3, shape="step"),
        run(lam=0.3, shape="step", switch=0.2),
        run(lam=0.3, target_share=0.5),
    ],
)
def test_what_trains_otherwise_has_a_name_of_its_own(other: RunConfig) -> None:
    assert canonical(other).schedule.name == "joint"
    assert key(other) != key(run(lam=0.3))


def test_parts_are_told_that_replay_and_rows_hand_weights_over_and_which_steps_see_two() -> None:
    told = {name: facts(config) for name, config in SCHEDULES.items()}
    assert {name for name, one in told.items() if one.handed} == {"replay", "intermediate"}
    assert {name for name, one in told.items() if one.left} == {"intermediate"}
    assert {name for name, one in told.items() if not one.together} == {"intermediate"}
