"""thaw: a tuning that unfreezes one block an epoch, from the top."""

from __future__ import annotations

from ctx import parts


class Thaw(parts.Tuning):
    """The head first, then a block more each epoch, lower ones slower."""

    name = "thaw"
    title = "Thaw"

    def frozen(self, layers: int) -> int:
        return 0

    def groups(self, model, progress):
        blocks = [block for block in model.blocks.values() if list(block.parameters())]
        open_ = round(progress * len(blocks))
        thawed = blocks[len(blocks) - open_ :]
        lower = [(list(block.parameters()), 0.5 ** (i + 1)) for i, block in enumerate(reversed(thawed))]
        return [(list(model.heads.parameters()), 1.0), *lower]
