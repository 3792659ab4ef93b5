"""The plan of a run: its phases, as pure data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil, cos, pi
from typing import TYPE_CHECKING, Literal

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


LOOK_EVERY = 30  # updates between two looks at gradients, at least (`ctx.inside`)
Weight = Callable[[float], float]  # λ as a function of a phase's progress in [0, 1]
Shape = Literal["constant", "linear", "cosine", "step"]


@dataclass(frozen=True)
class Phase:
    """A stretch of training: ``epochs`` times ``updates`` steps; each step takes a batch of every active context.

    ``weights`` maps the key of every active context to its λ. ``shares`` maps a key to its share of batches (left out:
    a batch in every step); one context at least has a batch in every step. At the end the weights that lack least
    (`ctx.evaluation.Evaluator.lack`) on the selection part of ``select_on`` are kept, or later ones within its margin;
    "" keeps the last. ``fresh`` starts from the initial weights instead of those handed over.
    """

    name: str
    epochs: int
    updates: int
    weights: Mapping[str, Weight]
    select_on: str = ""
    shares: Mapping[str, float] = field(default_factory=dict)
    fresh: bool = False

    def taken(self, updates: int) -> dict[str, int]:
        """How many batches of each context its first so many updates take: one at least, if there is an update."""
        return {key: ceil(updates * self.shares.get(key, 1.0) - 1e-9) for key in self.weights}

    def active(self, update: int) -> list[str]:
        """The contexts that the update (counted from 0) takes a batch of: all at first, then as their shares go."""
        if not self.shares:
            return list(self.weights)
        before, after = self.taken(update), self.taken(update + 1)
        return [key for key in self.weights if after[key] > before[key]]

    def weighed(self) -> set[str]:
        """The contexts whose λ is above 0 at some time."""
        return {key for key, weight in self.weights.items() if any(weight(share) for share in (0.0, 0.5, 1.0))}

    def varying(self) -> frozenset[str]:
        """The contexts whose λ is not the same throughout."""
        total = self.epochs * self.updates
        moving = {key: weight for key, weight in self.weights.items() if getattr(weight, "varies", True)}
        seen = {key: {weight(n / total) for n in range(total)} for key, weight in moving.items()}
        return frozenset(key for key, values in seen.items() if len(values) > 1)


@dataclass(frozen=True)
class Ramp:
    """λ on its way from ``begin`` to ``end``: along a line or half a cosine, or in one step at a share ``switch``."""

    begin: float
    end: float
    shape: Shape
    switch: float = 0.5

    @property
    def varies(self) -> bool:
        """Whether it is not the same throughout."""
        return self.shape != "constant" and self.begin != self.end

    def __call__(self, progress: float) -> float:
        """λ at a phase's progress."""
        if not self.varies:
            return self.end
        if self.shape == "step":
            return self.end if progress >= self.switch else self.begin
        way = progress if self.shape == "linear" else (1 - cos(pi * progress)) / 2
        return (1 - way) * self.begin + way * self.end


def constant(weight: float) -> Weight:
    """The same λ throughout."""
    return Ramp(weight, weight, "constant")


def source_weights(config: RunConfig) -> dict[str, Weight]:
    """Every source's own weight, by context key."""
    sources = zip(config.contexts().items(), config.sources, strict=False)
    return {key: constant(source.weight) for (key, _), source in sources}


def epoch_updates(examples: int, config: RunConfig) -> int:
    """Updates in an epoch: a pass over so many examples, at least ``min_updates``."""
    return max(config.optim.min_updates, ceil(examples / config.optim.batch))


def pass_updates(keys: Iterable[str], sizes: Mapping[str, int], config: RunConfig, shares: Mapping[str, float]) -> int:
    """The same of a pass over the largest of these contexts, in batches; of two alike over that of the larger share.

    A context with a share of the batches takes as many updates more.
    """
    batches, share = max((ceil(sizes[key] / config.optim.batch), shares.get(key, 1.0)) for key in keys)
    return max(config.optim.min_updates, ceil(batches / share - 1e-9))
