"""Distillation of texts that are written: what a teacher says comes next, against numpy and transformers."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from penalised import part
from scipy.special import log_softmax, logsumexp, rel_entr
from test_interfaces import resumed
from test_penalties_run import steps, usual
from test_penalties_update import an_update
from test_writing import WIDTH, Plain, learn, setting
from torch import Tensor, nn

from ctx.answers import LIKELY, Answers, said
from ctx.batches import Batch
from ctx.config import Optim
from ctx.model import Model
from ctx.parts import Begin, Choice, Space, Step
from ctx.plan import Phase, constant
from ctx.pointer import MARKS
from ctx.registry import part as registered
from ctx.writer import OTHER, Writer
from tests.seq2seq_models import FAMILIES
from tests.test_seq2seq_decoder import read

TARGET = Phase("target", 1, 10, {"target": constant(1)})


def pieces_of(writer: Writer, batch: Batch) -> Tensor:
    """Every piece that may be written or copied."""
    return torch.from_numpy(np.union1d(writer.pieces[MARKS:], batch.inputs[batch.inputs >= 3]))


def everything(writer: Writer, hidden: Tensor, batch: Batch) -> np.ndarray:
    """The log-probabilities ``[N, V]`` of all of them."""
    ids = pieces_of(writer, batch).expand(len(batch.owners), -1)
    found: np.ndarray = writer.likelihood(writer.told(hidden, batch), batch, ids.contiguous()).detach().numpy()
    return found


@pytest.mark.parametrize("copies", [False, True])
def test_the_likelihood_of_the_true_pieces_is_the_loss(copies: bool) -> None:
    writer, _, batch, hidden = setting(copies)
    losses = writer.eval()(hidden, batch)
    targets, there = batch.texts
    found = writer.likelihood(writer.told(hidden, batch), batch, targets[there][:, None])
    assert torch.equal(-found[:, 0], losses[losses.isfinite()])


@pytest.mark.parametrize("copies", [False, True])
def test_the_likeliest_of_all_pieces_are_found_and_all_together_are_certain(copies: bool) -> None:
    writer, pairs, batch, hidden = setting(copies, held_back=8)
    assert (writer._index(batch.targets[8:]) == OTHER).any(), "some have pieces that the vocabulary lacks"
    for row in range(8, 16):
        one, states = pairs.batch(np.asarray([row]), hidden.shape[1]), hidden[row : row + 1]
        ids, scores = writer.eval().likely(states, one, LIKELY)
        whole, pieces = everything(writer, states, one), pieces_of(writer, one)
        places = np.searchsorted(pieces.numpy(), ids.numpy())
        assert np.exp(whole).sum(1) == pytest.approx(1, abs=1e-4)
        assert np.take_along_axis(whole, places, 1) == pytest.approx(scores.detach().numpy(), abs=1e-5)
        assert scores.detach().numpy() == pytest.approx(-np.sort(-whole, axis=1)[:, :LIKELY], abs=1e-5)


class States(nn.Module):
    """What a backbone would say of each row."""

    def __init__(self, hidden: Tensor) -> None:
        super().__init__()
        self.table = nn.Parameter(hidden.clone())

    def forward(self, hidden: Tensor | None, batch: Batch) -> Tensor:
        return self.table[torch.from_numpy(batch.rows)]


def teaching(copies: bool) -> tuple[Model, Begin, Batch]:
    """A model that writes, its weights handed over to the target's phase, and sixteen texts of that."""
    writer, _, batch, hidden = setting(copies)
    learn(writer, batch, hidden, 20)
    built = Model([("embedding", States(hidden))], {"all": writer}, WIDTH)
    given = {name: p.detach().clone() for name, p in built.named_parameters()}
    heads: dict[str, nn.Module] = {"source": writer, "target": writer}
    seen = Answers(built)
    begun = Begin(built, TARGET, given, ["source"], heads, lambda key, most: iter(()), seen, "translation")
    return built, begun, batch


def step(built: Model, batch: Batch) -> Step:
    hidden = built.run(batch)
    out, told = said(built.heads["all"], hidden, batch)
    further = lambda: (batch, hidden)  # noqa: E731
    return Step(built, 0.5, {"target": batch}, {"target": hidden}, {"target": out}, further, {"target": told})


@pytest.mark.parametrize("copies", [False, True])
def test_it_is_the_divergence_of_the_likeliest_pieces_and_all_others_as_one(copies: bool) -> None:
    built, begun, batch = teaching(copies)
    penalty: Any = part("distill", weight=0.5, temperature=3.0)
    penalty.begin(begun)
    writer: Any = built.eval().heads["all"]
    with torch.no_grad():
        before = everything(writer, built.run(batch), batch)
        assert penalty.terms(step(built, batch))["teacher"].item() == pytest.approx(0, abs=1e-4)
        for p in built.parameters():
            p.add_(0.05 * torch.randn_like(p))
        after = everything(writer, built.run(batch), batch)
        found = penalty.terms(step(built, batch))["teacher"].item()
    kept = np.argsort(-before, axis=1)[:, :LIKELY]

    def softened(whole: np.ndarray) -> np.ndarray:
        likely = np.take_along_axis(whole, kept, 1).astype(float)
        others = whole.astype(float).copy()
        np.put_along_axis(others, kept, -math.inf, 1)
        both = np.concatenate([likely, logsumexp(others, axis=1, keepdims=True)], axis=1)
        found: np.ndarray = np.exp(log_softmax(both / 3, axis=1))
        return found

    want = 0.5 * 9 * rel_entr(softened(before), softened(after)).sum(1).mean()
    assert want > 0.01
    assert found == pytest.approx(want, rel=1e-2)


@pytest.mark.parametrize("copies", [False, True])
def test_a_text_is_asked_once_and_answered_the_same_in_any_company(copies: bool) -> None:
    built, begun, batch = teaching(copies)
    head, seen = built.heads["all"].train(), begun.answers
    whole = seen.foretold(head, batch)
    assert head.training, "as it was before"
    for row in (3, 7):
        alone = Answers(built).foretold(head, batch.encoded.batch(np.asarray([row])))
        own = batch.owners == row
        assert torch.equal(alone.ids, whole.ids[own])
        assert torch.equal(alone.scores, whole.scores[own])
    assert seen.memo.computed == 16
    again = seen.foretold(head, batch.encoded.batch(np.asarray([5, 5])))
    assert torch.equal(again.scores, whole.scores[batch.owners == 5].repeat(2, 1))
    assert seen.memo.computed == 16
    assert not seen.memo.tables, "what the head read is not kept"


def test_texts_that_are_drawn_anew_are_asked_every_time() -> None:
    built, begun, batch = teaching(copies=False)
    drawn = replace(batch.encoded, name="").batch(batch.rows)
    found, same = (begun.answers.foretold(built.heads["all"], one) for one in (drawn, batch))
    assert torch.equal(found.ids, same.ids)
    assert torch.allclose(found.scores, same.scores, atol=1e-5)
    assert len(begun.answers.told) == 1


@pytest.mark.parametrize("application", ["translation", "summarisation"])
def test_a_run_that_is_stopped_and_resumed_is_bit_equal(application: str) -> None:
    resumed(usual("distill", application))


@pytest.mark.parametrize("application", ["translation", "summarisation"])
def test_its_gradients_go_back_along_with_those_of_the_losses(
    application: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctx.inside.looks", lambda phase: frozenset())
    asked = usual("distill", application, optim=Optim(epochs=1, min_updates=3, batch=8, clip=1e9))
    together, passes = an_update(asked)
    alone, _ = an_update(asked.model_copy(update={"penalties": ()}))
    monkeypatch.setattr(registered("balancers", "fixed"), "plain", False)
    apart, more = an_update(asked)
    assert (passes, more) == (1, 2)
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(together, apart, strict=True))
    assert not all(torch.allclose(a, b, rtol=1e-3) for a, b in zip(together, alone, strict=True))


def test_so_is_one_whose_texts_are_changed() -> None:
    resumed(usual("distill", "translation", augment=(Choice(name="word-dropout"),)))


def test_it_holds_what_is_written_near_what_the_teacher_would_have_written() -> None:
    def far(weight: float) -> float:
        penalties = (Choice(name="distill", knobs={"weight": weight}),)
        asked = usual("distill", "translation", penalties=penalties, optim=Optim(epochs=4, min_updates=10, batch=8))
        terms = [values["term/distill/teacher"] for values in steps(asked) if "term/distill/teacher" in values]
        return float(np.mean(terms[-10:])) / weight

    assert far(10.0) < 0.5 * far(1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pretrained_decoder_foretells_what_transformers_does(tmp_path: Path, family: str) -> None:
    decoder, hidden, batch = read(tmp_path, family)
    seen: list[Tensor] = []
    decoder.eval().requires_grad_(True)
    decoder.output.register_forward_hook(lambda module, given, out: seen.append(out))
    losses = decoder(hidden, batch)
    bias = 0 if decoder.bias is None else decoder.bias
    whole = (torch.cat(seen) + bias).log_softmax(-1)
    ids, scores = decoder.likely(hidden, batch, LIKELY)
    assert torch.allclose(scores, whole.sort(descending=True).values[:, :LIKELY], atol=1e-5)
    assert torch.allclose(whole.gather(-1, ids), scores, atol=1e-5)
    targets, there = batch.texts
    found = decoder.likelihood(decoder.told(hidden, batch), batch, targets[there][:, None])
    assert torch.allclose(-found[:, 0], losses[there], atol=1e-5)
    found.sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in decoder.parameters())


@pytest.mark.parametrize("copies", [False, True])
def test_a_vocabulary_smaller_than_what_is_told_apart_is_told_whole(copies: bool) -> None:
    _, pairs, batch, hidden = setting()
    few = pairs.targets.copy()
    few[few > 6] = 6
    writer = Writer(Space((), WIDTH, Plain(), [few]), copies=copies).eval()
    ids, scores = writer.likely(hidden, batch, LIKELY)
    assert ids.shape[1] == len(writer.pieces) - MARKS < LIKELY
    assert (ids >= 0).all()
    assert torch.allclose(writer.likelihood(writer.told(hidden, batch), batch, ids), scores, atol=1e-5)
