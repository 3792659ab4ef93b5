"""A layer whose gradient is written out: against the same layer of modules, and its dropout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertLayer, BertOutput

from ctx import fused, products
from ctx.layers import AttentionLayer, PackedLayer
from ctx.measure import batch_of

LENGTHS, WIDTH, HEADS = (3, 8, 1, 5), 24, 3


def bert(dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(1)
    config = BertConfig(
        hidden_size=WIDTH,
        num_attention_heads=HEADS,
        intermediate_size=40,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        attn_implementation="sdpa",
    )
    layer = BertLayer(config).double().train()
    for parameter in layer.parameters():  # LayerNorms and biases too are nothing special
        nn.init.normal_(parameter, std=0.3)
    return layer


def states(one: Any, dtype: torch.dtype = torch.double) -> Tensor:
    torch.manual_seed(2)
    drawn = torch.randn(*one.mask.shape, WIDTH, dtype=torch.double) * one.mask[..., None]
    return drawn.to(dtype).requires_grad_()


def learnt(
    layer: AttentionLayer, one: Any, dtype: torch.dtype = torch.double
) -> tuple[Tensor, dict[str, Tensor | None]]:
    """What it gives for real tokens, and the gradients of all."""
    layer.zero_grad()
    read = states(one, dtype)
    out = layer(read, one)[one.mask]
    (out.sin() * torch.arange(1, WIDTH + 1)).sum().backward()
    assert read.grad is not None
    return out, {name: p.grad for name, p in layer.named_parameters()} | {"read": read.grad[one.mask]}


@pytest.mark.parametrize("lengths", [LENGTHS, (8,) * 3, (1,)])
def test_it_gives_what_the_layer_of_modules_gives_and_so_do_its_gradients(
    lengths: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    inner, one = bert(), batch_of(lengths)
    expected, gradients = learnt(AttentionLayer(inner), one)
    used: list[int] = []
    plain = fused.passed
    monkeypatch.setattr(fused, "passed", lambda *given: used.append(1) or plain(*given))
    found, own = learnt(PackedLayer(inner), one)
    assert used
    assert torch.allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert own.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert gradient is not None
        assert torch.allclose(own[name], gradient, rtol=1e-9, atol=1e-9), name  # type: ignore[arg-type]


@pytest.mark.parametrize("onednn", [False, True])
def test_in_float32_it_is_as_exact_with_either_library(onednn: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    inner, one = bert(), batch_of(LENGTHS)
    expected, exact = learnt(PackedLayer(inner), one)
    gradients = {name: gradient if gradient is None else gradient.clone() for name, gradient in exact.items()}
    monkeypatch.setattr(products, "onednn", lambda: onednn and torch.backends.mkldnn.is_available())
    found, own = learnt(PackedLayer(inner.float()), one, torch.float)
    assert torch.allclose(found.double(), expected, rtol=1e-4, atol=1e-4)
    for name, gradient in gradients.items():
        assert gradient is not None
        assert torch.allclose(own[name].double(), gradient, rtol=1e-3, atol=1e-3), name  # type: ignore[union-attr]


def test_filled_up_it_gives_the_same() -> None:
    layer, one = PackedLayer(bert()), batch_of(LENGTHS)
    plain = layer(states(one), one)
    more = batch_of(LENGTHS)
    more.room = 30
    assert len(more.filled) == 30 > len(more.real) == len(one.filled)
    assert torch.allclose(layer(states(more), more), plain, rtol=1e-12, atol=1e-12)


def test_its_gradients_are_those_of_what_it_computes_dropout_too() -> None:
    layer, one = fused.layer(bert(dropout=0.25)), batch_of(LENGTHS)
    assert layer is not None
    at = fused.places(one, HEADS)  # type: ignore[arg-type]
    weights = [weight.detach().requires_grad_() for weight in layer.weights]

    def run(x: Tensor, *given: Tensor) -> Tensor:
        torch.manual_seed(3)
        out: Tensor = fused.Fused.apply(x, at, layer, *given)  # type: ignore[no-untyped-call]
        return out

    x = states(one)[one.mask].detach().requires_grad_()
    assert torch.autograd.gradcheck(run, (x, *weights), fast_mode=True)


@pytest.mark.parametrize("chosen", ["bias", "LayerNorm", "query.weight", "output.dense.weight", "intermediate"])
def test_what_does_not_learn_has_no_gradient_and_what_does_has_the_same(chosen: str) -> None:
    inner, one = bert(), batch_of(LENGTHS)
    _, gradients = learnt(PackedLayer(inner), one)
    for name, parameter in inner.named_parameters():
        parameter.requires_grad_(chosen in name)
    layer = PackedLayer(inner)
    layer.zero_grad()
    with torch.no_grad():
        read = states(one).detach()
    out = layer(read, one)[one.mask]
    (out.sin() * torch.arange(1, WIDTH + 1)).sum().backward()
    for name, parameter in layer.named_parameters():
        if chosen in name:
            assert parameter.grad is not None
            assert torch.equal(parameter.grad, gradients[name])  # type: ignore[arg-type]
        else:
            assert parameter.grad is None


def test_dropout_keeps_the_mean_and_follows_the_global_generator() -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = fused.factors((1000, 301), 0.1)
    second = fused.factors((1000, 301), 0.1)
    torch.set_rng_state(state)
    assert first is not None
    assert second is not None
    assert torch.equal(first, fused.factors((1000, 301), 0.1))  # type: ignore[arg-type]
    assert not torch.equal(first, second)
    for found in (first, second):
        assert len(found.unique()) == 2
        assert abs((found == 0).float().mean().item() - 0.1) < 0.003
        assert abs(found.mean().item() - 1) < 0.003
        assert abs((found == 0).float().mean(0).std().item() - (0.09 / 1000) ** 0.5) < 0.002, "columns are independent"
    assert fused.factors((3, 4), 0.0) is None


def test_a_graph_that_is_kept_gives_the_same_gradients_again() -> None:
    inner, one = bert(dropout=0.25), batch_of(LENGTHS)
    torch.manual_seed(3)
    out = PackedLayer(inner)(states(one), one).square().sum()
    first, second = (
        torch.autograd.grad(out, list(inner.parameters()), retain_graph=True),
        torch.autograd.grad(out, list(inner.parameters())),
    )
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


class Adapted(BertOutput):
    """An output with something beside it."""

    def forward(self, hidden: Tensor, read: Tensor) -> Tensor:
        """Twice as large."""
        return 2 * super().forward(hidden, read)


def adapt(inner: Any) -> None:
    inner.output.__class__ = Adapted


CHANGES: dict[str, Callable[[Any], object]] = {
    "activation": lambda inner: setattr(inner.intermediate, "intermediate_act_fn", nn.ReLU()),
    "wrapped": lambda inner: setattr(inner.attention.self, "query", nn.Sequential(inner.attention.self.query)),
    "norm": lambda inner: setattr(inner.output, "LayerNorm", nn.RMSNorm(WIDTH).double()),
    "no dropout": lambda inner: setattr(inner.output, "dropout", nn.Identity()),
    "all dropped": lambda inner: setattr(inner.output.dropout, "p", 1.0),
    "adapter": adapt,
    "hook": lambda inner: inner.intermediate.register_forward_hook(lambda _module, _read, out: 2 * out),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_layer_with_another_part_runs_as_its_modules_do(change: str) -> None:
    inner, one = bert(), batch_of(LENGTHS)
    assert fused.layer(inner) is not None
    CHANGES[change](inner)
    assert fused.layer(inner) is None
    expected, gradients = learnt(AttentionLayer(inner), one)
    found, own = learnt(PackedLayer(inner), one)
    assert torch.allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert all(torch.allclose(own[name], gradients[name], atol=1e-9) for name in gradients)  # type: ignore[arg-type]
