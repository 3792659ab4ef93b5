"""Passes side by side: in their order, one thread each, the same to the bit as one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from ctx.config import ContextChoice, RunConfig, SourceChoice, canonical
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.setup import Setup
from ctx.sidebyside import side_by_side
from ctx.train import Trainer


@pytest.fixture
def threads() -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield 3
    torch.set_num_threads(before)


def test_all_come_in_their_order_each_by_one_thread(threads: int) -> None:
    found = list(side_by_side(lambda n: (n, torch.get_num_threads()), range(40)))
    assert found == [(n, 1) for n in range(40)]
    assert torch.get_num_threads() == threads


def test_what_goes_wrong_is_raised_here_and_the_threads_are_as_before(threads: int) -> None:
    with pytest.raises(ZeroDivisionError):
        list(side_by_side(lambda n: 1 // (n - 7), range(40)))
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("tuning", [Choice(name="head"), Choice(name="freeze", knobs={"layers": 1})])
def test_frozen_outputs_are_bit_equal_however_many_threads_compute_them(tuning: Choice, threads: int) -> None:
    config = RunConfig(
        sources=(SourceChoice(id="sentiment/sample-cafes-en", size=60),),
        target=ContextChoice(id="sentiment/sample-gadgets-en", size=20),
        backbone=Choice(name="tiny"),
        tuning=tuning,
    )

    def frozen() -> torch.Tensor:
        trainer = Trainer(Setup(canonical(config)), Memo())
        trainer.begin()
        encoded = trainer.setup.rows["source"].encoded
        return trainer.frozen(encoded.batch(np.arange(len(encoded.lengths))))

    several = frozen()
    torch.set_num_threads(1)
    assert torch.equal(several, frozen())
