"""What heads say of texts with weights as they stand, asked once a text: a teacher's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ctx.model import Model
from ctx.prefix import Memo

if TYPE_CHECKING:
    from ctx.batches import Batch

LIKELY = 16  # pieces that may come next that are told apart
BELOW = "what a head reads"


def said(head: nn.Module, hidden: Tensor, batch: Batch) -> tuple[Tensor, tuple[Tensor, ...]]:
    """What a head says of a batch; of one that writes that are losses, and here is also what they come from."""
    if not hasattr(head, "told"):
        return head(hidden, batch), ()
    told = head.told(hidden, batch)  # type: ignore[operator]
    return head.losses(told, batch), told  # type: ignore[operator]


class Next(NamedTuple):
    """The likeliest pieces after each beginning of the true texts ``[N, K]``: their ids and log-probabilities."""

    ids: Tensor
    scores: Tensor


class Answers:
    """Called with a head and a batch: ``[B, …]``, with the weights that the model holds when a text first comes up.

    Computed like what frozen layers give (`ctx.prefix`), so a text's answer is the same to the bit in any company.
    Texts that are drawn anew are asked for every time.
    """

    def __init__(self, model: Model) -> None:
        self.model, self.memo = model, Memo()
        self.whole: dict[nn.Module, Model] = {}
        self.told: dict[tuple[nn.Module, str], dict[int, Next]] = {}

    def __call__(self, head: nn.Module, batch: Batch) -> Tensor:
        """Without gradients, in evaluation mode."""
        if head not in self.whole:
            self.whole[head] = Model([*self.model.blocks.items(), ("head", head)], {})
        whole = self.whole[head]
        found = self.memo.hidden(whole, f"head {list(self.whole).index(head)}", len(whole.blocks), batch)
        assert found is not None
        return found

    @torch.no_grad()
    def foretold(self, head: nn.Module, batch: Batch) -> Next:
        """The same of a head that writes: what it takes for likely next, of the target pieces that are there, in order.

        A text is asked by itself, its states read like a head's.
        """
        training = head.training
        head.eval()
        try:
            if not batch.encoded.name:
                return self._asked(head, self.model.run(batch), batch)
            told = self.told.setdefault((head, batch.encoded.name), {})
            lacking = np.asarray([row for row in np.unique(batch.rows).tolist() if row not in told], np.int64)
            if len(lacking):
                below = batch.encoded.batch(lacking)
                hidden = self.memo.hidden(self.model, BELOW, len(self.model.blocks), below)
                self.memo.forget(BELOW)
                assert hidden is not None
                for row, states in zip(lacking, hidden, strict=True):
                    alone = batch.encoded.batch(np.array([row]))
                    told[int(row)] = self._asked(head, states[None, : alone.length], alone)
            found = [told[row] for row in batch.rows.tolist()]
            return Next(torch.cat([one.ids for one in found]), torch.cat([one.scores for one in found]))
        finally:
            head.train(training)

    def _asked(self, head: nn.Module, hidden: Tensor, batch: Batch) -> Next:
        return Next(*head.likely(hidden, batch, LIKELY))  # type: ignore[operator]
