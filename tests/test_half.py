"""Half precision: what frozen layers give is rounded to float16, the same wherever it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax

from ctx import data, preview
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical
from ctx.errors import BadInput
from ctx.features import Rows
from ctx.frozen import Frozen
from ctx.heads import Group
from ctx.home import home
from ctx.linear_probes import solved
from ctx.parts import Choice
from ctx.predict import of_run
from ctx.prefix import Memo, halved
from ctx.registry import part
from ctx.setup import Setup
from ctx.state import Event
from ctx.store import open_store
from ctx.together import kind_of
from ctx.train import Trainer, train
from ctx.warm import warm
from ctx.worker import run_here
from tests.seq2seq_models import save

HEAD, LOWEST = Choice(name="head"), Choice(name="freeze", knobs={"layers": 1})
KINDS = {
    "head": {"tuning": HEAD},
    "lowest": {"tuning": LOWEST},
    "tagging": {
        "sources": (),
        "target": ContextChoice(id="ner/sample-office-en", size=20),
        "schedule": Choice(name="target-only"),
        "tuning": HEAD,
    },
    "texts": {
        "sources": (SourceChoice(id="translation/sample-office-en-pt", size=16),),
        "target": ContextChoice(id="translation/sample-office-en-es", size=16),
        "tuning": HEAD,
    },
    "changed words": {"tuning": LOWEST, "augment": (Choice(name="deletion", knobs={"rate": 0.3}),)},
    "mixed": {"tuning": HEAD, "augment": (Choice(name="mixup"),)},
    "numbers": {
        "sources": (SourceChoice(id="lesson/relative", size=40),),
        "target": ContextChoice(id="lesson/base", size=20),
        "backbone": Choice(name="mlp"),
        "tuning": LOWEST,
    },
}


def config(kind: str = "head", half: bool = True, **changes: Any) -> RunConfig:
    plain = RunConfig(
        sources=(SourceChoice(id="sentiment/sample-cafes-en", size=40),),
        target=ContextChoice(id="sentiment/sample-gadgets-en", size=20),
        backbone=Choice(name="tiny"),
        optim=Optim(epochs=2, min_updates=3, batch=8),
        half=half,
    )
    return plain.model_copy(update=KINDS[kind] | changes)


def same(one: Sequence[Event], other: Sequence[Event]) -> bool:
    """Whether two runs said the same, ended with the same weights and gave the same answers, to the bit."""
    ends = [events[-1].snapshot().tensors for events in (one, other)]
    outputs = [events[-1].outputs or {} for events in (one, other)]
    return (
        [(e.step, e.kind, e.values) for e in one] == [(e.step, e.kind, e.values) for e in other]
        and all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())
        and all(np.array_equal(value, outputs[1][name]) for name, value in outputs[0].items())
        and one[-1].final == other[-1].final
    )


@pytest.fixture
def pretrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """As though the tiny encoder were one that others share."""
    monkeypatch.setattr(part("backbones", "tiny"), "pretrained", True)


@pytest.fixture
def rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the layers above read is rounded by the test, whatever the run itself does."""
    given = Frozen.__call__
    monkeypatch.setattr(Frozen, "__call__", lambda self, *asked: _rounded(given(self, *asked)))


def _rounded(values: torch.Tensor | None) -> torch.Tensor | None:
    return None if values is None else torch.from_numpy(values.numpy().astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("kind", KINDS)
def test_the_layers_above_read_rounded_numbers_and_all_else_is_as_ever(kind: str, rounding: None) -> None:
    expected = list(train(config(kind, half=False), features=Memo()))
    assert same(expected, list(train(config(kind), features=Memo())))


@pytest.mark.usefixtures("pretrained")
@pytest.mark.parametrize("kind", ["head", "lowest", "tagging", "texts", "changed words"])
def test_a_run_is_bit_equal_from_the_memory_from_the_disk_or_computed(kind: str) -> None:
    plain, first, remembering = Memo(limit=0), Memo(shared=True), Memo()
    computed = list(train(config(kind), features=plain))
    for memo in (first, Memo(shared=True), Memo(limit=1, shared=True), remembering, remembering):
        assert same(computed, list(train(config(kind), features=memo)))
    again = Memo(shared=True)
    list(train(config(kind), features=again))
    assert again.computed == 0 < first.computed


@pytest.mark.parametrize("kind", ["head", "lowest", "tagging"])
def test_a_resumed_run_is_bit_equal(kind: str) -> None:
    events = list(train(config(kind), features=Memo()))
    middle = len(events) // 2
    for at, event in enumerate(train(config(kind), features=Memo())):
        if at == middle:
            state = event.snapshot()
            break
    assert same(events[middle + 1 :], list(train(config(kind), resume=state, features=Memo())))


def test_a_frozen_encoder_of_a_pretrained_pair_is_rounded_too(tmp_path: Path, rounding: None) -> None:
    t5 = Choice(name="seq2seq", knobs={"path": str(save(tmp_path / "t5", "t5"))})
    few = {"backbone": t5, "optim": Optim(epochs=1, min_updates=3, batch=8)}
    expected = list(train(config("texts", False, **few), features=Memo()))
    for _ in range(2):  # filled, then read
        assert same(expected, list(train(config("texts", **few), features=Memo(shared=True))))


def test_heads_that_train_together_read_rounded_features_and_others_do_not_join_them(rounding: None) -> None:
    assert kind_of(config()) != kind_of(config(half=False)) != ""
    ends = []
    for half in (False, True):
        setups = [Setup(canonical(config("head", half, seed=seed))) for seed in range(2)]
        told = [told for events in Group(setups, Memo()).run() for told in events]
        ends.append([(place, event.step, event.values, event.final) for place, event in told])
    assert ends[0] == ends[1]


@pytest.mark.usefixtures("pretrained")
def test_previews_read_what_the_runs_read(rounding: None) -> None:
    asked = [preview.asked(config("head", half), "lam", 2) for half in (False, True)]
    assert asked[0].name() != asked[1].name()
    memo = Memo(shared=True)
    assert solved(asked[0], features=Memo()) == solved(asked[1], features=memo)
    list(train(config(), features=(reading := Memo(shared=True))))
    assert reading.computed < memo.computed, "only what no preview judges by"


def test_warming_a_pair_leaves_nothing_to_compute() -> None:
    memo = Memo()
    computed = warm(config("lowest"), features=memo)
    list(train(config("lowest"), features=memo))
    assert memo.computed == computed > 0


@pytest.mark.usefixtures("pretrained")
def test_files_of_both_kinds_stand_side_by_side_and_one_takes_half_the_room() -> None:
    sizes = []
    for half in (False, True):
        before = set((home() / "features").glob("*"))
        memo = Memo(shared=True)
        trainer = Trainer(Setup(canonical(config("lowest", half))), memo)
        trainer.begin()
        for rows in trainer.setup.rows.values():
            trainer.frozen(rows.encoded.batch(np.arange(len(rows.encoded.lengths))))
        sizes.append(sum(path.stat().st_size for path in set((home() / "features").glob("*")) - before))
    assert 0.5 < sizes[1] / sizes[0] < 0.52
    tables = []
    for half in (False, True):
        memo = Memo()
        list(train(config("head", half), features=memo))
        tables.append(sum(table.bytes for table in memo.tables.values()))
    assert tables[1] * 2 == tables[0] > 0


def test_a_file_of_the_other_kind_is_none(home: Path) -> None:
    lengths, every = np.arange(2, 6), np.arange(4)
    values = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)
    Rows("one", lengths).write(every, values)
    assert list(Rows("one", lengths, half=True).read(every)) == []
    halves = Rows("one", lengths, half=True)
    halves.write(every, values.astype(np.float16))
    assert list(Rows("one", lengths).read(every)) == []
    for row, value in halves.read(every):
        assert np.array_equal(value, values[row, : lengths[row]].astype(np.float16))
    fresh = Rows("another", lengths, half=True)
    fresh.write(every, values.astype(np.float16))
    content = fresh.path.read_bytes()
    fresh.path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert [row for row, _ in fresh.read(every)] == [0, 1, 2]


@pytest.mark.usefixtures("pretrained")
@pytest.mark.parametrize("shallow", [(LOWEST, False), (LOWEST, True), (HEAD, False)])
def test_what_is_there_already_never_changes_a_number(shallow: tuple[Choice, bool]) -> None:
    """Rounded states of fewer layers are no beginning for more; whole ones are, and those of as many are rounded."""
    deep = {"backbone": Choice(name="tiny", knobs={"layers": 3}), "tuning": Choice(name="head")}
    expected = list(train(config("head", **deep), features=Memo()))
    tuning, half = shallow
    list(train(config("head", half, **deep | {"tuning": tuning}), features=Memo(shared=True)))
    assert same(expected, list(train(config("head", **deep), features=Memo(shared=True))))
    whole = list(train(config("head", False, **deep), features=Memo(shared=True)))
    assert same(whole, list(train(config("head", False, **deep), features=Memo())))


def test_a_number_too_large_for_float16_ends_the_run_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert torch.equal(halved(torch.tensor([65504.0, -65504.0, 1e-9])), torch.tensor([65504.0, -65504.0, 0.0]).half())
    for value in (65505.0, -1e6, float("inf")):
        with pytest.raises(BadInput, match=r"half precision ends at 65,504"):
            halved(torch.tensor([float("nan"), 1.0, value]))
    blocks = part("backbones", "tiny").blocks

    def large(self: Any, seed: int) -> Any:
        found, width = blocks(self, seed)
        with torch.no_grad():
            for p in found[0][1].parameters():
                p.mul_(1e7)
        return found, width

    monkeypatch.setattr(part("backbones", "tiny"), "blocks", large)
    monkeypatch.setattr(part("backbones", "tiny"), "version", 99)  # other weights have another name
    store = open_store()
    lowest = config("lowest", tuning=Choice(name="freeze", knobs={"layers": 0}))
    run = run_here(store, store.add_run(lowest))
    assert (run.state, "--no-half" in str(run.error)) == ("failed", True), run.error
    assert run_here(store, store.add_run(lowest.model_copy(update={"half": False}))).state == "done"


@pytest.mark.parametrize("kind", ["head", "lowest", "texts"])
def test_a_text_of_ones_own_is_answered_as_in_the_test(kind: str) -> None:
    store = open_store()
    run = run_here(store, store.add_run(config(kind)))
    test = data.splits(run.config.target or ContextChoice(id="")).test
    for row in (0, 3, 6):
        said = of_run(run, test[row].input).answer
        if kind == "texts":
            assert said == store.output(run.id, "said/target")[row]
        else:
            assert isinstance(said, dict)
            tested = softmax(store.output(run.id, "test/target"), axis=1)[row]
            assert np.allclose(list(said.values()), tested, atol=1e-5)
