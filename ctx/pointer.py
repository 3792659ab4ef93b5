"""Copying from the input: a share of every step's probability goes to the input's own pieces.

A pointer-generator (See et al. 2017, eq. 8 and 9): what a vocabulary lacks, a name or a number, can still be written.
"""

from __future__ import annotations

import math
from copy import copy
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from ctx.layers import spread

if TYPE_CHECKING:
    from ctx.batches import Batch

MARKS = 2  # places of a vocabulary that stand for no piece
PLAIN = 3  # ids below are a backbone's marks (start, end, padding) and are not copied


class Source(NamedTuple):
    """A batch's inputs: states and keys ``[B, T, W]``, and which pieces ``[B, T]`` may be copied."""

    states: Tensor
    keys: Tensor
    plain: Tensor


class Copied(NamedTuple):
    """What is copied after each beginning of a batch's texts: the shares ``[N, T]`` of the input's pieces.

    ``gate``: how much is written rather than copied ``[N]``; ``plain``: which pieces may be copied ``[B, T]``.
    """

    shares: Tensor
    gate: Tensor
    plain: Tensor

    def places(self, batch: Batch, ids: Tensor) -> Tensor:
        """Where the inputs have pieces ``[N, K]``, a row a target piece, that may be copied: ``[N, K, T]``."""
        rows = batch.owners
        return self.plain[rows][:, None] & (batch.inputs[rows][:, None] == ids[..., None])


class Pointer(nn.Module):
    """Which piece of the input to copy, and whether to copy at all."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.gate = nn.Linear(2 * width, 1)

    def source(self, read: Tensor, batch: Batch) -> Source:
        """What is copied from, of the tokens' states ``[N, W]``."""
        plain = batch.mask & (batch.inputs >= PLAIN)
        return Source(spread(read, batch.mask), spread(self.key(read), batch.mask), plain)

    def forward(self, states: Tensor, source: Source) -> tuple[Tensor, Tensor]:
        """The share of each input piece ``[B, L, T]``, and how much is written rather than copied ``[B, L]``."""
        scores = self.query(states) @ source.keys.transpose(1, 2) / math.sqrt(states.shape[-1])
        shares = torch.softmax(scores.masked_fill(~source.plain[:, None, :], -1e4), dim=-1)
        gate: Tensor = torch.sigmoid(self.gate(torch.cat([states, shares @ source.states], dim=-1)))[..., 0]
        return shares, gate


def mixed(written: Tensor, copied: Tensor, gate: Tensor) -> Tensor:
    """The log-probability of a piece that is written with log-probability ``written``, copied with ``copied``."""
    return torch.log(gate * written.exp() + (1 - gate) * copied + 1e-9)


class Widened:
    """A vocabulary of piece ids ``[V]``, widened by the pieces of a batch's inputs that it lacks to ``[V + X]``."""

    def __init__(self, pieces: Tensor, index: Tensor, lacks: Tensor, batch: Batch) -> None:
        """``index``: the places ``[B, T]`` of the inputs in the vocabulary; ``lacks``: where they have none."""
        lacking = lacks & (batch.inputs >= PLAIN)
        more, inverse = torch.unique(batch.inputs[lacking], return_inverse=True)
        index = index.clone()
        index[lacking] = len(pieces) + inverse
        self.place, self.ids = index, torch.cat([pieces, more])

    def of(self, rows: Tensor) -> Widened:
        """The same vocabulary for some rows of the batch ``[B]``, true where kept."""
        fewer = copy(self)
        fewer.place = self.place[rows]
        return fewer

    def scores(self, scores: Tensor, shares: Tensor, gate: Tensor) -> Tensor:
        """Log-probabilities ``[B, V + X]`` from those of the vocabulary ``[B, V]``, shares ``[B, T]``, gate ``[B]``."""
        none = torch.zeros(len(scores), len(self.ids) - scores.shape[1])
        copied = torch.zeros(len(scores), len(self.ids)).scatter_add(1, self.place, shares)
        found = mixed(torch.cat([scores, none - 1e4], dim=1), copied, gate[:, None])
        found[:, :MARKS] = -math.inf  # `mixed` is never below log 1e-9, which a beam might follow
        return found
