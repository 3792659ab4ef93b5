"""Layers: without padding, and with inner states computed again, they give and learn the same."""

import pytest
import torch

from ctx import fused
from ctx.config import canonical
from ctx.model import _again
from ctx.prefix import Memo
from ctx.setup import Setup
from ctx.train import Trainer, train
from tests.test_train import same_weights, tiny


def test_a_layer_without_padding_gives_what_a_padded_one_does_and_so_do_its_gradients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fused, "layer", lambda module: None)  # the modules' own
    trainer = Trainer(Setup(canonical(tiny())), Memo())
    trainer.begin()
    trainer.model.eval()
    batch = trainer.setup.rows["source"].encoded.batch(trainer.setup.rows["source"].learn[:12])
    lengths = batch.encoded.lengths[batch.rows]
    assert len(batch.real) == lengths.sum() < batch.mask.numel()
    found = []
    for room in (0, 1):
        batch.room = room
        trainer.model.zero_grad()
        assert bool(trainer.model.run(batch, stop=2)[~batch.mask].any()) == bool(room), (
            "padding is nothing, or is computed"
        )
        out = trainer.model.run(batch)
        out.square().sum().backward()  # type: ignore[no-untyped-call]
        found.append(
            (out, {name: p.grad.clone() for name, p in trainer.model.named_parameters() if p.grad is not None})
        )
    assert torch.allclose(found[0][0], found[1][0], rtol=1e-5, atol=1e-6)
    assert found[0][1].keys() == found[1][1].keys()
    most = max(grad.abs().max() for grad in found[1][1].values())
    assert all((grad - found[1][1][name]).abs().max() < 1e-5 * most for name, grad in found[0][1].items())


def test_layers_that_compute_their_inner_states_again_learn_the_same_to_the_bit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = list(train(tiny(), features=Memo()))[-1].snapshot()
    monkeypatch.setattr("ctx.model.LARGE", 1)
    used = []
    monkeypatch.setattr("ctx.model._again", lambda *given: used.append(1) or _again(*given))
    assert same_weights(list(train(tiny(), features=Memo()))[-1].snapshot(), plain)
    assert used


def test_what_is_computed_again_for_the_gradient_is_the_same_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = []
    for large in (10**9, 0):
        monkeypatch.setattr("ctx.model.LARGE", large)
        ends.append(list(train(tiny(), features=Memo()))[-1].snapshot())
    assert same_weights(*ends)
