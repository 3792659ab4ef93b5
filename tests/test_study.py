"""Fair comparison: equal target updates, paired draws, an interval before a claim, one key for what trains alike."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical, key
from ctx.errors import BadInput
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.study import arms, default_draws, rows
from ctx.train import train
from ctx.verdict import judge

CONFIG = RunConfig(
    sources=(SourceChoice(id="sentiment/sample-cafes-en"),),
    target=ContextChoice(id="sentiment/sample-gadgets-en", size=20),
    backbone=Choice(name="tiny"),
    schedule=Choice(name="joint", knobs={"lam": 0.1}),
    tuning=Choice(name="head"),
    optim=Optim(epochs=2, min_updates=4, batch=16),
)


def with_(**changes: object) -> RunConfig:
    return CONFIG.model_copy(update=changes)


@pytest.mark.parametrize("schedule", ["joint", "sequential"])
@pytest.mark.parametrize("size", [20, 150])
def test_target_only_gets_as_many_target_updates_as_the_chosen_arm(schedule: str, size: int) -> None:
    target = ContextChoice(id="sentiment/sample-gadgets-en", size=size)
    found = arms(with_(schedule=Choice(name=schedule), target=target))
    updates = {
        arm: list(train(config, features=Memo()))[-1].final["updates"]["target"] for arm, config in found.items()
    }
    assert updates["target-only"] >= updates["chosen"] > updates["source-only"] == 0


def test_a_study_goes_draw_by_draw_and_its_arms_share_the_seed() -> None:
    planned = rows(with_(seed=5), 3)
    chosen, alone, source = "chosen", "target-only", "source-only"
    assert [(arm, draw) for arm, draw, _ in planned] == [
        (chosen, 0),
        (chosen, 1),
        (alone, 0),
        (source, 0),
        (chosen, 2),
        (alone, 1),
        (source, 1),
        (alone, 2),
        (source, 2),
    ]
    assert all(config.seed == 5 + draw for _, draw, config in planned)


def test_a_baseline_as_the_chosen_setting_is_not_trained_twice() -> None:
    assert set(arms(with_(schedule=Choice(name="source-only")))) == {"target-only", "source-only"}
    assert set(arms(with_(schedule=Choice(name="joint", knobs={"lam": 0.0})))) == {"target-only", "source-only"}


def test_the_baselines_are_the_same_runs_whatever_lambda_is() -> None:
    one, other = (arms(with_(schedule=Choice(name="joint", knobs={"lam": lam}))) for lam in (0.1, 5.0))
    for arm in ("target-only", "source-only"):
        assert key(one[arm]) == key(other[arm])
    assert key(one["chosen"]) != key(other["chosen"])


def test_all_frozen_gets_ten_draws_and_anything_else_three() -> None:
    assert default_draws(CONFIG) == default_draws(with_(tuning=Choice(name="freeze", knobs={"layers": 2}))) == 10
    assert default_draws(with_(tuning=Choice(name="freeze", knobs={"layers": 1}))) == 3


def test_what_trains_alike_has_one_key() -> None:
    plain = key(CONFIG)
    assert key(with_(tuning=Choice(name="freeze", knobs={"layers": 2}))) == plain
    assert key(with_(optim=CONFIG.optim.model_copy(update={"head_lr": 1e-3}))) == plain
    assert key(with_(sources=(SourceChoice(id="sentiment/sample-cafes-en", size=258),))) == plain
    assert key(with_(backbone=Choice(name="tiny", knobs={"readout": 2}))) == plain
    assert key(with_(optim=CONFIG.optim.model_copy(update={"lr": 0.5}))) == plain  # all layers are frozen
    alone = with_(schedule=Choice(name="target-only"))
    assert key(alone) == key(alone.model_copy(update={"sources": ()}))
    assert canonical(canonical(CONFIG)) == canonical(CONFIG)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"schedule": Choice(name="joint", knobs={"lam": 0.2})},
        {"target": ContextChoice(id="sentiment/sample-gadgets-en", size=21)},
        {"backbone": Choice(name="tiny", knobs={"layers": 1})},
        {"optim": Optim(epochs=3, min_updates=4, batch=16)},
        {"keep": "last"},
    ],
)
def test_what_trains_otherwise_has_another_key(change: dict[str, object]) -> None:
    assert key(with_(**change)) != key(CONFIG)


@pytest.mark.parametrize("context", ["sentiment/sample-cafes-en", "translation/sample-cafe-en-es"])
def test_beams_name_another_run_only_where_texts_are_written(context: str) -> None:
    alone = Choice(name="target-only")
    plain = RunConfig(target=ContextChoice(id=context), backbone=Choice(name="tiny"), schedule=alone)
    asked = plain.model_copy(update={"beams": 4})
    writes = plain.task().writes
    assert (key(asked) != key(plain)) == writes
    assert canonical(asked).beams == (4 if writes else 1)
    assert all(run.beams == canonical(asked).beams for run in arms(asked).values())


def test_a_plain_target_only_run_serves_a_study_whose_target_has_no_more_updates() -> None:
    wide = with_(sources=(SourceChoice(id="sentiment/sample-cafes-en", size=20),))
    assert key(with_(schedule=Choice(name="target-only"))) == key(arms(wide)["target-only"])


def test_draws_beyond_the_last_seed_are_refused() -> None:
    with pytest.raises(BadInput, match="no room for 3 draws"):
        rows(with_(seed=2**31 - 2), 3)


def test_the_key_is_the_same_in_every_process() -> None:
    code = "import sys; from ctx.config import RunConfig, key; print(key(RunConfig.model_validate_json(sys.argv[1])))"
    asked = [sys.executable, "-c", code, CONFIG.model_dump_json()]
    assert subprocess.check_output(asked, text=True).strip() == key(CONFIG)


def test_the_interval_is_that_of_the_paired_t_test() -> None:
    random = np.random.default_rng(0)
    ones, others = random.normal(0.7, 0.05, 10), random.normal(0.6, 0.05, 10)
    verdict = judge(dict(enumerate(ones)), dict(enumerate(others)))
    expected = stats.ttest_rel(ones, others).confidence_interval(0.95)
    assert verdict is not None
    assert (verdict.difference.low, verdict.difference.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(
    ("chosen", "alone", "answer"),
    [
        ([0.8, 0.81, 0.79], [0.6, 0.62, 0.6], "helped"),
        ([0.6, 0.62, 0.6], [0.8, 0.81, 0.79], "hurt"),
        ([0.8, 0.5, 0.7], [0.6, 0.7, 0.65], "can't tell"),
        ([0.9], [0.1], "can't tell"),
        ([0.7, 0.7], [0.7, 0.7], "can't tell"),
    ],
)
def test_no_claim_is_made_that_the_draws_do_not_carry(chosen: list[float], alone: list[float], answer: str) -> None:
    verdict = judge(dict(enumerate(chosen)), dict(enumerate(alone)))
    assert verdict is not None
    assert verdict.answer == answer


def test_only_draws_that_both_arms_have_are_compared() -> None:
    verdict = judge({0: 0.9, 1: 0.8, 3: 0.1}, {0: 0.5, 1: 0.5, 2: 0.9})
    assert verdict is not None
    assert verdict.difference.draws == 2
    assert judge({0: 1.0}, {1: 1.0}) is None
