"""Penalties with every tuning and with models of one's own: a term of the loss, or a refusal that says why."""

from __future__ import annotations

import math

import pytest
import seq2seq_models
import test_folder
from test_penalties_run import TERMS, steps, usual

from ctx.config import Optim, RunConfig, check, key
from ctx.errors import BadInput
from ctx.lab.effect import why_off
from ctx.lab.mixture import balance, formula
from ctx.parts import Choice

TUNINGS = ("full", "adapter", "bitfit", "choose", "gradual", "lora", "per-context")
SHORT = Optim(epochs=2, min_updates=2, batch=6)


@pytest.fixture(scope="module")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Choice]:
    """A random BERT and a random T5, as Hugging Face writes them."""
    folder = tmp_path_factory.mktemp("models")
    test_folder.save(folder / "bert", "bert")
    seq2seq_models.save(folder / "t5", "t5")
    return {
        "sentiment": Choice(name="folder", knobs={"path": str(folder / "bert")}),
        "translation": Choice(name="seq2seq", knobs={"path": str(folder / "t5")}),
    }


def seen(asked: RunConfig, name: str) -> bool:
    """Whether the penalty is a term of some update, all numbers finite; False where it is refused in one sentence."""
    try:
        check(asked)
    except BadInput as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert ": choose " in refusal
        assert "\n" not in refusal
        return False
    found = steps(asked)
    assert all(math.isfinite(value) for values in found for value in values.values())
    assert any(key.startswith(f"term/{name}/") for values in found for key in values), "accepted, and without effect"
    return True


@pytest.mark.parametrize("tuning", TUNINGS)
@pytest.mark.parametrize("name", TERMS)
def test_with_every_tuning(name: str, tuning: str) -> None:
    knobs = {"learn": "1"} if tuning == "choose" else {}
    there = seen(usual(name, tuning=Choice(name=tuning, knobs=knobs), optim=SHORT), name)
    assert there == (tuning != "per-context" or name in ("coral", "dann", "mmd"))  # its modules are learnt side by side


@pytest.mark.parametrize("application", ["sentiment", "translation"])
@pytest.mark.parametrize("name", TERMS)
def test_with_models_of_ones_own(backbones: dict[str, Choice], name: str, application: str) -> None:
    assert seen(usual(name, application, backbone=backbones[application], optim=SHORT), name)


def test_l2sp_holds_a_pretrained_decoder_beside_layers_that_only_have_updates(backbones: dict[str, Choice]) -> None:
    asked = usual("l2sp", "translation", backbone=backbones["translation"], schedule="joint", optim=SHORT)
    assert seen(asked.model_copy(update={"tuning": Choice(name="lora")}), "l2sp")


def test_texts_without_labels_and_augmentation_are_refused_together() -> None:
    unread = usual("mmd", penalties=(Choice(name="mmd", knobs={"texts": "all"}),))
    with pytest.raises(BadInput, match="further texts of the target as they are, and the augmentation mixup changes"):
        check(unread.model_copy(update={"augment": (Choice(name="mixup"),)}))
    none = usual("mmd", penalties=(Choice(name="mmd", knobs={"texts": "all", "weight": 0.0}),))
    assert "without labels" in balance(unread)
    assert "without labels" not in balance(none)


def test_the_size_of_a_fresh_head_is_in_the_formula_where_nothing_is_held_yet() -> None:
    asked = usual("l2sp", schedule="sequential", penalties=(Choice(name="l2sp", knobs={"head": 0.01}),))
    first, then = formula(asked).split(", then ")
    assert "‖w of fresh heads‖²" in first
    assert "w_start" not in first
    assert "w_start" in then


def test_a_knob_without_effect_makes_no_other_run_and_is_off() -> None:
    lesson, soft = (
        usual("distill", "lesson", penalties=(Choice(name="distill", knobs=knobs),))
        for knobs in ({}, {"temperature": 5.0})
    )
    assert why_off(lesson, "penalty.distill.temperature") == "Answers that are numbers have no temperature."
    assert why_off(usual("distill"), "penalty.distill.temperature") == ""
    assert key(soft) == key(lesson)
    vector = usual("dann", tuning=Choice(name="per-context", knobs={"module": "embedding"}))
    assert why_off(vector, "tuning.size").startswith("A vector that is added")
    wide = vector.model_copy(update={"tuning": Choice(name="per-context", knobs={"module": "embedding", "size": 99})})
    assert key(wide) == key(vector)
