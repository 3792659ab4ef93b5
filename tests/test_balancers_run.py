"""Balancers in runs: weights as curves, resumed to the bit, refused where they mean nothing, on BERT's layers too."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from two_parameters import BALANCERS, GRADIENT, WEIGHTS

from ctx import fused, model, registry
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical, check
from ctx.errors import BadInput, RunFailed
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.train import train
from tests.test_folder import save
from tests.test_interfaces import SOURCES, resumed, run

THREE = {"sources": SOURCES, "schedule": Choice(name="joint", knobs={"lam": 2.0})}


def steps(config: RunConfig) -> list[dict[str, float]]:
    return [event.values for event in train(config, features=Memo()) if event.kind == "step"]


@pytest.mark.parametrize("name", BALANCERS)
def test_three_contexts_of_which_one_sits_out_half_the_updates_resume_to_the_bit(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    joint = registry.part("schedules", "joint")
    plain = joint.phases
    monkeypatch.setattr(joint, "phases", lambda *given: [replace(plain(*given)[0], shares={"target": 0.5})])
    config = run(balancer=Choice(name=name), **THREE)
    assert [f"told/{name}/target" in values for values in steps(config)][:4] == [True, False, True, False]
    resumed(config)


@pytest.mark.parametrize("name", BALANCERS)
def test_a_hand_over_begins_anew_and_resumes_to_the_bit(name: str) -> None:
    config = run(balancer=Choice(name=name), sources=SOURCES, schedule=Choice(name="sequential"))
    values = steps(config)
    told = [
        {key.removeprefix(f"told/{name}/"): v for key, v in one.items() if key.startswith("told")} for one in values
    ]
    assert set(told[0]) == {"source", "source.2"}
    assert told[-1] == {"target": 1.0}
    resumed(config)


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_weight_is_a_curve_and_what_is_logged_follows_it(name: str) -> None:
    found = steps(run(balancer=Choice(name=name), **THREE))
    for values in found:
        beside = 0.0
        for key, lam in (("source", 1.0), ("source.2", 0.25), ("target", 2.0)):
            beside -= math.log(values[f"told/{name}/{key}"] / lam) / 2 if name == "uncertainty" else 0.0
            assert values[f"weighted/{key}"] == pytest.approx(values[f"told/{name}/{key}"] * values[f"loss/{key}"])
        weighted = sum(v for k, v in values.items() if k.startswith("weighted/"))
        assert values["total"] == pytest.approx(weighted + beside)
    assert [found[0][f"told/{name}/{key}"] for key in ("source", "source.2", "target")] == [1.0, 0.25, 2.0]
    assert found[-1][f"told/{name}/target"] != 2.0


def test_numbers_that_are_predicted_weigh_half_at_first() -> None:
    pair = {"sources": (SourceChoice(id="lesson/relative"),), "target": ContextChoice(id="lesson/base", size=20)}
    lesson = run(backbone=Choice(name="mlp"), balancer=Choice(name="uncertainty"), **pair)
    assert steps(lesson)[0]["told/uncertainty/source"] == 0.5


@pytest.mark.parametrize("name", GRADIENT)
def test_without_conflict_a_gradient_method_is_the_weighted_sum(name: str) -> None:
    found, plain = (steps(run(balancer=Choice(name=one))) for one in (name, "fixed"))
    assert found[0]["cosine/source"] > 0
    assert found[0]["grad_norm"] == pytest.approx(plain[0]["grad_norm"], rel=1e-5)
    assert [found[0][f"told/{name}/{key}"] for key in ("source", "target")] == pytest.approx([1.0, 0.1])


def test_with_two_contexts_upgrad_is_pcgrad() -> None:
    one, other = (steps(run(balancer=Choice(name=name))) for name in GRADIENT)
    pairs = zip(GRADIENT, (one, other), strict=True)
    told = [[values[f"told/{name}/source"] for values in found] for name, found in pairs]
    assert told[0] == pytest.approx(told[1], rel=1e-4)
    assert max(told[0]) > 1.0


@pytest.mark.parametrize("name", BALANCERS)
def test_one_context_at_a_time_is_refused(name: str) -> None:
    for schedule in (Choice(name="target-only"), Choice(name="sequential"), Choice(name="joint", knobs={"lam": 0})):
        with pytest.raises(BadInput) as caught:
            check(run(balancer=Choice(name=name), schedule=schedule))
        shown = "source-only" if schedule.knobs else schedule.name
        assert str(caught.value) == (
            f"The balancer {name} weighs contexts against each other, and with the schedule {shown} each update sees "
            "one alone: choose the schedule “Both at once (joint)” with λ above 0, or the balancer fixed."
        )
    assert canonical(run(balancer=Choice(name=name))).balancer.name == name


@pytest.mark.parametrize("name", BALANCERS)
@pytest.mark.parametrize(
    "tuning", [Choice(name="head"), Choice(name="freeze", knobs={"layers": 2})], ids=lambda tuning: tuning.name
)
def test_where_no_shared_layer_learns_gradients_on_them_are_refused(name: str, tuning: Choice) -> None:
    config = run(balancer=Choice(name=name), tuning=tuning)
    if name in ("uncertainty", "dwa"):
        assert f"told/{name}/target" in steps(config)[0]
        return
    with pytest.raises(BadInput, match=f"with the tuning {tuning.name} none of them learns: .*Nothing frozen .full"):
        check(config)


RISING = Choice(name="joint", knobs={"lam": 1.0, "shape": "linear", "lam_from": 0.1})


@pytest.mark.parametrize("name", ["uncertainty", "gradnorm"])
def test_two_that_set_the_weights_are_refused_together(name: str) -> None:
    with pytest.raises(BadInput, match=f"The balancer {name} sets the weight .* schedule joint changes λ"):
        check(run(balancer=Choice(name=name), schedule=RISING))


@pytest.mark.parametrize("name", ["dwa", "pcgrad", "upgrad"])
def test_a_balancer_that_keeps_to_λ_goes_with_one_that_changes(name: str) -> None:
    assert check(run(balancer=Choice(name=name), schedule=RISING, optim=Optim(epochs=3)))


def test_without_torchjd_upgrad_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def hidden(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(sys.modules["ctx.balancers.upgrad"], "version", hidden)
    with pytest.raises(BadInput) as caught:
        check(run(balancer=Choice(name="upgrad")))
    assert str(caught.value) == (
        "The balancer upgrad needs torchjd 0.18, which is not installed here: pip install 'torchjd>=0.18,<0.19', "
        "or choose the balancer pcgrad."
    )
    monkeypatch.setattr(sys.modules["ctx.balancers.upgrad"], "version", lambda name: "0.7.1")
    with pytest.raises(BadInput, match=r"needs torchjd 0\.18, and version 0\.7\.1 is installed here: pip install"):
        check(run(balancer=Choice(name="upgrad")))


@pytest.mark.parametrize("name", BALANCERS)
@pytest.mark.parametrize("tuning", sorted(registry.registry("tunings")))
def test_a_balancer_is_refused_or_weighs_what_contexts_share(name: str, tuning: str) -> None:
    plain = run(tuning=Choice(name=tuning), schedule=Choice(name="joint", knobs={"lam": 2.0}))
    config = plain.model_copy(update={"balancer": Choice(name=name)})
    try:
        check(config)
    except BadInput:
        return
    found = steps(config)
    assert all(f"told/{name}/target" in values for values in found)
    cosines = [values["cosine/source"] for values in found if "cosine/source" in values]
    assert name not in GRADIENT or tuning == "gradual" or cosines  # there is something in common, if not at once
    assert name == "dwa" or name in GRADIENT or [v["total"] for v in found] != [v["total"] for v in steps(plain)]


def test_dwa_is_refused_where_no_epoch_is_left_for_a_weight_to_change() -> None:
    with pytest.raises(BadInput, match="from epoch 3 on, and epochs is 2: choose at least 3 epochs"):
        check(run(balancer=Choice(name="dwa"), optim=Optim(epochs=2)))


@pytest.mark.parametrize("name", BALANCERS)
def test_whatever_weighs_losses_that_grow_beyond_all_bounds_it_diverged(name: str) -> None:
    wild = run(balancer=Choice(name=name), optim=Optim(epochs=3, min_updates=10, lr=1.0, head_lr=1.0, clip=1e30))
    wild = wild.model_copy(update={"sources": tuple(one.model_copy(update={"weight": 1e37}) for one in wild.sources)})
    with pytest.raises(RunFailed, match=r"It diverged at step \d+: the loss grew beyond all bounds\. Lower "):
        steps(wild)


@pytest.mark.parametrize("name", BALANCERS)
def test_layers_with_a_gradient_written_out_and_layers_computed_again_give_what_plain_ones_give(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "bert", "bert", hidden_dropout_prob=0, attention_probs_dropout_prob=0)
    bert = Choice(name="folder", knobs={"path": str(tmp_path / "bert")})
    config = run(balancer=Choice(name=name), backbone=bert, **THREE)
    calls: list[int] = []
    plain_pass = fused.passed
    monkeypatch.setattr(fused, "passed", lambda *given: calls.append(1) or plain_pass(*given))
    written = steps(config)
    assert calls
    monkeypatch.setattr(model, "LARGE", 0)
    assert steps(config) == written
    calls.clear()
    monkeypatch.setattr(fused, "layer", lambda module: None)
    plain = steps(config)
    assert not calls
    for one, other in list(zip(written, plain, strict=True))[:4]:
        assert one == pytest.approx(other, rel=1e-3, abs=1e-5)
