"""Schedules: λ on its way, shares of batches, replay, sources in a row; fair, resumable, taken over, said in words."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import torch
from test_flags import PAIR, read
from test_handover import all_of
from test_heads import alone, together
from test_interfaces import resumed

from ctx.commands.asked import build
from ctx.commands.sweep import planned
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical, check, facts, key
from ctx.errors import BadInput
from ctx.flags import arguments
from ctx.frames import flat
from ctx.lab import link, settings
from ctx.lab.cost import run_seconds
from ctx.lab.methods import chosen, methods
from ctx.lab.mixture import balance, formula
from ctx.labels import labels
from ctx.parts import Choice
from ctx.plan import Phase, constant
from ctx.prefix import Memo
from ctx.registry import make
from ctx.replay import Replay
from ctx.store import open_store
from ctx.study import arms, training_sizes
from ctx.together import kind_of
from ctx.train import train

CAFES, ZH, THIRD = "sentiment/sample-cafes-en", "sentiment/sample-cafes-zh", "sentiment/movies"
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
    assert {name for name, one in told.items() if not one.together} == {"intermediate"}


# -- what is refused, and what means nothing


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (run(target_share=0.5, source_share=0.5), "target-share is 0.5 and source-share 0.5"),
        (
            run("intermediate", sources=(TWO[0], TWO[1].model_copy(update={"weight": 2.0}))),
            "has the weight 2, and the schedule intermediate trains on one source",
        ),
        (run(shape="steep"), "shape"),
        (run("replay", share=1.5), "share"),
        (run(switch=1.0, shape="step"), "switch"),
    ],
)
def test_knobs_that_contradict_each_other_are_refused_in_one_sentence(config: RunConfig, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        check(config)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_knobs_that_mean_nothing_are_noted_on_the_command_line_and_off_in_the_form() -> None:
    _, notes = build(PAIR | {"--joint.lam-from": "1", "--joint.switch": "0.3"})
    assert notes == [
        "--joint.lam-from has no effect: λ's shape is “constant”.",
        "--joint.switch has no effect: Only λ's shape “step” has one.",
    ]
    off = {one.name: one.off for one in settings.settings(run())}
    assert off["schedule.lam_from"]
    assert off["schedule.switch"]
    on = {one.name: one.off for one in settings.settings(run(shape="step"))}
    assert not on["schedule.lam_from"]
    assert not on["schedule.switch"]


def test_weights_among_sources_are_off_where_there_is_one_at_a_time() -> None:
    def off(config: RunConfig) -> set[str]:
        return {one.name for one in settings.settings(config) if one.name.endswith("weight") and one.off}

    assert off(run()) == off(run("sequential")) == {"source.weight"}
    assert off(run("intermediate", sources=TWO)) == {"source.weight", "source.2.weight"}
    assert off(run(sources=TWO)) == off(run("sequential", sources=TWO)) == set()


# -- the command line, sweeps, the address


@pytest.mark.parametrize(
    "words",
    [
        "--joint.shape linear --joint.lam-from 0.5 --lam 2",
        "--joint.shape step --joint.switch 0.25 --joint.target-share 0.5",
        "--schedule replay --replay.share 0.5 --replay.weight 2",
        "--source lesson/noise=0.5 --joint.source-share 0.5",
        "--source lesson/noise --schedule intermediate",
    ],
)
def test_the_command_of_a_run_asks_for_the_same_schedule(words: str) -> None:
    config = canonical(read(f"--source lesson/relative {words} --target lesson/base".split()))
    assert canonical(read(arguments(config))) == config


def test_a_sweep_may_vary_how_lambda_goes(home: Any) -> None:
    given = PAIR | {"--joint.shape": "constant,linear,cosine", "--joint.target-share": "0.5,1"}
    sweep = planned(given, 1, None, None, baseline=False)
    assert [axis.name for axis in sweep.axes] == ["schedule.shape", "schedule.target_share"]
    assert sweep.size == 6
    begins = planned(PAIR | {"--joint.shape": "linear", "--joint.lam-from": "0,1,5"}, 1, None, None, baseline=False)
    assert begins.axes[0].values == (0.0, 1.0, 5.0)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("before", [1, 2, 3])
def test_the_labs_address_carries_every_source(before: int, count: int, home: Any) -> None:
    every = (SourceChoice(id=CAFES, weight=2.0), SourceChoice(id=ZH, size=30), SourceChoice(id=THIRD, weight=0.25))
    base = run(sources=every[:before])
    asked = run(sources=every[::-1][:count])
    store = open_store()
    study = store.add_study("", link.spec(base, 1, None), [])
    view = link.view({"study": study.id}, store)
    found = link.view(link.address(view, asked), store)
    assert found.config == asked
    assert not found.notes


@pytest.mark.parametrize("name", ["source.3", "source.9", "source.0", "source.-1", "source.x", "source." + "9" * 5000])
def test_a_source_that_has_no_place_is_left_out_with_a_sentence(name: str, home: Any) -> None:
    found = link.view({"app": "lesson", name: "lesson/noise"}, open_store())
    assert len(found.config.sources) == 1
    assert len(found.notes) == 1


def test_runs_are_told_apart_by_all_their_sources() -> None:
    rows = [flat(run(sources=sources).model_dump(mode="json")) for sources in (TWO, TWO[:1])]
    assert labels(rows) == [
        "sample-cafes-en + sample-cafes-zh → sample-gadgets-en: joint, full",
        "sample-cafes-en → sample-gadgets-en: joint, full",
    ]


# -- what the page says


def test_the_page_keeps_the_weight_of_a_loss_apart_from_the_share_of_batches() -> None:
    config = run(shape="linear", target_share=0.5)
    assert formula(config) == (
        "L = L(cafés in English) + λ(t) · L(gadgets in English); λ from 0 to 0.1 (linear); "
        "L(gadgets in English) in every second step"
    )
    text = balance(config)
    assert (
        "Weight of the loss, in a step that sees all: cafés in English 100% → 91%, gadgets in English 0% → 9%." in text
    )
    assert "Batches: cafés in English in every step, gadgets in English in every second step." in text
    plain = balance(run())
    assert "cafés in English 91%, gadgets in English 9%" in plain
    assert "Batches: one of each in every step." in plain


def test_what_one_example_counts_follows_from_weight_share_and_sizes() -> None:
    assert "counts as much as 0.15 of" in balance(run(lam=0.2, target_share=0.25, shape="constant"))  # .2 · .25 · 60/20
    assert "counts as much as 0.3 of" in balance(run(lam=0.2, shape="linear"))  # mean .1 · 60/20


def test_sources_in_a_row_are_a_method_where_there_are_several() -> None:
    one, two = ({m.name: m for m in methods(run(sources=sources))}["stilts"] for sources in (TWO[:1], TWO))
    assert one.why_not == "With one source it is sequential: add one more source below."
    assert two.why_not == ""
    assert chosen(two.config, [two]) == "stilts"


def test_replay_and_sources_in_a_row_are_said_phase_by_phase() -> None:
    assert formula(run("replay", weight=0.5)) == (
        "L = L(cafés in English), then L = 0.5 · L(cafés in English) + L(gadgets in English); "
        "L(cafés in English) in one step of 4"
    )
    assert balance(run("intermediate", sources=TWO)) == ""
    assert "in one step of 4" in balance(run("replay"))


def test_the_time_counts_the_batches_that_are_taken() -> None:
    rare, both, row = run(target_share=0.2), run(), run("intermediate", sources=TWO)
    assert run_seconds(rare) < run_seconds(both)
    assert (
        run_seconds(run("sequential")) < run_seconds(run("replay", share=0.5)) < run_seconds(run("replay", share=1.0))
    )
    assert run_seconds(row) > run_seconds(run("sequential"))
