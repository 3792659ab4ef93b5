"""The matrices of a transformer's layer: which module each is in transformers, and its sizes. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Matrix(NamedTuple):
    """A linear map of a layer: what it does there, the module's name inside the layer, how many numbers in and out."""

    role: str
    name: str
    inputs: int
    outputs: int


ATTENTION = ("query", "key", "value", "output")
FEED_FORWARD = ("inner", "outer")  # the last gives the layer's own width


def bert(width: int, inner: int) -> list[Matrix]:
    """A layer of BERT, RoBERTa, XLM-RoBERTa or CamemBERT."""
    own = [Matrix(role, f"attention.self.{role}", width, width) for role in ATTENTION[:3]]
    return [
        *own,
        Matrix("output", "attention.output.dense", width, width),
        Matrix("inner", "intermediate.dense", width, inner),
        Matrix("outer", "output.dense", inner, width),
    ]


def bert_biases(width: int, inner: int, layers: int) -> list[int]:
    """Of the embedding (its norm), then of each such layer: six maps and two norms."""
    return [width] + [7 * width + inner] * layers


def t5(width: int, heads: int, inner: int, gated: bool) -> list[Matrix]:
    """A layer of T5's or mT5's encoder; ``heads``: the width of all heads together."""
    names, feed = "layer.0.SelfAttention", "layer.1.DenseReluDense"
    first = ("wi_0", "wi_1") if gated else ("wi",)
    return [
        *(Matrix(role, f"{names}.{role[0]}", width, heads) for role in ATTENTION[:3]),
        Matrix("output", f"{names}.o", heads, width),
        *(Matrix("inner", f"{feed}.{name}", width, inner) for name in first),
        Matrix("outer", f"{feed}.wo", inner, width),
    ]


def bart(width: int, inner: int) -> list[Matrix]:
    """A layer of the encoder of BART, mBART, Marian or M2M100."""
    short = zip(ATTENTION, ("q", "k", "v", "out"), strict=True)
    return [
        *(Matrix(role, f"self_attn.{name}_proj", width, width) for role, name in short),
        Matrix("inner", "fc1", width, inner),
        Matrix("outer", "fc2", inner, width),
    ]


def bottleneck(matrices: Sequence[Matrix], size: int) -> int:
    """How many parameters a bottleneck behind the feed-forward has."""
    width = chosen(matrices, "outer")[0].outputs
    return 2 * width * size + size + width


def chosen(matrices: Sequence[Matrix], which: str) -> list[Matrix]:
    """Those of ``which``: roles joined by "+", "attention", "feed-forward" or "all"."""
    groups = {"attention": ATTENTION, "feed-forward": FEED_FORWARD, "all": ATTENTION + FEED_FORWARD}
    roles = groups.get(which) or tuple(which.split("+"))
    return [matrix for matrix in matrices if matrix.role in roles]
