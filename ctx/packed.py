"""Weights to come back to, and how much each of them matters, in the bytes that the weights alone would take.

A weight gives up the last eight bits of its mantissa, 2⁻¹⁶ of its size at most in float32: less than a usual update
moves it. They hold F as a floating-point number of its own, five bits of exponent and three of mantissa without a sign
(in the manner of Micikevicius et al., FP8 Formats for Deep Learning, 2022): right to a sixteenth, down to 2⁻³⁰ of the
largest F of its tensor, and 0 below that. F is a mean over some hundred examples and known to a tenth at best.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

BITS, MANTISSA = 8, 3
LAST = 2**BITS - 1
INTEGERS = {torch.float32: torch.int32, torch.float64: torch.int64}
FLOATS = {one: other for other, one in INTEGERS.items()}
FRACTION = {torch.int32: 23, torch.int64: 52}  # bits of the mantissa


class Packed(NamedTuple):
    """``bits``: integers of a tensor's shape; ``unit``: what their last eight bits are a multiple of, a scalar."""

    bits: Tensor
    unit: Tensor

    def weights(self) -> Tensor:
        """Those put in, but for their last eight bits."""
        return self.bits.bitwise_and(~LAST).view(FLOATS[self.bits.dtype])

    def importance(self) -> Tensor:
        """F, right to a sixteenth."""
        bits = self.bits.bitwise_and(LAST).bitwise_left_shift_(FRACTION[self.bits.dtype] - MANTISSA)
        return bits.view(FLOATS[self.bits.dtype]).mul_(self.unit)


def pack(weights: Tensor, importance: Tensor) -> Packed:
    """Both of one shape and type; F is at least 0."""
    whole = INTEGERS[weights.dtype]
    shift = FRACTION[whole] - MANTISSA
    most = torch.tensor(LAST, dtype=whole).bitwise_left_shift(shift).view(weights.dtype)  # what the last bits can hold
    largest = importance.max()
    unit = (largest / most).clamp(max=torch.finfo(weights.dtype).max)  # a larger one counts as the largest there can be
    unit = torch.where(largest.isfinite(), unit, largest)
    eight = (importance / torch.where(unit > 0, unit, 1.0)).view(whole)
    eight = (eight + (1 << shift - 1)).bitwise_right_shift_(shift).clamp_(max=LAST)
    eight[eight < 1 << MANTISSA] = 0  # numbers that processors are slow with
    rounded = (weights.view(whole) + (1 << BITS - 1)).bitwise_and_(~LAST)
    return Packed(rounded.bitwise_or_(eight), unit)
