"""The frozen prefix: computed once, the same to the bit however it is asked for, and what a plain forward gives."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from ctx import data
from ctx.backbones.minilm import ASSET
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical
from ctx.measure import batch_of
from ctx.parts import Choice
from ctx.prefix import Memo, _chunks, _room
from ctx.registry import make
from ctx.setup import Setup
from ctx.train import Trainer, train
from ctx.warm import warm

TINY = Choice(name="tiny")


def config(tuning: Choice, backbone: Choice = TINY, **changes: object) -> RunConfig:
    plain = RunConfig(
        sources=(SourceChoice(id="sentiment/sample-cafes-en", size=60),),
        target=ContextChoice(id="sentiment/sample-gadgets-en", size=20),
        backbone=backbone,
        tuning=tuning,
        optim=Optim(epochs=2, min_updates=4),
    )
    return plain.model_copy(update=changes)


HEAD, LOWEST = Choice(name="head"), Choice(name="freeze", knobs={"layers": 1})


@pytest.mark.parametrize("length", [8, 64, 600])
@pytest.mark.parametrize("packed", [False, True])
def test_what_is_computed_together_has_room_and_every_row_is_in_it_once(packed: bool, length: int) -> None:
    lengths = np.random.default_rng(0).integers(length - 7, length + 1, 300)
    encoded = batch_of(lengths.tolist()).encoded
    chunks = [chunk for chunk, _ in _chunks(np.arange(300), encoded, length, packed)]
    assert np.array_equal(np.concatenate(chunks), np.arange(300))
    assert all(0 < lengths[chunk].sum() <= _room(length) for chunk in chunks)
    if packed:  # as many as there is room for
        pairs = itertools.pairwise(chunks)
        assert all(lengths[chunk].sum() + lengths[after[0]] > _room(length) for chunk, after in pairs)


@pytest.mark.parametrize("tuning", [HEAD, LOWEST])
def test_rows_are_bit_equal_in_whatever_company_they_were_computed(tuning: Choice) -> None:
    trainer = Trainer(Setup(canonical(config(tuning))), Memo())
    trainer.begin()
    encoded = trainer.setup.rows["source"].encoded
    rows = np.arange(len(encoded.lengths))
    together = trainer.frozen(encoded.batch(rows))
    trainer.frozen.features = Memo()
    for row in np.random.default_rng(0).permutation(rows):
        alone = trainer.frozen(encoded.batch(np.array([row])))
        assert torch.equal(alone[0], together[row][: alone.shape[1]] if alone.ndim == 3 else together[row])


@pytest.mark.parametrize("tuning", [HEAD, LOWEST])
def test_the_prefix_is_what_an_ordinary_padded_forward_gives(tuning: Choice) -> None:
    trainer = Trainer(Setup(canonical(config(tuning))), Memo())
    trainer.begin()
    trainer.model.eval()
    batch = trainer.setup.rows["target"].encoded.batch(np.arange(40))
    plain, split = trainer.model.run(batch), trainer._forward("target", batch)[0]
    assert (plain - split).abs().max() / plain.abs().max() <= 1e-5


@pytest.mark.parametrize("tuning", [HEAD, LOWEST])
def test_a_run_is_bit_equal_with_the_memo_warm_or_cold(tuning: Choice) -> None:
    shared = Memo()
    cold = list(train(config(tuning), features=shared))
    computed = shared.computed
    again = list(train(config(tuning), features=shared))
    assert shared.computed == computed > 0
    assert [(e.step, e.values) for e in cold] == [(e.step, e.values) for e in again]
    ends = cold[-1].snapshot().tensors, again[-1].snapshot().tensors
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


def test_runs_that_share_a_prefix_compute_it_once_and_others_do_not_read_it() -> None:
    shared = Memo()
    for lam in (0.1, 1.0, 5.0):
        list(train(config(HEAD, schedule=Choice(name="joint", knobs={"lam": lam})), features=shared))
    once = shared.computed
    list(train(config(HEAD, schedule=Choice(name="joint", knobs={"lam": 2.0})), features=shared))
    assert shared.computed == once
    list(train(config(HEAD, seed=1), features=shared))  # another draw of random weights is another prefix
    assert shared.computed > once


def deeper(backbone: Choice, shallow: int, deep: int, features: Memo, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """The outputs of a deep prefix, filled where a shallow one has been; every layer from there on runs alone."""
    starts: list[int] = []
    found = None
    for layers in (shallow, deep):
        trainer = Trainer(Setup(canonical(config(Choice(name="freeze", knobs={"layers": layers}), backbone))), features)
        trainer.begin()
        run = trainer.model.run

        def watched(*given: Any, run: Any = run, **stop: Any) -> torch.Tensor:
            starts.append(given[1] if len(given) > 1 else 0)
            return run(*given, **stop)  # type: ignore[no-any-return]

        monkeypatch.setattr(trainer.model, "run", watched)
        found = trainer.frozen(trainer.setup.rows["source"].encoded.batch(np.arange(70)))
    assert set(starts) == {0, shallow + 1}
    assert found is not None
    return found


def direct(backbone: Choice, deep: int) -> torch.Tensor:
    trainer = Trainer(Setup(canonical(config(Choice(name="freeze", knobs={"layers": deep}), backbone))), Memo())
    trainer.begin()
    found = trainer.frozen(trainer.setup.rows["source"].encoded.batch(np.arange(70)))
    assert found is not None
    return found


@pytest.mark.parametrize(("shallow", "deep"), [(0, 1), (1, 3), (2, 3)])
def test_a_deeper_prefix_goes_on_from_a_shallower_one_to_the_same_bits(
    shallow: int, deep: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = Choice(name="tiny", knobs={"layers": 3})
    assert torch.equal(deeper(backbone, shallow, deep, Memo(), monkeypatch), direct(backbone, deep))


@pytest.mark.network
@pytest.mark.parametrize(("shallow", "deep"), [(4, 6), (3, 5)])
def test_so_does_minilms_from_the_disk(
    shallow: int, deep: int, fetched: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched(ASSET)  # type: ignore[operator]
    minilm = Choice(name="minilm")
    found = deeper(minilm, shallow, deep, Memo(shared=True), monkeypatch)
    assert torch.equal(found, direct(minilm, deep))


def test_the_memo_drops_what_was_not_used_for_longest() -> None:
    small = Memo(limit=1)
    list(train(config(HEAD), features=small))
    assert len(small.tables) == 1


def test_warming_a_pair_leaves_nothing_to_compute() -> None:
    memo, seen = Memo(), []
    computed = warm(config(HEAD), lambda done, of: seen.append((done, of)), memo)
    assert computed == seen[-1][0] == seen[-1][1]
    list(train(config(HEAD), features=memo))
    assert memo.computed == computed


def test_of_large_contexts_what_the_first_draws_use_is_warmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctx.warm.TOKENS", 1)
    few, more = Memo(), Memo()
    for draws, memo in ((1, few), (2, more)):
        monkeypatch.setattr("ctx.warm.default_draws", lambda config, draws=draws: draws)
        warm(config(HEAD), features=memo)
    assert few.computed < more.computed < warm_all()
    before = few.computed
    list(train(config(HEAD), features=few))
    assert few.computed == before


def warm_all() -> int:
    """How many examples the two contexts have."""
    return sum(sum(data.sizes(choice).values()) for choice in config(HEAD).contexts().values())


@pytest.mark.network
@pytest.mark.parametrize("tuning", [HEAD, Choice(name="freeze", knobs={"layers": 4})])
def test_minilm_rows_are_bit_equal_in_whatever_company_they_were_computed(fetched: object, tuning: Choice) -> None:
    fetched(ASSET)  # type: ignore[operator]
    trainer = Trainer(Setup(canonical(config(tuning, Choice(name="minilm")))), Memo())
    trainer.begin()
    encoded = trainer.setup.rows["source"].encoded
    together = trainer.frozen(encoded.batch(np.arange(80)))
    trainer.frozen.features = Memo()
    for row in (79, 3, 40, 17, 0):
        alone = trainer.frozen(encoded.batch(np.array([row])))[0]
        assert torch.equal(alone, together[row][: len(alone)] if alone.ndim == 2 else together[row])


@pytest.mark.network
@pytest.mark.parametrize("readout", [0, 3, None])
def test_minilm_reads_out_at_any_layer_as_transformers_does(fetched: object, readout: int | None) -> None:
    fetched(ASSET)  # type: ignore[operator]
    from transformers import AutoModel, AutoTokenizer

    backbone = Choice(name="minilm", knobs={} if readout is None else {"readout": readout})
    trainer = Trainer(Setup(canonical(config(HEAD, backbone))), Memo())
    trainer.begin()
    rows = trainer.setup.rows["source"]
    folder = make("backbones", backbone).folder()
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    text = data.splits(ContextChoice(id="sentiment/sample-cafes-en")).train[0].input
    with torch.no_grad():
        states = model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True).hidden_states
    expected = states[-1 if readout is None else readout][0].mean(0)
    ours = trainer.frozen(rows.encoded.batch(np.array([0])))[0]
    assert (ours - expected).abs().max() / expected.abs().max() <= 1e-5
