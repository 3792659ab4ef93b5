"""A BERT layer over the real tokens of a batch, its gradient written out, so that little beside products is left.

Post-norm layers of plain parts (Vaswani et al. 2017; Devlin et al. 2019): linear maps with biases, exact GELU,
LayerNorm. Against the same layer built from modules: one product makes queries, keys and values, padding stands only
in attention, dropout's random numbers have sixteen bits, and products add what they are added to.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ctx import products
from ctx.adapters import Thin, Update, mapped, raised, update

if TYPE_CHECKING:
    from ctx.batches import Batch

aten = torch.ops.aten
TYPES = torch.float32, torch.float64
CHANCES = 2**16  # dropout's probability is a multiple of one in so many
NEVER = -1e30  # added to the score of a key that is padding


class Places(NamedTuple):
    """Where the tokens of a batch stand in attention. Indices of rows ``[D]``, a head's numbers each.

    ``three`` ``[3 B A T]``: of ``[N, 3, A, D]`` as ``[3, B, A, T, D]``, any of N standing for padding, which nothing
    sees; ``one`` ``[B A T]``: of ``[N + 1, A, D]`` as ``[B, A, T, D]``, the last of N + 1 standing for padding;
    ``three_back`` ``[N 3 A]``, ``one_back`` ``[N A]``: the other way. ``keys`` ``[B, 1, 1, T]`` is added to scores.
    """

    three: Tensor
    one: Tensor
    three_back: Tensor
    one_back: Tensor
    keys: Tensor


class Layer(NamedTuple):
    """Parameters, heads, LayerNorm's ε, dropout of attention and of sums, what is added to which parameter."""

    weights: tuple[Tensor, ...]
    heads: int
    eps: float
    dropout: tuple[float, float]
    updates: tuple[tuple[int, Update], ...] = ()

    @property
    def factors(self) -> tuple[Tensor, ...]:
        """Those of the updates."""
        return tuple(factor for _, one in self.updates for factor in (one.a, one.b))


class Kept(NamedTuple):
    """What the gradient needs of a forward pass. Factors are dropout's, None without."""

    x: Tensor
    w_three: Tensor
    w_out: Tensor
    gain_a: Tensor
    bias_a: Tensor
    w_inner: Tensor
    w_outer: Tensor
    gain_b: Tensor
    bias_b: Tensor
    query: Tensor
    key: Tensor
    value: Tensor
    seen: Tensor
    factors_seen: Tensor | None
    mixed: Tensor
    factors_a: Tensor | None
    sum_a: Tensor
    mean_a: Tensor
    rstd_a: Tensor
    states: Tensor
    inner: Tensor
    active: Tensor
    factors_b: Tensor | None
    sum_b: Tensor
    mean_b: Tensor
    rstd_b: Tensor


def layer(module: Any) -> Layer | None:
    """What a transformers layer of BERT's kind computes with; None where a part of it is another, or has a hook."""
    if not _plain(module):
        return None
    own, after, last = module.attention.self, module.attention.output, module.output
    norms = after.LayerNorm, last.LayerNorm
    ordered = own.query, own.key, own.value, after.dense, norms[0], module.intermediate.dense, last.dense, norms[1]
    weights = tuple(tensor for one in map(_own, ordered) for tensor in (one.weight, one.bias))
    dropped = (own.dropout.p, last.dropout.p) if module.training else (0.0, 0.0)
    usual = norms[0].eps == norms[1].eps and after.dropout.p == last.dropout.p and max(dropped) < 1
    usual = usual and all(weight is not None and weight.dtype in TYPES for weight in weights)
    pairs = [(2 * i, None if one in norms else update(one)) for i, one in enumerate(ordered)]
    updates = tuple((place, one) for place, one in pairs if one is not None)
    return Layer(weights, own.num_attention_heads, norms[0].eps, dropped, updates) if usual else None


def _own(part: Any) -> Any:
    """A norm, or the linear map in what has updates."""
    return part if isinstance(part, nn.LayerNorm) else mapped(part)


def _plain(module: Any) -> bool:
    """Whether every module in a layer is of its usual class, and nobody looks on."""
    kinds = Counter(_kinds(module))
    hooked = any(one._forward_hooks or one._forward_pre_hooks for one in module.modules())
    return kinds == _usual() and not hooked and module.intermediate.intermediate_act_fn.act is nn.functional.gelu


def _kinds(module: nn.Module) -> Iterator[type[nn.Module]]:
    """The classes of a module and of all inside; a linear map with low-rank updates is a linear map."""
    kind = nn.Linear if mapped(module) is not None else type(module)
    yield kind
    for child in module.children() if kind is not nn.Linear else ():
        yield from _kinds(child)


@cache
def _usual() -> Counter[type[nn.Module]]:
    from transformers.activations import GELUActivation
    from transformers.models.bert import modeling_bert as bert

    whole = bert.BertLayer, bert.BertAttention, bert.BertSelfAttention, bert.BertSelfOutput
    return Counter(
        [*whole, bert.BertIntermediate, bert.BertOutput, GELUActivation]
        + [nn.Linear] * 6
        + [nn.LayerNorm] * 2
        + [nn.Dropout] * 3
    )


def places(batch: Batch, heads: int) -> Places:
    """The places of a batch's tokens, for layers of so many heads."""
    (rows, length), real = batch.mask.shape, batch.filled
    own = torch.full((rows * length,), len(real)).index_copy_(0, batch.real, torch.arange(len(batch.real)))
    own = own.view(rows, 1, length)
    head, part = torch.arange(heads), torch.arange(3)
    three = ((own.clamp(max=len(real) - 1) * 3 + part[:, None, None, None]) * heads + head[:, None]).flatten()
    one_back = ((real // length * heads)[:, None] + head) * length + (real % length)[:, None]
    three_back = part[:, None] * (rows * heads * length) + one_back[:, None]
    keys = torch.zeros(rows, 1, 1, length).masked_fill_(~batch.mask[:, None, None], NEVER)
    return Places(three, (own * heads + head[:, None]).flatten(), three_back.flatten(), one_back.flatten(), keys)


def factors(shape: tuple[int, ...], p: float) -> Tensor | None:
    """Dropout's: 0 with probability ``p`` (to 16 bits), else what keeps the mean; None where nothing is dropped.

    The global generator seeds them, so a run that goes on from its state draws the same.
    """
    dropped = round(p * CHANCES)
    if not dropped:
        return None
    count = math.prod(shape)
    words = np.random.SFC64(int(torch.randint(2**62, ()))).random_raw(-(-count // 4))
    stays = words.view(np.int16)[:count] >= dropped - CHANCES // 2  # numpy's loops, here a seventh of torch's time
    found = np.multiply(stays.view(np.uint8), np.float32(CHANCES / (CHANCES - dropped)), dtype=np.float32)
    return torch.from_numpy(found).view(shape)


def _times(values: Tensor, factors: Tensor | None) -> Tensor:
    return values if factors is None else values * factors


def _plus(there: Tensor, values: Tensor, factors: Tensor | None) -> Tensor:
    return there + values if factors is None else torch.addcmul(there, values, factors)


def passed(x: Tensor, batch: Batch, layer: Layer) -> Tensor:
    """What the layer makes of a batch's real tokens ``[N, W]``."""
    if layer.heads not in batch.places:
        batch.places[layer.heads] = places(batch, layer.heads)
    found: Tensor = Fused.apply(x, batch.places[layer.heads], layer, *layer.weights, *layer.factors)  # type: ignore[no-untyped-call]
    return found


class Fused(torch.autograd.Function):
    """``Fused.apply(x, places, layer, *layer.weights, *layer.factors)``: real tokens ``[N, W]`` to ``[N, W]``.

    Gradients once. Those of an update's factors are products as thin as they are.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, at: Places, layer: Layer, *weights: Tensor) -> Tensor:
        """Attention, then the inner layer, each with dropout, added to what it read, and normalised."""
        given = raised(weights, layer.updates)
        wq, bq, wk, bk, wv, bv, w_out, b_out, gain_a, bias_a, w_inner, b_inner, w_outer, b_outer, gain_b, bias_b = given
        (count, width), (rows, length), heads = x.shape, (at.keys.shape[0], at.keys.shape[3]), layer.heads
        w_three = torch.cat([wq, wk, wv])
        three = products.linear(x, w_three, torch.cat([bq, bk, bv]))
        parts = three.view(-1, width // heads).index_select(0, at.three)
        query, key, value = parts.view(3, rows * heads, length, width // heads)
        scores = torch.bmm(query, key.transpose(1, 2)).mul_((width // heads) ** -0.5)
        scores.view(rows, heads, length, length).add_(at.keys)
        seen = torch.softmax(scores, -1)
        del three, scores
        factors_seen = factors(seen.shape, layer.dropout[0])
        mixed = torch.bmm(_times(seen, factors_seen), value)
        mixed = mixed.view(-1, width // heads).index_select(0, at.one_back).view(count, width)
        factors_a, factors_b = factors(x.shape, layer.dropout[1]), factors(x.shape, layer.dropout[1])
        sum_a = _plus(x, products.linear(mixed, w_out, b_out), factors_a)
        states, mean_a, rstd_a = torch.native_layer_norm(sum_a, (width,), gain_a, bias_a, layer.eps)
        inner = products.linear(states, w_inner, b_inner)
        active = nn.functional.gelu(inner)
        sum_b = _plus(states, products.linear(active, w_outer, b_outer), factors_b)
        out: Tensor
        out, mean_b, rstd_b = torch.native_layer_norm(sum_b, (width,), gain_b, bias_b, layer.eps)
        ctx.at, ctx.updates = at, layer.updates
        a = factors_a, sum_a, mean_a, rstd_a
        b = factors_b, sum_b, mean_b, rstd_b
        read = x, w_three, w_out, gain_a, bias_a, w_inner, w_outer, gain_b, bias_b
        kept = Kept(*read, query, key, value, seen, factors_seen, mixed, *a, states, inner, active, *b)
        ctx.save_for_backward(*kept, *weights[16:])
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of what wants one."""
        saved, size, (first, _, _, *wanted) = ctx.saved_tensors, len(Kept._fields), ctx.needs_input_grad
        kept, thin = Kept(*saved[:size]), Thin(ctx.updates, saved[size:])
        pairs: list[Tensor | None] = []  # of weights and biases, from the last to the first

        def linear(into: Tensor, read: Tensor, place: int) -> None:
            pairs[:0] = [
                products.outer(into, read) if wanted[place] else None,
                into.sum(0) if wanted[place + 1] else None,
            ]
            thin.take(into, read, place)

        d_b, d_gain, d_bias = _normed(grad, kept.sum_b, kept.mean_b, kept.rstd_b, kept.gain_b, kept.bias_b)
        pairs[:0] = [d_gain, d_bias]
        d_outer = _times(d_b, kept.factors_b)
        linear(d_outer, kept.active, 12)
        d_inner = aten.gelu_backward(products.back(d_outer, kept.w_outer), kept.inner)
        linear(d_inner, kept.states, 10)
        d_states = products.back(d_inner, kept.w_inner, d_b)
        d_a, d_gain, d_bias = _normed(d_states, kept.sum_a, kept.mean_a, kept.rstd_a, kept.gain_a, kept.bias_a)
        pairs[:0] = [d_gain, d_bias]
        d_out = _times(d_a, kept.factors_a)
        linear(d_out, kept.mixed, 6)
        if not (first or any(wanted[:6]) or any(place < 6 for place, _ in ctx.updates)):
            return (None, None, None, *[None] * 6, *pairs, *thin.found)
        d_three, width = _attended(kept, ctx.at, d_out), kept.x.shape[1]
        weights = torch.split(products.outer(d_three, kept.x), width) if any(wanted[:6:2]) else [None] * 3
        biases = torch.split(d_three.sum(0), width)
        pairs[:0] = [one for pair in zip(weights, biases, strict=True) for one in pair]
        for place, into in zip((0, 2, 4), torch.split(d_three, width, 1), strict=True):
            thin.take(into, kept.x, place)
        return (products.back(d_three, kept.w_three, d_a) if first else None, None, None, *pairs, *thin.found)


def _normed(grad: Tensor, *kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Through LayerNorm: of what it read, its gain, its bias."""
    read, mean, rstd, gain, bias = kept
    found: tuple[Tensor, Tensor, Tensor] = aten.native_layer_norm_backward(
        grad.contiguous(), read, gain.shape, mean, rstd, gain, bias, [True, True, True]
    )
    return found


def _attended(kept: Kept, at: Places, d_out: Tensor) -> Tensor:
    """Through attention: of queries, keys and values side by side ``[N, 3 W]``."""
    (count, width), size = d_out.shape, kept.query.shape[-1]
    d_mixed = nn.functional.pad(products.back(d_out, kept.w_out), (0, 0, 0, 1))  # a row of zeros, for padding
    d_mixed = d_mixed.view(-1, size).index_select(0, at.one).view_as(kept.query)
    d_parts = kept.query.new_empty(3, *kept.query.shape)
    torch.bmm(_times(kept.seen, kept.factors_seen).transpose(1, 2), d_mixed, out=d_parts[2])
    d_seen = _times(torch.bmm(d_mixed, kept.value.transpose(1, 2)), kept.factors_seen)
    d_scores = aten._softmax_backward_data(d_seen, kept.seen, -1, d_seen.dtype).mul_(size**-0.5)
    torch.bmm(d_scores, kept.key, out=d_parts[0])
    torch.bmm(d_scores.transpose(1, 2), kept.query, out=d_parts[1])
    return d_parts.view(-1, size).index_select(0, at.three_back).view(count, 3 * width)
