"""Low-rank updates in a layer whose gradient is written out: against the modules, and numerically."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from adapted import config, models, named
from test_fused import LENGTHS, WIDTH, bert, learnt
from torch import Tensor, nn

from ctx import adapters, fused, matrices
from ctx.config import canonical
from ctx.layers import AttentionLayer, PackedLayer
from ctx.measure import batch_of
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.setup import Setup
from ctx.train import Trainer

__all__ = ["models"]


def layer_of(kind: str) -> tuple[PackedLayer, Any]:
    """A plain layer in double precision, at work on the updates of a kind, and a batch for it."""
    inner, batch = bert(), batch_of(LENGTHS)
    where = matrices.chosen(matrices.bert(WIDTH, 40), "all")
    if kind == "peft":
        adapters.low_rank(inner, where, 2, 6.0, 0.0)
    else:
        for matrix in where:
            parent, _, last = matrix.name.rpartition(".")
            one = adapters.LowRank(matrix.inputs, matrix.outputs, 2)
            own = inner.get_submodule(parent)
            present = adapters.Present("a", {})
            setattr(own, last, adapters.Added(inner.get_submodule(matrix.name), {"a": one}, present))
    torch.manual_seed(4)
    for name, p in inner.double().named_parameters():
        p.requires_grad_(bool(adapters.NEW & set(name.split("."))))
        if p.requires_grad:
            nn.init.normal_(p, std=0.3)
    return PackedLayer(inner), batch


@pytest.mark.parametrize("kind", ["peft", "own"])
def test_updates_in_a_layer_whose_gradient_is_written_out_have_the_gradients_of_the_modules(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, batch = layer_of(kind)
    expected, gradients = learnt(AttentionLayer(packed.inner), batch)
    used: list[int] = []
    plain = fused.passed
    monkeypatch.setattr(fused, "passed", lambda *given: used.append(1) or plain(*given))
    found, own = learnt(packed, batch)
    assert used
    assert torch.allclose(found, expected, rtol=1e-12, atol=1e-12)
    for name, gradient in gradients.items():
        if gradient is None:
            assert own[name] is None, name
        else:
            assert torch.allclose(own[name], gradient, rtol=1e-9, atol=1e-9), name  # type: ignore[arg-type]


def test_their_gradients_are_those_of_what_is_computed() -> None:
    packed, batch = layer_of("own")
    layer = fused.layer(packed.inner)
    assert layer is not None
    assert len(layer.updates) == 6
    at = fused.places(batch, layer.heads)
    torch.manual_seed(5)
    x = torch.randn(len(batch.real), layer.weights[0].shape[1], dtype=torch.double, requires_grad=True)

    def run(x: Tensor, *factors: Tensor) -> Tensor:
        out: Tensor = fused.Fused.apply(x, at, layer, *layer.weights, *factors)  # type: ignore[no-untyped-call]
        return out

    factors = [one.detach().requires_grad_() for one in layer.factors]
    assert torch.autograd.gradcheck(run, (x, *factors), fast_mode=True)


@pytest.mark.parametrize("tuning", [Choice(name="adapter"), Choice(name="lora", knobs={"dropout": 0.2})], ids=named)
def test_a_layer_with_other_parts_is_left_to_its_modules(models: dict[str, Choice], tuning: Choice) -> None:
    trainer = Trainer(Setup(canonical(config(models["bert"], tuning))), Memo())
    trainer.begin()
    assert all(fused.layer(layer) is None for _, layer in adapters.layers(trainer.model))
