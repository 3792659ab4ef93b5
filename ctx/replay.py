"""The batches that a finished run saw, worked out again from its configuration: no torch, nothing stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ctx import data
from ctx.config import ContextChoice, RunConfig
from ctx.errors import Unavailable
from ctx.parts import Example, Schedule
from ctx.plan import Phase
from ctx.registry import make
from ctx.sampling import Sampler, lengths_of, sampler


@dataclass(frozen=True)
class Step:
    """One update: its phase, its number in the run (from 1), and the examples of each context by its key."""

    number: int
    phase: str
    batches: Mapping[str, list[Example]]


class Replay:
    """A run's batches by step; raises Unavailable where its data would have to be fetched."""

    def __init__(self, config: RunConfig) -> None:
        schedule: Schedule = make("schedules", config.schedule)
        self._learn = {key: learning(choice, config.seed) for key, choice in config.contexts().items()}
        self._samplers = {key: _sampler(learn, config, key) for key, learn in self._learn.items()}
        self.phases: list[Phase] = schedule.phases(config, {key: len(learn) for key, learn in self._learn.items()})
        self.steps = sum(phase.epochs * phase.updates for phase in self.phases)

    def step(self, number: int) -> Step:
        """The update of this number, from 1 to `steps`."""
        update, taken = number - 1, dict.fromkeys(self._learn, 0)
        for phase in self.phases:
            length = phase.epochs * phase.updates
            within = phase.taken(min(update, length))
            taken = {key: n + within.get(key, 0) for key, n in taken.items()}
            if 0 <= update < length:
                return Step(number, phase.name, {key: self._batch(key, taken[key]) for key in phase.active(update)})
            update -= length
        raise IndexError(f"step {number} of {self.steps}")

    def _batch(self, key: str, n: int) -> list[Example]:
        return [self._learn[key][row] for row in self._samplers[key][n]]


def learning(choice: ContextChoice, seed: int) -> list[Example]:
    """The examples of a context that a run of this seed learns from, in the order that its draw gives them."""
    if not data.available(choice):
        raise Unavailable(f"{choice.id} is not on this machine: fetch it first (ctx fetch {choice.id}).")
    return data.labelled(data.splits(choice).train, choice.size, seed)[0]


def _sampler(learn: list[Example], config: RunConfig, key: str) -> Sampler:
    lengths = lengths_of([example.input for example in learn])
    return sampler(np.arange(len(learn)), lengths, config, key)
