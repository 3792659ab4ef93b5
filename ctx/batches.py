"""The examples of one context as arrays: which rows learn, select, draw curves and test; and batches of them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ctx import data, kept, machine
from ctx.layers import pad as pad
from ctx.parts import Backbone, Context, Example, Task
from ctx.sampling import Sampler, lengths_of, sampler

if TYPE_CHECKING:
    from ctx.config import ContextChoice, RunConfig
    from ctx.fused import Places

MOST_DRAWN = 100  # choices of rows that are kept: a draw's arms have them in common
BUCKET = 8  # token lengths are padded to a multiple of this
LAYOUT = 1  # raised by hand when token ids are kept on disk in another form


@dataclass(frozen=True)
class Encoded:
    """All examples of a context for one backbone. ``tokens``: whether rows are token ids of differing length.

    ``references``: what answers are judged against, one row an example. ``name`` is "" for what is used only once.
    ``drawn``: the rows of runs so far, by size, seed and how many are tested; ``context``: the id of the context.
    """

    name: str
    examples: Sequence[Example]
    inputs: list[np.ndarray]
    targets: np.ndarray
    references: np.ndarray
    lengths: np.ndarray
    tokens: bool
    drawn: dict[tuple[int | None, int, int | None], ContextRows] = field(default_factory=dict, compare=False)
    context: str = ""

    @cached_property
    def digest(self) -> str:
        """Of what a backbone reads: the token ids of every row."""
        content = hashlib.sha256(self.lengths.tobytes())
        for row in self.inputs:
            content.update(np.ascontiguousarray(row).data)
        return content.hexdigest()

    def batch(self, rows: np.ndarray, length: int = 0) -> Batch:
        """The rows as a batch, padded to the next bucket above the longest (or to ``length``)."""
        return Batch(self, rows, length)


class Batch:
    """Rows of a context. Tensors are made when asked for: with a frozen prefix nobody asks for the inputs.

    ``changed``: how many of them an augmentation changed, None without one; ``mix``: each one's partner ``[B]`` and
    the share that it keeps for itself, where features are mixed.
    """

    room = 0  # tokens it is filled up to, so that a row's numbers don't depend on others, to the bit; no gradients then
    changed: int | None = None
    mix: tuple[np.ndarray, float] | None = None

    def __init__(self, encoded: Encoded, rows: np.ndarray, length: int = 0) -> None:
        self.encoded, self.rows = encoded, rows
        self.places: dict[int, Places] = {}  # in attention, by its heads
        longest = int(encoded.lengths[rows].max())
        self.length = length or (-(-longest // BUCKET) * BUCKET if encoded.tokens else longest)

    def __len__(self) -> int:
        return len(self.rows)

    def repeated(self, times: int) -> Batch:
        """Every row so many times in a row."""
        return Batch(self.encoded, np.repeat(self.rows, times), self.length)

    @cached_property
    def inputs(self) -> Tensor:
        """``[B, T]`` token ids, 0 where padded, or ``[B, F]`` floats."""
        return pad([torch.from_numpy(self.encoded.inputs[row]) for row in self.rows], self.length)

    @cached_property
    def mask(self) -> Tensor:
        """``[B, T]``, true where a token is."""
        lengths = torch.from_numpy(self.encoded.lengths[self.rows])
        return torch.arange(self.length)[None] < lengths[:, None]

    @cached_property
    def real(self) -> Tensor:
        """The places of real tokens ``[N]`` among all ``B T``, row by row."""
        return self.mask.flatten().nonzero()[:, 0]

    @cached_property
    def filled(self) -> Tensor:
        """`real`, and the first of them again until there are `room`."""
        return torch.cat([self.real, self.real[:1].expand(max(0, self.room - len(self.real)))])

    @cached_property
    def targets(self) -> Tensor:
        """What the loss compares with."""
        return torch.from_numpy(self.encoded.targets[self.rows])

    @cached_property
    def texts(self) -> tuple[Tensor, Tensor]:
        """Where texts are written: target pieces ``[B, L]``, as far as the longest goes, and where there are any."""
        pieces = self.targets[:, : int((self.targets >= 0).sum(1).max())].contiguous()
        return pieces, pieces >= 0

    @property
    def owners(self) -> Tensor:
        """The example ``[N]`` of each target piece that is there."""
        return self.texts[1].nonzero()[:, 0]


@dataclass(frozen=True)
class ContextRows:
    """One context in one run: its examples, and the rows that learn, select, draw curves and test.

    ``pool``: its whole training split; ``sizes`` is what the sampler sorts the learning rows by.
    """

    encoded: Encoded
    context: Context
    pool: np.ndarray
    learn: np.ndarray
    select: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    sizes: np.ndarray

    def examples(self, rows: np.ndarray) -> list[Example]:
        """The examples of these rows."""
        return [self.encoded.examples[row] for row in rows]

    def sampler(self, config: RunConfig, key: str) -> Sampler:
        """Batches of the learning rows."""
        return sampler(self.learn, self.sizes, config, key)


def rows_of(config: RunConfig, choice: ContextChoice, backbone: Backbone, task: Task) -> ContextRows:
    """A context's rows for one run; they and their encoding are kept in the process."""
    encoded = _encoded(choice, data.context(choice), backbone, task)
    name = choice.size, config.seed, task.tested
    if name not in encoded.drawn:
        if len(encoded.drawn) >= MOST_DRAWN:
            encoded.drawn.clear()
        encoded.drawn[name] = _rows_of(config, choice, encoded, task)
    return encoded.drawn[name]


def _rows_of(config: RunConfig, choice: ContextChoice, encoded: Encoded, task: Task) -> ContextRows:
    context, splits = data.context(choice), data.splits(choice)
    row = {example.id: i for i, example in enumerate([*splits.train, *splits.validation, *splits.test])}
    learn, select = data.labelled(splits.train, choice.size, config.seed)

    def at(examples: Sequence[Example]) -> np.ndarray:
        return np.asarray([row[example.id] for example in examples], np.int64)

    sizes = lengths_of([example.input for example in learn])
    validation, test = (at(data.spread(split, task.tested)) for split in (splits.validation, splits.test))
    return ContextRows(encoded, context, at(splits.train), at(learn), at(select), validation, test, sizes)


_memo: OrderedDict[tuple[str, str], Encoded] = OrderedDict()


def _encoded(choice: ContextChoice, context: Context, backbone: Backbone, task: Task) -> Encoded:
    # Random backbones share one tokenizer whatever the seed, so the digest of seed 0 stands for the encoding.
    name = (f"{backbone.name}:{backbone.digest(0)}", data.digest(choice))
    if name not in _memo:
        splits = data.splits(choice)
        examples = [*splits.train, *splits.validation, *splits.test]
        keep = (
            kept.named(name, LAYOUT, backbone.version, task.name, task.version) if data.worth_keeping(context) else ""
        )
        _memo[name] = encoded_rows(":".join(name), examples, context, backbone, task, keep)
        if _memo[name].tokens:
            machine.keep_tokens(backbone, choice, float(_memo[name].lengths.mean()))
        while len(_memo) > 8:
            _memo.popitem(last=False)
    _memo.move_to_end(name)
    return _memo[name]


def encoded_rows(
    name: str, examples: Sequence[Example], context: Context, backbone: Backbone, task: Task, keep: str = ""
) -> Encoded:
    """Examples of a context as arrays; ``keep`` names those that are kept on disk, since a tokenizer takes seconds."""
    inputs: list[np.ndarray] = []

    def read() -> dict[str, np.ndarray]:
        nonlocal inputs
        inputs, ragged = task.read(backbone, examples, context)
        lengths = np.asarray([len(row) for row in inputs], np.int64)
        return {"inputs": np.concatenate(inputs), "lengths": lengths, "targets": _stack(ragged)}

    found = kept.arrays("tokens", keep, read) if keep else read()
    lengths, targets = found["lengths"], found["targets"]
    inputs = inputs or np.split(found["inputs"], np.cumsum(lengths)[:-1])
    references = task.references(examples, targets)
    tokens = inputs[0].dtype == np.int64
    return Encoded(name, examples, inputs, targets, references, lengths, tokens, context=context.name)


def _stack(targets: list[np.ndarray]) -> np.ndarray:
    """One array; ragged rows are padded with -100, which losses leave out."""
    longest = max((target.shape[0] for target in targets if target.ndim), default=0)
    if all(target.shape == targets[0].shape for target in targets):
        return np.stack(targets)
    out = np.full((len(targets), longest, *targets[0].shape[1:]), -100, np.int64)
    for i, target in enumerate(targets):
        out[i, : len(target)] = target
    return out
