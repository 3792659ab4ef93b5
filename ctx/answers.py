"""What heads say of texts with weights as they stand, asked once a text: a teacher's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctx.foretold import Foretold, writes
from ctx.model import Model
from ctx.prefix import Memo

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ctx.batches import Batch


class Answers:
    """Called with a head and a batch: ``[B, …]``, with the weights that the model holds when a text first comes up.

    Computed like what frozen layers give (`ctx.prefix`), so a text's answer is the same to the bit in any company.
    Texts that are drawn anew are asked for every time.
    """

    def __init__(self, model: Model) -> None:
        self.model, self.memo = model, Memo()
        self.whole: dict[nn.Module, Model] = {}

    def __call__(self, head: nn.Module, batch: Batch) -> Tensor:
        """Without gradients, in evaluation mode."""
        if head not in self.whole:
            asked = Foretold(head) if writes(head) else head
            self.whole[head] = Model([*self.model.blocks.items(), ("head", asked)], {})
        whole = self.whole[head]
        whole.blocks["head"].training = head.training  # which it has again afterwards
        found = self.memo.hidden(whole, f"head {list(self.whole).index(head)}", len(whole.blocks), batch)
        assert found is not None
        return found
