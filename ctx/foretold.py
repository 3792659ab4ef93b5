"""What a head that writes says comes next, after every beginning of the true text: an answer to be kept to.

Kim & Rush, Sequence-Level Knowledge Distillation, EMNLP 2016, 3.1. Of a vocabulary of thousands the likeliest pieces
are told apart, and all others count as one; Tan et al., Multilingual Neural Machine Translation with Knowledge
Distillation, ICLR 2019, leave those out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

if TYPE_CHECKING:
    from ctx.batches import Batch

LIKELY = 16  # pieces that are told apart


class Foretold(nn.Module):
    """A head that writes, asked what comes next: ``[B, L · M]``, of each target piece K log-probabilities and ids.

    The ids are integers' bytes, since some are too large for a float. One text at a time, so that its company makes no
    difference; zeros where no piece is.
    """

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, hidden: Tensor, batch: Batch) -> Tensor:
        """States ``[B, T, W]`` to answers; a row that is there again is asked once."""
        answers: dict[int, Tensor] = {}
        for place, row in enumerate(batch.rows.tolist()):
            if row not in answers:
                one = batch.encoded.batch(np.array([row]), batch.length)
                ids, scores = self.head.likely(hidden[place : place + 1], one, LIKELY)  # type: ignore[operator]
                told = torch.cat([scores, ids.view(scores.dtype)], dim=1)
                answers[row] = pad(told, (0, 0, 0, batch.targets.shape[1] - len(told))).flatten()
        return torch.stack([answers[row] for row in batch.rows.tolist()])


def writes(head: nn.Module) -> bool:
    """Whether its answers are texts."""
    return hasattr(head, "likely")


def foretold(head: nn.Module, hidden: Tensor, batch: Batch, then: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities ``[N, K + 1]`` of what was likely ``then``, now and then; the last of all other pieces."""
    told = then.reshape(*batch.targets.shape, -1)
    likely = told.shape[-1] // (1 + torch.int64.itemsize // told.itemsize)
    before, ids = told[batch.targets >= 0][:, :likely], told[:, :, likely:].contiguous().view(torch.int64)
    now: Tensor = head.likelihood(hidden, batch, ids)  # type: ignore[operator]
    return _with_rest(now), _with_rest(before)


def _with_rest(likely: Tensor) -> Tensor:
    """And the log-probability of everything else."""
    most = 1 - torch.finfo(likely.dtype).eps
    rest = torch.log1p(-likely.exp().sum(-1, keepdim=True).clamp(max=most))
    return torch.cat([likely, rest], dim=-1)
