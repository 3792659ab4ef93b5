"""The highest layers of a pretrained encoder drawn anew: which, in which runs alike, and what is left as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ctx.config import RunConfig, canonical
from ctx.model import build
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.registry import make
from ctx.setup import Setup
from ctx.train import train
from ctx.warm import warm_runs
from tests.test_interfaces import resumed
from tests.tuned import bert, config, moved, same_when_warm

__all__ = ["bert"]

ANEW = [
    ("full", {"reinit": 2, "decay": 2.0}),
    ("freeze", {"layers": 1, "reinit": 2}),
    ("gradual", {"start": 1, "reinit": 1}),
    ("choose", {"learn": "1, 3", "reinit": 1, "decay": 2.0}),
]


def drawn(asked: RunConfig) -> dict[str, torch.Tensor]:
    """The weights of the blocks that a run begins with."""
    setup = Setup(canonical(asked))
    torch.rand(3)  # whatever the generator has been used for
    return {
        name: p.detach().clone()
        for name, p in build(setup.config, setup.rows, setup.task).named_parameters()
        if name.startswith("blocks.")
    }


def test_layers_drawn_anew_begin_as_before_pretraining_the_same_in_all_arms_of_a_draw(bert: Choice) -> None:
    pretrained = drawn(config("full", bert))
    one = drawn(config("freeze", bert, layers=1, reinit=2))
    assert moved(pretrained, one, drawn=True) == ["layer2", "layer3"]
    alone = config("freeze", bert, layers=1, reinit=2).model_copy(update={"schedule": Choice(name="target-only")})
    again, other = drawn(alone), drawn(config("freeze", bert, seed=1, layers=1, reinit=2))
    assert moved(one, again, drawn=True) == []
    assert moved(one, other, drawn=True) == ["layer2", "layer3"]
    for name, value in one.items():
        if "layer3" in name and "LayerNorm.weight" in name:
            assert (value == 1).all(), name
        elif "layer3" in name and "bias" in name:
            assert (value == 0).all(), name
        elif "layer3" in name:
            assert value.std().item() == pytest.approx(0.02, rel=0.1), name
            assert not torch.equal(value, one[name.replace("layer3", "layer2")])
    assert moved(pretrained, drawn(config("full", bert))) == [], "what the process keeps of the file is as it was"


@pytest.mark.parametrize(("tuning", "knobs"), ANEW)
def test_a_warm_memo_gives_the_same_bits_as_a_cold_one(
    bert: Choice, tuning: str, knobs: dict[str, object], home: Path
) -> None:
    same_when_warm(config(tuning, bert, **knobs), bert)


@pytest.mark.parametrize(("tuning", "knobs"), ANEW)
def test_a_run_with_layers_drawn_anew_goes_on_bit_equal(bert: Choice, tuning: str, knobs: dict[str, object]) -> None:
    resumed(config(tuning, bert, **knobs))


def test_what_head_runs_read_is_not_touched_by_layers_drawn_anew(bert: Choice) -> None:
    features = Memo()
    plain = list(train(config("head", bert), features=Memo()))
    list(train(config("full", bert, reinit=3), features=features))
    warm_runs([config("freeze", bert, layers=2, reinit=1)], features=features)
    after = list(train(config("head", bert), features=features))
    assert [(e.step, e.values) for e in after] == [(e.step, e.values) for e in plain]
    assert make("backbones", bert).renews()
