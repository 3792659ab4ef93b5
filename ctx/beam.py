"""Beam search: the best beginnings of a text, gone on with piece by piece until all have ended."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Search:
    """Beam search: the ``beams`` best beginnings of each example; 1: greedy.

    Unless it ``repeats``, no three pieces follow one another twice in a text (Paulus et al. 2018, 2.5).
    """

    def __init__(self, examples: int, beams: int, end: int, repeats: bool = True) -> None:
        self.beams, self.end, self.repeats = beams, end, repeats
        self.total = torch.zeros(examples, beams)
        self.total[:, 1:] = -math.inf  # the first step begins from one
        self.written = torch.zeros(examples, beams, 0, dtype=torch.int64)
        self.ended = torch.zeros(examples, beams, dtype=torch.bool)
        self.length = torch.zeros(examples, beams)

    @property
    def last(self) -> Tensor:
        """The piece that was written last ``[B, K]``."""
        return self.written[..., -1]

    def take(self, scores: Tensor, rows: Tensor | None = None) -> Tensor:
        """Go on with the best of all next pieces, log-probabilities ``[B · K, V]``; gives the rows that went on.

        ``rows``: those that the scores are of, where the other texts have ended.
        """
        if rows is not None and len(rows) < self.total.numel():
            scores = scores.new_zeros(self.total.numel(), scores.shape[1]).index_copy(0, rows, scores)
        scores = scores.reshape(*self.total.shape, -1)
        if not self.repeats and self.written.shape[-1] > 2:
            scores = scores.scatter(-1, self._third(), -math.inf)
        stay = torch.full_like(scores, -math.inf)
        stay[..., self.end] = 0.0
        totals = self.total[..., None] + torch.where(self.ended[..., None], stay, scores)
        self.total, chosen = totals.flatten(1).topk(self.beams)
        beam, piece = chosen // scores.shape[-1], chosen % scores.shape[-1]
        before = self.ended.gather(1, beam)
        self.length = self.length.gather(1, beam) + (~before).float()
        self.ended = before | (piece == self.end)
        written = self.written.gather(1, beam[..., None].expand(-1, -1, self.written.shape[-1]))
        self.written = torch.cat([written, piece[..., None]], dim=-1)
        return (beam + torch.arange(len(beam))[:, None] * self.beams).flatten()

    def _third(self) -> Tensor:
        """The pieces ``[B, K, L]`` that once followed the last two; 0, which nobody writes, where others did."""
        one, two, three = self.written[..., :-2], self.written[..., 1:-1], self.written[..., 2:]
        again = (one == self.written[..., -2:-1]) & (two == self.written[..., -1:])
        return torch.where(again, three, 0)

    def unfinished(self) -> Tensor:
        """The rows ``[B · K]`` of examples of which a beginning goes on."""
        return (~self.ended.all(1)).repeat_interleave(self.beams)

    def over(self) -> bool:
        """Whether every beginning has ended."""
        return bool(self.ended.all())

    def best(self) -> list[Tensor]:
        """The best text of each example, by its mean log-probability, without its end."""
        best = (self.total / self.length.clamp(min=1)).argmax(1)
        rows = self.written[torch.arange(len(best)), best]
        return [row[row != self.end] for row in rows]
