"""Weights and how much each matters, in the bytes of the weights alone: what becomes of both."""

from __future__ import annotations

import pytest
import torch

from ctx.packed import pack

KINDS = [(torch.float32, 2.0**-16), (torch.float64, 2.0**-45)]


@pytest.mark.parametrize(("kind", "nearly"), KINDS)
def test_both_come_back_within_what_is_promised(kind: torch.dtype, nearly: float) -> None:
    torch.manual_seed(0)
    weights = torch.randn(50, 70, dtype=kind) * torch.logspace(-6, 3, 70, dtype=kind)
    importance = torch.rand(50, 70, dtype=kind).pow(6) * 1e-5
    packed = pack(weights, importance)
    assert packed.bits.nbytes == weights.nbytes
    assert (packed.weights() - weights).abs().le(nearly * weights.abs()).all()
    found, counts = packed.importance(), importance > importance.max() * 2.0**-29.9
    assert counts.float().mean() > 0.9
    assert (found - importance)[counts].abs().le(importance[counts] / 16).all()
    assert ((found - importance)[counts] / importance[counts]).mean().abs() < 0.01  # rounded, not cut off
    assert (found[~counts] <= importance.max() * 2.0**-29).all()
    assert found.max() == importance.max()


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_zero_is_zero_and_a_sign_stays(kind: torch.dtype) -> None:
    weights = torch.tensor([0.0, -0.0, -1.5, 3.0e-30, -2.0e20], dtype=kind)
    packed = pack(weights, torch.tensor([0.0, 1.0, 0.0, 0.5, 0.0], dtype=kind))
    assert packed.importance().tolist() == [0.0, 1.0, 0.0, 0.5, 0.0]
    assert packed.weights()[:3].tolist() == weights[:3].tolist()
    assert torch.equal(packed.weights().signbit(), weights.signbit())
    nothing = pack(weights, torch.zeros(5, dtype=kind))
    assert nothing.importance().tolist() == [0.0] * 5


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_what_is_no_number_is_none_afterwards(wrong: float) -> None:
    packed = pack(torch.ones(3), torch.tensor([1.0, wrong, 2.0]))
    assert not packed.importance().isfinite().all()


def test_what_is_larger_than_can_be_held_is_the_largest() -> None:
    for most in (7e9, 1e12, 3e38):
        found = pack(torch.ones(3), torch.tensor([most, most / 2, 1.0])).importance()
        assert found[0] == pytest.approx(min(most, 8.07e9), rel=1e-2)
        assert found.isfinite().all()


def test_packing_again_what_was_packed_changes_nothing() -> None:
    torch.manual_seed(1)
    once = pack(torch.randn(1000), torch.rand(1000))
    twice = pack(once.weights(), once.importance())
    assert torch.equal(once.bits, twice.bits)
    assert torch.equal(once.unit, twice.unit)
