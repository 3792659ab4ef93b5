"""The modules that parts build from: blocks are called ``block(hidden, batch)``, heads ``head(hidden, batch)``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, scaled_dot_product_attention

from ctx import fused

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


class PackedLayer(AttentionLayer):
    """A layer of BERT's kind that spends nothing on padding: only attention sees it (Zeng et al. 2022).

    Where its parts are plain it runs as `ctx.fused` has it. Where they aren't, and a row's numbers must not depend on
    its company, to the bit, it runs padded (`Batch.room`).
    """

    @property
    def plain(self) -> bool:
        """Whether `ctx.fused` has it."""
        return fused.layer(self.inner) is not None

    def forward(self, hidden: Tensor, batch: Batch) -> Tensor:
        """``[B, T, W]`` to ``[B, T, W]``, zeros at padding."""
        layer: Any = self.inner
        plain = fused.layer(layer)
        if batch.room and plain is None:
            return super().forward(hidden, batch)
        x = hidden.flatten(0, 1).index_select(0, batch.filled)  # [N, W], the real tokens
        if plain is not None:
            return _placed(fused.passed(x, batch, plain)[: len(batch.real)], batch)
        own = layer.attention.self
        query, key, value = (self._heads(part(x), batch) for part in (own.query, own.key, own.value))
        drop = own.dropout.p if own.training else 0.0
        seen = scaled_dot_product_attention(query, key, value, batch.mask[:, None, None, :], drop)  # [B, H, T, W / H]
        x = layer.attention.output(seen.transpose(1, 2).flatten(2).flatten(0, 1).index_select(0, batch.real), x)
        return _placed(layer.output(layer.intermediate(x), x), batch)

    def _heads(self, values: Tensor, batch: Batch) -> Tensor:
        """``[N, W]`` of the real tokens to ``[B, H, T, W / H]``."""
        there = _placed(values, batch)
        layer: Any = self.inner
        return there.reshape(*there.shape[:2], layer.attention.self.num_attention_heads, -1).transpose(1, 2)


def _placed(values: Tensor, batch: Batch) -> Tensor:
    """``[N, …]`` of the real tokens in their places ``[B, T, …]``, zeros elsewhere."""
    out = values.new_zeros(batch.mask.numel(), *values.shape[1:]).index_copy_(0, batch.real, values)
    return out.reshape(*batch.mask.shape, *values.shape[1:])


def pad(rows: list[Tensor], length: int, value: float = 0) -> Tensor:
    """Stack ``[T_i, …]`` rows to ``[B, length, …]``."""
    out = rows[0].new_full((len(rows), length, *rows[0].shape[1:]), value)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out


def spread(values: Tensor, there: Tensor) -> Tensor:
    """Values ``[N, …]`` of the tokens that are ``there`` ``[B, T]``, in their places ``[B, T, …]``; else zeros."""
    out = values.new_zeros(*there.shape, *values.shape[1:])
    out[there] = values
    return out


class Table(nn.Module):
    """An embedding too large to learn whole: ``[V, W]`` float16, frozen and never written to, so that models share it.

    Once `narrow` has named the rows in use, those are float32 parameters and the others stay as they are. ``rest`` is
    called when rows of the table have been read.
    """

    def __init__(self, table: Tensor, rest: Callable[[], None] | None = None) -> None:
        super().__init__()
        self.table, self.rest = table, rest
        self.weight = nn.Parameter(table, requires_grad=False)
        self.place: Tensor | None = None  # of every row of the table among those in use; -1: it isn't

    def __deepcopy__(self, memo: dict[int, object]) -> Table:
        return Table(self.table, self.rest)

    def narrow(self, rows: Tensor) -> None:
        """Let these rows ``[n]`` and no others learn."""
        self.weight = nn.Parameter(self._frozen(rows))
        self.place = torch.full((len(self.table),), -1)
        self.place[rows] = torch.arange(len(rows))

    def forward(self, ids: Tensor) -> Tensor:
        """``[B, T]`` ids to ``[B, T, W]`` float32."""
        if self.place is None:
            return self._frozen(ids)
        place = self.place[ids]
        own = embedding(place.clamp(min=0), self.weight)
        if bool((place >= 0).all()):
            return own
        return torch.where((place >= 0)[..., None], own, self._frozen(ids))

    def _frozen(self, ids: Tensor) -> Tensor:
        rows = embedding(ids, self.table).float()
        if self.rest:
            self.rest()
        return rows


def narrow(blocks: Iterable[nn.Module], inputs: Callable[[], Iterable[np.ndarray]]) -> None:
    """Let those rows of every `Table` in the blocks learn whose ids are in ``inputs``."""
    for table in [module for block in blocks for module in block.modules() if isinstance(module, Table)]:
        table.narrow(torch.from_numpy(np.unique(np.concatenate([np.zeros(1, np.int64), *inputs()]))))


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
