"""The plan of a run: its phases, as pure data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctx.config import RunConfig


class Progress(float):
    """The share of a phase that lies behind as one of its epochs begins, from 0 to 1; ``epoch`` counts them from 0."""

    epoch: int

    def __new__(cls, epoch: int, epochs: int) -> Progress:
        """``epoch`` of so many."""
        made = super().__new__(cls, epoch / epochs)
        made.epoch = epoch
        return made


Weight = Callable[[float], float]  # λ as a function of a phase's progress in [0, 1]


@dataclass(frozen=True)
class Phase:
    """A stretch of training: ``epochs`` times ``updates`` steps; each step takes a batch of every active context.

    ``weights`` maps the key of every active context to its λ. ``shares`` maps a key to its share of batches (left out:
    a batch in every step). At the end the weights that lack least (`ctx.evaluation.Evaluator.lack`) on the selection
    part of ``select_on`` are kept, or later ones within its margin; "" keeps the last. ``fresh`` starts from the
    initial weights instead of those handed over.
    """

    name: str
    epochs: int
    updates: int
    weights: Mapping[str, Weight]
    select_on: str = ""
    shares: Mapping[str, float] = field(default_factory=dict)
    fresh: bool = False

    def taken(self, updates: int) -> dict[str, int]:
        """How many batches of each context its first so many updates take."""
        return {key: int(updates * self.shares.get(key, 1.0) + 1e-9) for key in self.weights}

    def active(self, update: int) -> list[str]:
        """The contexts that the update (counted from 0) takes a batch of: those whose share fills up there."""
        if not self.shares:
            return list(self.weights)
        before, after = self.taken(update), self.taken(update + 1)
        return [key for key in self.weights if after[key] > before[key]]


def constant(weight: float) -> Weight:
    """The same λ throughout."""
    return lambda progress: weight


def source_weights(config: RunConfig) -> dict[str, Weight]:
    """Every source's own weight, by context key."""
    sources = zip(config.contexts().items(), config.sources, strict=False)
    return {key: constant(source.weight) for (key, _), source in sources}


def epoch_updates(examples: int, config: RunConfig) -> int:
    """Updates in an epoch: a pass over so many examples, at least ``min_updates``."""
    return max(config.optim.min_updates, ceil(examples / config.optim.batch))
