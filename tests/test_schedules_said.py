"""Schedules in words: what is refused, flags, sweep axes, the Lab's address and what the page says."""

from __future__ import annotations

from typing import Any

import pytest
from test_flags import PAIR, read
from test_schedules import CAFES, TWO, ZH, run

from ctx import preview
from ctx.commands.asked import build
from ctx.commands.sweep import planned
from ctx.config import RunConfig, SourceChoice, canonical, check
from ctx.errors import BadInput
from ctx.flags import arguments
from ctx.frames import flat
from ctx.lab import link, settings
from ctx.lab.cost import run_seconds
from ctx.lab.methods import methods
from ctx.lab.mixture import balance, formula
from ctx.labels import labels
from ctx.recipes import made_by
from ctx.store import open_store

THIRD = "sentiment/movies"


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
        "--joint.lam-from has no effect: With the shape “constant” λ stays as it is: choose another shape first.",
        "--joint.switch has no effect: Only the shape “step” jumps: choose it first.",
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
    assert one.why_not == "With one source it is “One after the other (sequential)”: add one more source."
    assert two.why_not == ""
    assert made_by(two.config) == "stilts"


def test_replay_and_sources_in_a_row_are_said_phase_by_phase() -> None:
    assert formula(run("replay", weight=0.5)) == (
        "L = L(cafés in English), then L = 0.5 · L(cafés in English) + L(gadgets in English); "
        "L(cafés in English) in one step of 4"
    )
    assert balance(run("intermediate", sources=TWO)) == ""
    assert "in one step of 4" in balance(run("replay"))


def test_only_a_constant_lambda_with_all_batches_has_a_preview() -> None:
    assert preview.offered(run(tuning="head"))
    assert preview.offered(run(tuning="head", shape="linear", lam_from=0.1)), "it ends where it begins"
    for config in (run(tuning="head", shape="linear"), run(tuning="head", target_share=0.5)):
        assert not preview.offered(config)
        assert preview.why_not(config).startswith("With a λ that stays as it is")


def test_the_time_counts_the_batches_that_are_taken() -> None:
    rare, both, row = run(target_share=0.2), run(), run("intermediate", sources=TWO)
    assert run_seconds(rare) < run_seconds(both)
    assert (
        run_seconds(run("sequential")) < run_seconds(run("replay", share=0.5)) < run_seconds(run("replay", share=1.0))
    )
    assert run_seconds(row) > run_seconds(run("sequential"))
