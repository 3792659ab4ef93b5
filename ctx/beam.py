"""Beam search: the best beginnings of a text, gone on with piece by piece until all have ended."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


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

        ``rows``: those that the scores are of, in order and of whole examples, where the other texts have ended.
        """
        live = torch.arange(len(self.total)) if rows is None else rows[:: self.beams] // self.beams
        scores, so_far, ended = scores.reshape(len(live), self.beams, -1), self.written[live], self.ended[live]
        if not self.repeats and so_far.shape[-1] > 2:
            scores = scores.scatter(-1, _third(so_far), -math.inf)
        stay = torch.full_like(scores[:1, :1], -math.inf)
        stay[..., self.end] = 0.0
        totals = self.total[live, :, None] + torch.where(ended[..., None], stay, scores)
        self.total[live], chosen = totals.flatten(1).topk(self.beams)
        beam, piece = chosen // scores.shape[-1], chosen % scores.shape[-1]
        ended = ended.gather(1, beam)
        self.length[live] = self.length[live].gather(1, beam) + (~ended).float()
        self.ended[live] = ended | (piece == self.end)
        self.written = F.pad(self.written, (0, 1), value=self.end)
        so_far = so_far.gather(1, beam[..., None].expand(-1, -1, so_far.shape[-1]))
        self.written[live] = torch.cat([so_far, piece[..., None]], dim=-1)
        return (beam + live[:, None] * self.beams).flatten()

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


def _third(written: Tensor) -> Tensor:
    """The pieces ``[B, K, L - 2]`` that once followed the last two of ``[B, K, L]``; else 0, which nobody writes."""
    one, two, three = written[..., :-2], written[..., 1:-1], written[..., 2:]
    again = (one == written[..., -2:-1]) & (two == written[..., -1:])
    return torch.where(again, three, 0)
