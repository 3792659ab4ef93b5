"""What the Lab's settings do: the formula, weights, what learns, and which of them have no effect."""

import re
from dataclasses import fields

import pytest

from ctx.config import ContextChoice, RunConfig, SourceChoice
from ctx.errors import BadInput
from ctx.lab import effect, mixture, settings
from ctx.lab.data import default, sample
from ctx.parts import Choice, Facts
from ctx.registry import registry

SAMPLE = sample()


def test_the_formula_shows_lambda_and_both_contexts() -> None:
    assert mixture.formula(default("sentiment")) == "L = L(tweets) + 0.1 · L(editorials)"
    assert mixture.formula(default("lesson")) == "L = L(related teacher), then L = L(base teacher)"


def both(**changes: object) -> RunConfig:
    asked = settings.change(settings.change(default("sentiment"), "schedule", "joint"), "tuning", "full")
    return asked.model_copy(update=changes)


@pytest.mark.parametrize(
    ("schedule", "penalty", "shown"),
    [
        (
            "sequential",
            Choice(name="l2sp"),
            "L = L(tweets) + 0.1/2 · ‖w − w_start‖², then L = L(editorials) + 0.1/2",
        ),
        ("sequential", Choice(name="ewc"), "L = L(tweets), then L = L(editorials) + 1000/2 · Σ F · (w − w_source)²"),
        ("sequential", Choice(name="distill"), ", then L = L(editorials) + D(answers before, answers now)"),
        ("joint", Choice(name="dann"), "L = L(tweets) + 0.1 · L(editorials) − μ · L(judge)"),
        ("joint", Choice(name="mmd", knobs={"weight": 3}), "0.1 · L(editorials) + 3 · MMD²(source, target)"),
        ("joint", Choice(name="coral", knobs={"weight": 0}), "L = L(tweets) + 0.1 · L(editorials)"),
    ],
)
def test_the_formula_shows_penalties_where_they_act(schedule: str, penalty: Choice, shown: str) -> None:
    found = mixture.formula(both(schedule=Choice(name=schedule), penalties=(penalty,)))
    assert shown in found
    assert ("+ 0" in found.replace("+ 0.1", "")) is False


@pytest.mark.parametrize(
    ("balancer", "shown"),
    [
        ("uncertainty", "L = w₁ · L(tweets) − ½·log w₁ + w₂ · 0.1 · L(editorials) − ½·log w₂; balanced by: Learnt"),
        ("gradnorm", "L = w₁ · L(tweets) + w₂ · 0.1 · L(editorials); balanced by: Equal gradients (GradNorm)"),
        ("pcgrad", "L = L(tweets) + 0.1 · L(editorials); balanced by: Projected gradients (PCGrad)"),
    ],
)
def test_the_formula_and_the_weights_know_of_the_balancer(balancer: str, shown: str) -> None:
    config = both(balancer=Choice(name=balancer))
    assert shown in mixture.formula(config)
    said = mixture.balance(config)
    assert "Weight of the loss at the start: tweets 91%" in said
    assert "then changes what each one counts" in said
    assert "counts as much as" not in said
    one_at_a_time = both(balancer=Choice(name=balancer), schedule=Choice(name="sequential"))
    assert mixture.formula(one_at_a_time) == "L = L(tweets), then L = L(editorials)"


@pytest.mark.parametrize("kind", ["schedules", "tunings", "balancers", "penalties"])
def test_every_method_says_in_its_own_file_what_it_does_and_whose_it_is(kind: str) -> None:
    for name, cls in registry(kind).items():
        said = cls.explained()
        assert said.startswith(cls.summary()), name
        assert len(said) > len(cls.summary()) + 20, f"{name} has no second paragraph"
        assert "\n" not in said
        if name not in ("target-only", "source-only"):
            assert re.search(r"\b(19|20)\d\d\b", said), f"{name} names no paper"


def test_parts_are_shown_by_title_and_by_the_name_that_sentences_use() -> None:
    shown = {
        name: cls.shown() for kind in ("schedules", "tunings", "penalties") for name, cls in registry(kind).items()
    }
    assert (shown["full"], shown["joint"]) == ("Nothing frozen (full)", "Both at once (joint)")
    assert (shown["lora"], shown["l2sp"], shown["target-only"]) == ("LoRA", "Near the start (L2-SP)", "Target only")


def test_refusals_name_parts_as_the_page_shows_them() -> None:
    names = {"schedule": "target-only", "tuning": "head"}
    wrong = Facts(**dict.fromkeys((field.name for field in fields(Facts)), False) | names)
    kinds = ("schedules", "tunings", "balancers", "penalties")
    shown = {cls.shown() for kind in kinds for cls in registry(kind).values()}
    said = [cls.unfit(wrong) for kind in ("penalties", "balancers") for cls in registry(kind).values()]
    named = {name for sentence in said for name in re.findall("“(.*?)”", sentence)}
    assert len(named) >= 3
    assert named <= shown


def test_parts_that_mean_nothing_here_are_not_offered_and_it_is_said_why() -> None:
    joint = both()
    after = settings.change(joint, "schedule", "sequential")

    def offered(config: RunConfig) -> dict[str, settings.Setting]:
        return {one.name: one for one in settings.settings(config) if one.name in ("balancer", "tuning")}

    assert set(offered(joint)["balancer"].options) == set(registry("balancers"))
    assert offered(after)["balancer"].options == ("fixed",)
    assert "Not here: " in offered(after)["balancer"].help
    assert "each update sees one alone: choose the schedule" in offered(after)["balancer"].help
    brief = settings.change(settings.change(joint, "tuning", "head"), "optim.epochs", 2)
    said = offered(brief)["balancer"].help.split("Not here: ")[1:]
    assert [one.split(". ")[0] for one in said] == [
        "Dynamic weight average (dwa)",
        "Equal gradients (GradNorm), Projected gradients (PCGrad), Jacobian descent (UPGrad)",
    ]
    assert ["epochs" in one for one in said] == [True, False]
    assert "per-context" in offered(joint)["tuning"].options
    assert "per-context" not in offered(after)["tuning"].options
    assert "module for each context" in offered(after)["tuning"].help.lower()


def test_every_penalty_declares_what_it_adds_in_its_own_file() -> None:
    for name, cls in registry("penalties").items():
        assert cls.adds, name
        assert set(cls.adds) <= set(cls.Knobs.model_fields), name


def test_the_weight_of_one_example_follows_from_lambda_and_sizes() -> None:
    config = RunConfig(
        sources=(SourceChoice(id="lesson/relative", size=80),),
        target=ContextChoice(id="lesson/base", size=20),
        backbone=Choice(name="mlp"),
        schedule=Choice(name="joint", knobs={"lam": 0.5}),
    )
    text = mixture.balance(config)
    assert "33%" in text, "0.5 / 1.5"
    assert "as much as 2 of" in text, "0.5 · 80 / 20"


@pytest.mark.parametrize(
    ("tuning", "said"),
    [
        (Choice(name="head"), "All 6 layers frozen: only the head learns"),
        (Choice(name="full"), "all 22.6 M parameters learn"),
        (Choice(name="freeze", knobs={"layers": 4}), "4 of 6 frozen: 3.5 M of 22.6 M parameters learn."),
    ],
)
def test_what_learns_is_counted(tuning: Choice, said: str) -> None:
    assert said in effect.learning(default("sentiment").model_copy(update={"tuning": tuning}))


def test_an_embedding_that_learns_by_its_pieces_alone_is_not_counted_as_learning_whole() -> None:
    e5 = settings.change(default("sentiment"), "backbone", "e5")
    text = effect.learning(settings.change(e5, "tuning", "full"))
    assert text.startswith(
        "Nothing frozen: 21.3 M parameters of its layers, and of the embedding's 96.2 M those of pieces"
    )
    assert "of 118 M parameters learn" in effect.learning(settings.change(e5, "tuning", "freeze"))


def test_a_smaller_backbone_takes_fewer_frozen_layers() -> None:
    deep = settings.change(default("sentiment"), "tuning", "freeze")
    assert settings.setting(deep, "tuning.layers").value == 4
    assert settings.setting(settings.change(deep, "backbone", "tiny"), "tuning.layers").value == 2


def test_controls_without_effect_say_why() -> None:
    off = {one.name: one.off for one in settings.settings(default("sentiment")) if one.off}
    assert "only the head's rate counts" in off["optim.lr"]
    assert "last weights are kept" in off["keep"]
    alone = default("sentiment").model_copy(update={"schedule": Choice(name="target-only")})
    assert all(one.off for one in settings.settings(alone) if one.group == "source")


def test_every_knob_of_every_part_is_a_setting() -> None:
    for key, kind in settings.PARTS.items():
        for name, cls in registry(kind).items():
            if "path" in cls.Knobs.model_fields:
                continue
            application = "lesson" if "lesson" in getattr(cls, "applications", ()) else "sentiment"
            names = {one.name for one in settings.settings(settings.change(default(application), key, name))}
            assert {f"{key}.{knob}" for knob in cls.Knobs.model_fields} <= names


def test_a_setting_that_is_not_there_is_named() -> None:
    with pytest.raises(BadInput, match=r"schedule\.moon"):
        settings.setting(SAMPLE, "schedule.moon")
