"""Augmentation in the Lab: what is offered, switched on, and how long it is said to take."""

from __future__ import annotations

import pytest

from ctx.lab import settings
from ctx.lab.cost import run_seconds
from ctx.lab.effect import not_kept
from ctx.parts import Choice
from tests.test_augment import CASES, NEEDY, OF_PIECES, PAIRS, run


@pytest.mark.parametrize("application", list(PAIRS))
def test_the_lab_offers_those_that_fit(application: str) -> None:
    offered = {one.name for one in settings.settings(run(application)) if one.group == "augment"}
    fitting = {name for name, of in CASES if of == application and name not in (*NEEDY, *OF_PIECES)}
    assert offered == {f"augment.{name}" for name in fitting}


def test_the_lab_switches_one_on_with_its_knobs() -> None:
    config = settings.change(run("sentiment"), "augment.swap", True)
    assert settings.setting(config, "augment.swap.rate").value == 0.1
    config = settings.change(config, "augment.swap.rate", 0.3)
    assert config.augment == (Choice(name="swap", knobs={"rate": 0.3}),)
    assert settings.change(config, "augment.swap", False).augment == ()


def test_the_time_counts_frozen_layers_where_words_change() -> None:
    plain, swapped, mixed = (
        run_seconds(run("sentiment", *names, tuning="head", backbone=Choice(name="minilm")))
        for names in ((), ("swap",), ("mixup",))
    )
    assert swapped > 2 * mixed
    assert mixed > plain, "which trains together with others"


@pytest.mark.parametrize(
    ("name", "tuning", "off"), [("swap", "head", True), ("mixup", "head", False), ("swap", "full", False)]
)
def test_where_texts_change_the_frozen_layers_are_said_to_run_at_every_step(name: str, tuning: str, off: bool) -> None:
    said = not_kept(run("sentiment", name, tuning=tuning))
    assert bool(said) == off
    assert not off or said.startswith(name)
