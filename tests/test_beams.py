"""Beams are a knob of what is written for a test or a visitor; what is learnt and drawn knows nothing of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ctx.compare import arms, differing
from ctx.config import ContextChoice, Optim, RunConfig
from ctx.data import splits
from ctx.evaluation import Evaluator
from ctx.parts import Choice
from ctx.predict import of_run
from ctx.prefix import Memo
from ctx.store import open_store
from ctx.train import train
from ctx.worker import run_here
from ctx.writer import Writer

CONTEXT = ContextChoice(id="translation/sample-cafe-en-es", size=40)


def config(beams: int) -> RunConfig:
    return RunConfig(
        target=CONTEXT,
        backbone=Choice(name="tiny"),
        schedule=Choice(name="target-only"),
        tuning=Choice(name="full"),
        optim=Optim(epochs=1, min_updates=8, batch=16),
        beams=beams,
    )


def test_only_the_tests_texts_are_written_by_beam(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[str, int]] = []
    at = "look"
    write = Writer.write
    monkeypatch.setattr(
        Writer,
        "write",
        lambda self, h, b, n, beams=1, repeats=True: (
            given.append((at, beams)),
            write(self, h, b, n, beams, repeats),
        )[1],
    )
    test = Evaluator.test

    def tested(self: Evaluator) -> object:
        nonlocal at
        at = "test"
        return test(self)

    monkeypatch.setattr(Evaluator, "test", tested)
    plain = list(train(config(1), features=Memo()))
    assert set(given) == {("look", 1), ("test", 1)}
    given, at = [], "look"
    by_beam = list(train(config(3), features=Memo()))
    assert set(given) == {("look", 1), ("test", 3)}
    assert [event.values for event in plain] == [event.values for event in by_beam]
    ends = [events[-1].snapshot().weights().tensors for events in (plain, by_beam)]
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())
    said = [np.asarray(events[-1].outputs["said/target"]) for events in (plain, by_beam)]
    assert (said[0] != said[1]).any()


def test_a_visitors_text_is_written_as_the_tests_were_and_compare_tells_the_arms_by_their_beams(home: Path) -> None:
    store = open_store()
    run, plain = (run_here(store, store.add_run(config(beams))) for beams in (4, 1))
    tested, greedy = (store.output(one.id, "said/target") for one in (run, plain))
    test = splits(CONTEXT).test
    differs = int(np.flatnonzero(tested != greedy)[0])
    for row in (0, 1, differs):
        assert of_run(run, test[row].input).answer == tested[row]
    found = arms(store.table())
    assert sorted(arm.label for arm in found) == ["beams 1", "beams 4"]
    assert list(differing(found).index) == ["beams"]
