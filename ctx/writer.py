"""The head that writes a text: a small transformer decoder over what the backbone says of the input.

Its vocabulary is the pieces that the contexts' training texts are mostly written in, not the backbone's quarter of a
million; its piece embeddings start from the backbone's own and are tied to the output (Press & Wolf 2017). It may also
copy pieces from the input (pointer-generator: See et al. 2017, eq. 8 and 9).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ctx.beam import Search
from ctx.decoder import Layer
from ctx.layers import spread
from ctx.pointer import MARKS, Copied, Pointer, Source, Widened, mixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctx.batches import Batch
    from ctx.parts import Space

START, OTHER = 0, 1  # places of the vocabulary that no piece has: the start, and a piece that the vocabulary lacks
LONGEST = 256  # positions
MOST = 4000  # pieces of each context that it writes without copying
SMOOTHING = 0.1  # of the loss while it learns, towards every piece alike


class Writer(nn.Module):
    """Called as ``writer(hidden, batch)``: the loss of every target piece ``[B, L]``, nan where there is none.

    ``write`` gives the ids of the best texts that it finds.
    """

    pieces: Tensor  # the ids of the vocabulary, in order
    places: Tensor
    pointer: Pointer | None

    def __init__(self, space: Space, layers: int = 2, dropout: float = 0.2, copies: bool = False) -> None:
        super().__init__()
        pieces = vocabulary(space.pools)
        width = space.width
        first = space.pools[0][0]
        end = first[first >= 0][-1]
        self.end = MARKS + int(np.searchsorted(pieces, end))  # the place of the piece that ends a text
        self.register_buffer("pieces", torch.from_numpy(np.concatenate([[-2, -1], pieces])), persistent=False)
        self.words = nn.Embedding(len(pieces) + MARKS, width)
        self._begin_from(space.backbone.vectors(pieces), width)
        self.read = nn.LayerNorm(width, elementwise_affine=False)  # what reads it begins with a linear map
        self.layers = nn.ModuleList([Layer(width, dropout) for _ in range(layers)])
        self.norm, self.drop = nn.LayerNorm(width), nn.Dropout(dropout)
        self.out, self.bias = nn.Linear(width, width), nn.Parameter(torch.zeros(len(pieces) + MARKS))
        self.pointer = Pointer(width) if copies else None
        self.register_buffer("places", positions(LONGEST, width), persistent=False)

    def _begin_from(self, vectors: Tensor | None, width: int) -> None:
        """The backbone's own embeddings, standardised; random ones of the same size where it has none.

        Their spread is 1, so that a rate that suits the layers moves them little; the output scales them down.
        """
        with torch.no_grad():
            self.words.weight.normal_()
            if vectors is not None:
                self.words.weight[MARKS:] = (vectors - vectors.mean(0)) / vectors.std(0).clamp(min=1e-6)

    def parts(self) -> list[list[nn.Parameter]]:
        """What may be frozen, lowest first: the embedding (the output is tied to it), then each layer."""
        return [list(module.parameters()) for module in (self.words, *self.layers)]

    # -- learning

    def forward(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of each target piece (natural log), smoothed while it learns (Szegedy et al. 2016)."""
        return self.losses(self.told(hidden, batch), batch)

    def losses(self, told: tuple[Tensor, ...], batch: Batch) -> Tensor:
        """The same of what it told of the batch."""
        targets, there = batch.texts
        likelihood, said = (one[:, 0] for one in self._judged(told, batch, targets[there][:, None]))
        loss = -likelihood
        if self.training:
            loss = (1 - SMOOTHING) * loss - SMOOTHING * told[0][:, MARKS:].mean(-1)
        return spread(loss.masked_fill(~said, math.nan), there).masked_fill(~there, math.nan)

    def likely(self, hidden: Tensor, batch: Batch, most: int) -> tuple[Tensor, Tensor]:
        """What may come next after each beginning of the true texts: pieces' ids and log-probabilities ``[N, K]``.

        Of the target pieces that are there, in order; K is ``most``, or the vocabulary's size where that is smaller.
        """
        scores, *copied = self.told(hidden, batch)
        ids = self.pieces
        if copied:
            index = self._index(batch.inputs)
            wide = Widened(self.pieces, index, index == OTHER, batch).of(batch.owners)
            scores, ids = wide.scores(scores, *copied[:2]), wide.ids
        best = scores[:, MARKS:].topk(min(most, len(self.pieces) - MARKS))
        return ids[MARKS:][best.indices], best.values

    def likelihood(self, told: tuple[Tensor, ...], batch: Batch, ids: Tensor) -> Tensor:
        """The log-probabilities of pieces ``[N, K]`` by what it told of the batch."""
        return self._judged(told, batch, ids)[0]

    def told(self, hidden: Tensor, batch: Batch) -> tuple[Tensor, ...]:
        """Of the target pieces, each given the true ones before it, the vocabulary's log-probabilities ``[N, V]``.

        Where it copies also `ctx.pointer.Copied`. Padding costs nothing.
        """
        targets, there = batch.texts
        before = F.pad(self._index(targets), (1, 0), value=START)[:, :-1]
        places = torch.arange(targets.shape[1]).expand_as(targets)
        read, memory = self._memory(hidden, batch)
        states = self._embed(before[there], places[there])
        for layer, kept in zip(self.layers, memory, strict=True):
            states, _ = layer(states, there, kept, batch.mask[:, None, None, :])
        states = self.norm(states)
        scores = self._scores(states)
        if self.pointer is None:
            return (scores,)
        source = self.pointer.source(read, batch)
        shares, gate = self.pointer(spread(states, there), source)
        return scores, *Copied(shares[there], gate[there], source.plain)

    def _judged(self, told: tuple[Tensor, ...], batch: Batch, ids: Tensor) -> tuple[Tensor, Tensor]:
        """The log-probabilities of pieces ``[N, K]``, and whether it can write or copy them at all."""
        scores, *rest = told
        index = self._index(ids)
        written, there = scores.gather(-1, index), index != OTHER
        if not rest:
            return written, there
        copied = Copied(*rest)
        same = copied.places(batch, ids)
        share = (copied.shares[:, None] * same).sum(-1)
        return mixed(written, share, copied.gate[:, None]), there | same.any(-1)

    # -- writing

    def write(
        self, hidden: Tensor, batch: Batch, longest: int, beams: int = 1, repeats: bool = True
    ) -> list[np.ndarray]:
        """The ids of a text an example, the end left out: the best of ``beams`` by mean log-probability; 1: greedy."""
        search = Search(len(batch), beams, self.end, repeats)
        read, memory = self._memory(hidden, batch)
        source = None if self.pointer is None else self.pointer.source(read, batch)
        if beams > 1:
            memory = [(key.repeat_interleave(beams, 0), value.repeat_interleave(beams, 0)) for key, value in memory]
            source = source and Source(*(part.repeat_interleave(beams, 0) for part in source))
            batch = batch.repeated(beams)
        mask = batch.mask[:, None, None, :]
        index = self._index(batch.inputs)
        wide = None if source is None else Widened(self.pieces, index, index == OTHER, batch)
        past: list[tuple[Tensor, Tensor] | None] = [None] * len(self.layers)
        rows, last = torch.arange(len(batch)), torch.full((len(batch),), START)
        for step in range(longest):
            states = self._embed(last, torch.tensor([step]))
            for number, layer in enumerate(self.layers):
                states, past[number] = layer(states, None, memory[number], mask, past[number])
            states = self.norm(states)
            scores = self._scores(states)
            if wide is not None and self.pointer is not None:
                shares, gate = self.pointer(states[:, None], source)
                scores = wide.scores(scores, shares[:, 0], gate[:, 0])
            kept, unfinished = search.take(scores, rows), search.unfinished()[rows]
            if search.over():
                break
            on = rows
            if 2 * int(unfinished.sum()) <= len(rows):  # no more work on texts that have ended, once they are half
                on, mask = rows[unfinished], mask[unfinished]
                memory = [(key[unfinished], value[unfinished]) for key, value in memory]
                source, wide = source and Source(*(part[unfinished] for part in source)), wide and wide.of(unfinished)
                kept = kept[unfinished]
            if on is not rows or beams > 1:
                place = torch.searchsorted(rows, kept)
                past = [(one[0][place], one[1][place]) for one in past if one is not None]
            rows, last = on, search.last.flatten()[on]
            last = torch.where(last < len(self.pieces), last, OTHER)
        ids = self.pieces if wide is None else wide.ids
        return [ids[row].numpy() for row in search.best()]

    # -- what both use

    def _index(self, ids: Tensor) -> Tensor:
        """Places in the vocabulary of pieces' ids; OTHER for those that it lacks."""
        place = torch.searchsorted(self.pieces, ids).clamp(max=len(self.pieces) - 1)
        return torch.where(self.pieces[place] == ids, place, OTHER)

    def _memory(self, hidden: Tensor, batch: Batch) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """The states ``[N, W]`` of the inputs' tokens, and each layer's keys and values; padding costs nothing."""
        read: Tensor = self.read(hidden[batch.mask])
        return read, [layer.input.keys(read, batch.mask) for layer in self.layers]  # type: ignore[operator,union-attr]

    def _embed(self, index: Tensor, places: Tensor) -> Tensor:
        out: Tensor = self.drop(self.words(index) + self.places[places])
        return out

    def _scores(self, states: Tensor) -> Tensor:
        """Log-probabilities ``[…, V]``; these two places are out of reach."""
        bias = self.bias.index_fill(-1, torch.tensor([START, OTHER]), -1e4)
        return torch.log_softmax(self.out(states) / math.sqrt(states.shape[-1]) @ self.words.weight.T + bias, dim=-1)


def vocabulary(pools: Sequence[np.ndarray], most: int = MOST) -> np.ndarray:
    """The ids, in order, of the pieces that make up most of each pool's texts; at most so many of a pool.

    A softmax over all of them costs more than it gives: what is rare can be copied, or is left out. What is kept of a
    context doesn't depend on its company, so that every arm can write the same of the target.
    """
    kept = []
    for pool in pools:
        ids, times = np.unique(pool[pool >= 0], return_counts=True)
        kept.append(ids[np.argsort(-times, kind="stable")[:most]])
    return np.unique(np.concatenate(kept))


def positions(length: int, width: int) -> Tensor:
    """Sines and cosines ``[length, width]`` (Vaswani et al. 2017, 3.5)."""
    place = torch.arange(length)[:, None]
    rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    found = torch.zeros(length, width)
    found[:, 0::2], found[:, 1::2] = torch.sin(place * rate), torch.cos(place * rate)[:, : width // 2]
    return found
