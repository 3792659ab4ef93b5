"""A layer of the small transformer decoder that writes texts (Vaswani et al. 2017, 3.1), norms first.

Padding costs nothing: the pieces of a batch are rows of one matrix, placed ``[B, L]`` for attention alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ctx.layers import spread
from ctx.products import quicken

INNER, HEADS = 2, 64  # feed-forward width over the states'; width of an attention head


class Attention(nn.Module):
    """Multi-head attention whose keys and values may be kept from step to step."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = max(width // HEADS, 1)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def keys(self, states: Tensor, there: Tensor | None) -> tuple[Tensor, Tensor]:
        """Keys and values ``[B, H, T, W / H]`` of states ``[N, W]`` that are ``there`` ``[B, T]``; None: one a row."""
        return self._split(self.key(states), there), self._split(self.value(states), there)

    def forward(
        self,
        states: Tensor,
        keys: tuple[Tensor, Tensor],
        mask: Tensor | None,
        there: Tensor | None,
        causal: bool = False,
    ) -> Tensor:
        """States ``[N, W]`` that are ``there`` ``[B, L]`` reading ``keys``; ``mask`` is true where one may look."""
        query = self._split(self.query(states), there)
        found = F.scaled_dot_product_attention(query, *keys, attn_mask=mask, is_causal=causal)
        found = found.transpose(1, 2).flatten(2)
        out: Tensor = self.out(found[:, 0] if there is None else found[there])
        return out

    def _split(self, states: Tensor, there: Tensor | None) -> Tensor:
        placed = states[:, None] if there is None else spread(states, there)
        return placed.reshape(*placed.shape[:2], self.heads, -1).transpose(1, 2)


class Layer(nn.Module):
    """A decoder layer, norms first: what is written so far, the input, a feed-forward."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.own, self.input = Attention(width), Attention(width)
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(3)])
        self.feed = nn.Sequential(
            nn.Linear(width, INNER * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(INNER * width, width)
        )
        self.drop = nn.Dropout(dropout)
        quicken(self)

    def forward(
        self,
        states: Tensor,
        there: Tensor | None,
        memory: tuple[Tensor, Tensor],
        mask: Tensor,
        past: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """States ``[N, W]`` of the pieces that are ``there`` ``[B, L]``, those of an example first; gives their keys.

        ``there`` None: one a row. ``past``: the keys and values of earlier pieces, which those given begin with.
        """
        normed = self.norms[0](states)
        keys = self.own.keys(normed, there)
        if past is not None:
            keys = (torch.cat([past[0], keys[0]], dim=2), torch.cat([past[1], keys[1]], dim=2))
        states = states + self.drop(self.own(normed, keys, None, there, causal=past is None))
        states = states + self.drop(self.input(self.norms[1](states), memory, mask, there))
        return states + self.drop(self.feed(self.norms[2](states))), keys
