"""The modules that parts build from: blocks are called ``block(hidden, batch)``, heads ``head(hidden, batch)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from ctx.batches import Batch


class TakeInputs(nn.Module):
    """A first block: an inner module applied to the batch's inputs."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, hidden: Tensor | None, batch: Batch) -> Tensor:
        """``[B, …]`` inputs to states."""
        out: Tensor = self.inner(batch.inputs)
        return out


class TakeHidden(nn.Module):
    """A later block: an inner module applied to the states below."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, hidden: Tensor, batch: Batch) -> Tensor:
        """States to states."""
        out: Tensor = self.inner(hidden)
        return out


class AttentionLayer(nn.Module):
    """A transformers encoder layer; padding is masked."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, hidden: Tensor, batch: Batch) -> Tensor:
        """``[B, T, W]`` to ``[B, T, W]``."""
        out = self.inner(hidden, batch.mask[:, None, None, :])
        states: Tensor = out[0] if isinstance(out, tuple) else out
        return states


class MeanPool(nn.Module):
    """The mean of the states of real tokens (Reimers & Gurevych 2019)."""

    def forward(self, hidden: Tensor, batch: Batch) -> Tensor:
        """``[B, T, W]`` to ``[B, W]``."""
        mask = batch.mask[:, :, None].to(hidden.dtype)
        return (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)


class LinearHead(nn.Module):
    """A linear head."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, outputs)

    def forward(self, hidden: Tensor, batch: Batch) -> Tensor:
        """``[B, W]`` to ``[B, outputs]``."""
        out: Tensor = self.linear(hidden)
        return out
