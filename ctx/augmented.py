"""Batches to learn from, with the run's augmentations: the same for the same seed, context and number of the batch.

Only training rows pass here; looks, selection and tests read the context as it is. Examples whose words change are
encoded afresh, some batches ahead, since a large tokenizer takes longer to load than to use. Changed examples are no
rows of the context, so what frozen layers give for them is computed plainly and never kept (`ctx.prefix`): exact, but
paid at every step.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from ctx.batches import Batch, ContextRows, Encoded, encoded_rows
from ctx.parts import Augmentation, Backbone, Example, Task
from ctx.registry import make
from ctx.resplit import resplit, taken
from ctx.spans import WIDE, joined, spans
from ctx.tagged import UNSPACED

if TYPE_CHECKING:
    from torch import Tensor

    from ctx.config import RunConfig

AHEAD = 1024  # examples that are encoded together, in whole batches
NEAREST, ALIKE = 5, 0.4  # words near another: at most so many, with at least this cosine
WORD = re.compile(rf"{WIDE}|(?:(?!{WIDE})\S)+")


def words_of(text: str) -> list[str]:
    """The words of a text; Chinese and Japanese characters are words by themselves."""
    return WORD.findall(text)


class Batches:
    """The batches of one context by their number since the run began.

    The n-th is a function of (seed, key, n) alone: a resumed run needs to know only n.
    """

    def __init__(self, config: RunConfig, key: str, rows: ContextRows, backbone: Backbone, task: Task) -> None:
        self.rows, self.backbone, self.task = rows, backbone, task
        self.sampler = rows.sampler(config, key)
        parts: list[Augmentation] = [make("augment", choice) for choice in config.augment]
        self.texts = [part for part in parts if part.of_words()]
        self.splitting = [part for part in parts if part.of_pieces()]
        self.mixing = [part for part in parts if type(part).mix is not Augmentation.mix]
        self._seed = [config.seed, crc32(key.encode())]
        self._chunk = max(1, AHEAD // config.optim.batch)  # batches
        self._pool = Pool(rows, backbone)
        self._ahead: tuple[int, Encoded, list[np.ndarray], np.ndarray] | None = None

    def __getitem__(self, n: int) -> Batch:
        """The n-th batch."""
        if not (self.texts or self.splitting or self.mixing):
            return self.rows.encoded.batch(self.sampler[n])
        batch, moved = self._changed(n) if self.texts or self.splitting else self._plain(n)
        for part in self.mixing:
            batch.mix = part.mix(len(batch), self._random(part, n))
            if batch.mix is not None:
                moved = moved | (batch.mix[0] != np.arange(len(batch)))
        batch.changed = int(moved.sum())
        return batch

    def _plain(self, n: int) -> tuple[Batch, np.ndarray]:
        batch = self.rows.encoded.batch(self.sampler[n])
        return batch, np.zeros(len(batch), bool)

    def _changed(self, n: int) -> tuple[Batch, np.ndarray]:
        """The n-th batch of changed examples, and which of them differ from the context's."""
        chunk, place = divmod(n, self._chunk)
        if self._ahead is None or self._ahead[0] != chunk:
            self._ahead = (chunk, *self._encode(range(chunk * self._chunk, (chunk + 1) * self._chunk)))
        _, encoded, rows, moved = self._ahead
        return encoded.batch(rows[place]), moved[rows[place]]

    def _encode(self, numbers: Sequence[int]) -> tuple[Encoded, list[np.ndarray], np.ndarray]:
        """Whole batches changed and encoded together, the rows of each, and which examples differ."""
        before = [self.rows.examples(self.sampler[n]) for n in numbers]
        after = [self.change(examples, n) for examples, n in zip(before, numbers, strict=True)]
        ends = np.cumsum([len(examples) for examples in after])
        rows = [np.arange(end - len(examples), end) for end, examples in zip(ends, after, strict=True)]
        flat = [example for examples in after for example in examples]
        plain = [example for examples in before for example in examples]
        moved = np.asarray([one != other for one, other in zip(flat, plain, strict=True)], bool)
        if self.texts:
            encoded = encoded_rows("", flat, self.rows.context, self.backbone, self.task)
        else:
            encoded = taken(self.rows.encoded, np.concatenate([self.sampler[n] for n in numbers]))
        for part in self.splitting:
            encoded, more = self._split(part, encoded, numbers, [len(examples) for examples in after])
            moved |= more
        return encoded, rows, moved

    def _split(
        self, part: Augmentation, encoded: Encoded, numbers: Sequence[int], sizes: Sequence[int]
    ) -> tuple[Encoded, np.ndarray]:
        pieces = self.backbone.pieces()
        assert pieces is not None  # checked with the configuration
        randoms = [one for n, size in zip(numbers, sizes, strict=True) for one in [self._random(part, n)] * size]
        return resplit(encoded, part, randoms, pieces, self.task, self.rows.context.language in UNSPACED)

    def change(self, examples: Sequence[Example], n: int) -> list[Example]:
        """The examples of the n-th batch as the augmentations leave them, one after the other."""
        found = list(examples)
        for part in self.texts:
            random = self._random(part, n)
            found = [changed(part, example, random, self._pool) for example in found]
        return found

    def _random(self, part: Augmentation, n: int) -> np.random.Generator:
        return np.random.default_rng([*self._seed, n, crc32(part.name.encode())])


def changed(part: Augmentation, example: Example, random: np.random.Generator, pool: Pool) -> Example:
    """An example as an augmentation leaves it; itself where no word changed. Its answer stays, tags go with words."""
    tagged = not isinstance(example.input, str)
    words = list(example.input) if tagged else words_of(example.input)
    tags = list(example.output) if tagged else ["O"] * len(words)
    if not words:
        return example
    after, kept = part.change(list(words), list(tags), random, pool)
    if after == words and kept == tags:
        return example
    if tagged:
        return replace(example, input=tuple(after), output=tuple(kept))
    return replace(example, input=joined(after))


class Pool:
    """What augmentations draw from: see `ctx.parts.Pool`.

    Words come from all texts of the context's training split, labelled or not in this run; names only from those
    whose labels it uses.
    """

    def __init__(self, rows: ContextRows, backbone: Backbone) -> None:
        self._rows, self._backbone = rows, backbone
        self._near: dict[str, list[str]] = {}

    def mentions(self, kind: str) -> Sequence[tuple[str, ...]]:
        """The names of an entity type in the examples learnt from, each as often as it occurs."""
        return self._mentions.get(kind, [])

    @cached_property
    def _mentions(self) -> dict[str, list[tuple[str, ...]]]:
        found = defaultdict(list)
        for example in self._rows.examples(self._rows.learn):
            for kind, start, end in spans(example.output):
                found[kind].append(tuple(example.input[start:end]))
        return dict(found)

    def near(self, word: str) -> Sequence[str]:
        """The at most 5 nearest words by the cosine of their pieces' mean embedding, from 0.4 on; [] without any."""
        word = word.casefold()
        if word not in self._near:
            self._near[word] = self._nearest(word)
        return self._near[word]

    def _nearest(self, word: str) -> list[str]:
        place, names, vectors = self._vocabulary
        if vectors is None or word not in place:
            return []
        cosine = vectors @ vectors[place[word]]
        cosine[place[word]] = -1
        best = np.argsort(-cosine, kind="stable")[:NEAREST]
        return [names[i] for i in best if cosine[i] >= ALIKE]

    @cached_property
    def _vocabulary(self) -> tuple[dict[str, int], list[str], np.ndarray | None]:
        """Every word of letters by its place, lower-case, and their embeddings ``[V, W]`` of length 1."""
        if type(self._backbone).vectors is Backbone.vectors:
            return {}, [], None
        texts = (example.input for example in self._rows.examples(self._rows.pool))
        words = (word for text in texts for word in (words_of(text) if isinstance(text, str) else text))
        names = sorted({word.casefold() for word in words if word.isalpha()})
        if not names:
            return {}, [], None
        (frame, _), *encoded = self._backbone.encode_words([[], *([name] for name in names)])
        pieces = [ids[max(int(first), 0) : len(ids) - (ids[-1] == frame[-1])] for ids, (first,) in encoded]
        used, place = np.unique(np.concatenate(pieces), return_inverse=True)
        table = self._backbone.vectors(used)
        assert table is not None
        parted = np.split(table.numpy()[place], np.cumsum([len(ids) for ids in pieces])[:-1])
        vectors = np.stack([rows.mean(0) if len(rows) else np.zeros(table.shape[1], np.float32) for rows in parted])
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        return {name: i for i, name in enumerate(names)}, names, vectors / np.maximum(length, 1e-9)


def mixed(hidden: Tensor, batch: Batch) -> Tensor:
    """What the head reads ``[B, …]``: each example's mixed with its partner's (Zhang et al. 2018), where that is on."""
    if batch.mix is None:
        return hidden
    partners, share = batch.mix
    return share * hidden + (1 - share) * hidden[partners]


def loss_of(task: Task, out: Tensor, batch: Batch, class_weights: Tensor | None) -> Tensor:
    """The mean loss of a batch; where features are mixed, the losses on both targets, mixed alike."""
    own = task.loss(out, batch, class_weights)
    if batch.mix is None:
        return own
    partners, share = batch.mix
    other = Batch(batch.encoded, batch.rows[partners], batch.length)
    return share * own + (1 - share) * task.loss(out, other, class_weights)
