"""What runs that train together read: all features in one tensor, and each run's batches as rows of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ctx.batches import ContextRows
from ctx.evaluation import Evaluator, rows_read
from ctx.sampling import Sampler
from ctx.setup import Setup
from ctx.train import Trainer

ROWS = 256  # examples whose features are read at a time


class Looks(Evaluator):
    """An evaluator that finds the features at hand."""

    states: Callable[[str, np.ndarray], Tensor]

    def answers(self, key: str, rows: np.ndarray, beams: int = 1) -> np.ndarray:
        """The logits of rows ``[N, C]``."""
        with torch.inference_mode():
            head: nn.Linear = self.head(key).linear  # type: ignore[assignment]
            found: np.ndarray = head(self.states(key, rows)).numpy()
        return found


class Features:
    """What frozen layers give for every row that some run of a group looks at.

    ``x [N, W]``, and ``right [N, C]``: 1 at each row's label.
    """

    def __init__(self, members: Sequence[Trainer], classes: int) -> None:
        wanted: dict[tuple[str, str], list[tuple[Trainer, str]]] = {}
        for member in members:
            for key, one in member.setup.rows.items():
                wanted.setdefault((member.setup.weights, one.encoded.name), []).append((member, key))
        self.wanted, self.classes = wanted, classes
        self.places: dict[tuple[str, str], np.ndarray] = {}
        self.gathered: dict[tuple[str, str, bytes], Tensor] = {}

    def read(self) -> Iterator[None]:
        """Read them, some at a time."""
        read, labels, begin = [], [], 0
        for name, users in self.wanted.items():
            member, first = users[0]
            encoded = member.setup.rows[first].encoded
            rows = np.unique(np.concatenate([rows_read(user.setup, key) for user, key in users]))
            for start in range(0, len(rows), ROWS):
                found = member.frozen(encoded.batch(rows[start : start + ROWS]))
                assert found is not None
                read.append(found)
                yield
            self.places[name] = np.full(len(encoded.lengths), -1)
            self.places[name][rows] = begin + np.arange(len(rows))
            labels.append(encoded.targets[rows])
            begin += len(rows)
        self.x = torch.cat(read)
        self.right = torch.eye(self.classes)[torch.from_numpy(np.concatenate(labels))]

    def place(self, setup: Setup, key: str) -> np.ndarray:
        """Where each row of a run's context stands ``[rows]``; -1 where no run looks at it."""
        return self.places[setup.weights, setup.rows[key].encoded.name]

    def of(self, setup: Setup, key: str, rows: np.ndarray) -> Tensor:
        """Those of rows of a run's context ``[n, W]``, gathered once for all runs that look at them."""
        name = setup.weights, setup.rows[key].encoded.name, rows.tobytes()
        if name not in self.gathered:
            self.gathered[name] = self.x[torch.from_numpy(self.place(setup, key)[rows])]
        return self.gathered[name]


class Feed:
    """The batches of one context of one run by their number: rows and counts ``[B]``, padded with rows that count 0."""

    def __init__(
        self, sampler: Sampler, rows: ContextRows, place: np.ndarray, size: int, class_weights: Tensor | None
    ) -> None:
        self.sampler, self.rows, self.place, self.size = sampler, rows, place, size
        self.weights = None if class_weights is None else class_weights.numpy()
        self.cycle = -1

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray, int]:
        """A batch, and how many examples are in it."""
        cycle, n = divmod(number, self.sampler.cycle)
        if cycle != self.cycle and (self.sampler.cycle > 1 or self.cycle < 0):
            self._fill(cycle)
        return self.index[n], self.counts[n], int(self.examples[n])

    def _fill(self, cycle: int) -> None:
        self.cycle, count = cycle, self.sampler.cycle
        batches = [self.sampler[cycle * count + n] for n in range(count)]
        self.examples = np.asarray([len(rows) for rows in batches])
        inside = np.arange(self.size) < self.examples[:, None]
        every = np.concatenate(batches)
        self.index = np.full((count, self.size), self.place[every[0]])
        self.index[inside] = self.place[every]
        self.counts = np.zeros((count, self.size), np.float32)
        self.counts[inside] = 1.0 if self.weights is None else self.weights[self.rows.encoded.targets[every]]
