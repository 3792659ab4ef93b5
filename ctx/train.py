"""The loop: phases → epochs → a batch of every active context → frozen prefix → losses → one step.

It yields an event a step and knows no store and no page. Same configuration and thread count, same numbers to the bit;
a run resumed from the snapshot of an event that is not `gone` gives what the uninterrupted one would have given.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ctx import evaluation, inside, products
from ctx.answers import Answers, said
from ctx.augmented import loss_of, mixed
from ctx.batches import Batch
from ctx.config import RunConfig, canonical
from ctx.frozen import Frozen
from ctx.further import Further
from ctx.handover import Had, Handover
from ctx.model import Model, build, space_of
from ctx.optim import Optimiser
from ctx.parts import Begin, Step
from ctx.plan import Phase, Progress
from ctx.prefix import Memo, memo
from ctx.setup import Setup, deterministic
from ctx.state import Event, Position, State, under
from ctx.total import Total


def train(
    config: RunConfig, resume: State | None = None, features: Memo = memo, sharing: bool = False
) -> Iterator[Event]:
    """Train one configuration; raises CtxError for what a person can mend. ``sharing``: phases (`ctx.handover`)."""
    deterministic()
    products.onednn()  # before any thread asks
    setup = Setup(canonical(config))
    events = Trainer(setup, features, Handover(setup) if sharing else None).run(resume)
    del resume  # its tensors are the trainer's now, or nobody's
    yield from events


class Trainer:
    """What changes while one run trains: the model, the optimiser, the position."""

    def __init__(self, setup: Setup, features: Memo = memo, handover: Handover | None = None) -> None:
        self.setup, self.handover = setup, handover
        self.frozen = Frozen(setup, features)
        self.at = Position()
        self.evaluator = evaluation.Evaluator(setup, self._hidden, self._head, self._training)
        self.further = Further(setup, self._hidden)
        self.kept: dict[str, Tensor] = {}
        self.total = Total(setup.config)
        self._fresh_model()

    def _fresh_model(self) -> None:
        """The model as the draw's seed gives it, the tuning installed."""
        setup = self.setup
        self.model: Model = build(setup.config, setup.rows, setup.task)
        if setup.tuning.changes_model():
            torch.manual_seed(setup.config.seed)
            setup.tuning.install(self.model)
        self.at.touched = []

    def _fresh_optimiser(self) -> None:
        self.optimiser = Optimiser(self.setup.config, self.model)
        self.arranged: list[tuple[list[int], float]] = []  # what it lets learn: parameters and their rates' factor

    def run(self, resume: State | None) -> Iterator[Event]:
        """All events from the start, or those after a snapshot."""
        torch.manual_seed(self.setup.config.seed)
        had = self.handover.load() if self.handover and not resume else None
        if resume:
            self._load(resume)
        elif had:
            yield from self._take_over(had)
        else:
            self.begin()
            yield self.started()
        del resume, had
        while self.at.phase < len(self.setup.phases):
            yield from self._phase(self.setup.phases[self.at.phase])
        yield self._end()

    def started(self) -> Event:
        """How the model stands before its first update."""
        with self.frozen.beginning():
            looked = self._look(first=True)
        return self._event("start", looked | {"phase": 0.0} | self.evaluator.constants())

    def _take_over(self, had: Had) -> Iterator[Event]:
        """The first phase as another run with the same source had it."""
        self.at = had.at
        self.model.put(had.weights)
        torch.set_rng_state(had.generator)
        if self.at.phase == len(self.setup.phases):
            self._arrange()
        had.moments[0].values.update(self.evaluator.constants())  # by its own labels
        had.moments[-1].values.update(self._hand_over())
        self.at.taken_over = self.at.step
        for one in had.moments:
            gone = one is not had.moments[-1]
            ended = None if gone else had.name
            yield Event(one.step, self.setup.steps, one.kind, one.values, self.snapshot, gone=gone, ended=ended)

    def begin(self) -> None:
        """Begin a phase: the kept weights go on (or fresh ones do); optimiser, warm-up and selection start again."""
        phase = self.setup.phases[self.at.phase]
        source = self._learned() if self.at.phase and self.total.looks_back else None
        if self.at.phase and phase.fresh:
            self._fresh_model()
        self._fresh_optimiser()
        self.at.best, self.kept = None, {}
        self._begin_phase(phase, source)

    def _begin_phase(self, phase: Phase, source: dict[str, Tensor] | None) -> None:
        self.varying, self.looks = phase.varying(), inside.looks(phase)
        groups = self._learn(phase)
        before = sorted({key for one in self.setup.phases[: self.at.phase] for key in one.weights})
        heads = {key: self._head(key) for key in self.setup.rows}
        seen = Answers(self.model)
        self.total.begin(Begin(self.model, phase, source, before, heads, self._losses, seen, self.setup.task.name))
        self.optimiser.arrange(groups, self.total.parameters())

    def _learn(self, phase: Phase) -> list[tuple[list[nn.Parameter], float]]:
        """Let learn what the tuning says for this epoch; nothing where that is what learns already."""
        self.frozen.forget()
        groups = self.setup.tuning.groups(self.model, Progress(self.at.epoch, phase.epochs))
        learning = [p for parameters, _ in groups for p in parameters]
        arranged = [([id(p) for p in parameters], factor) for parameters, factor in groups]
        if arranged == self.arranged:
            return []
        self.arranged = arranged
        depth = self.model.learn(learning)
        names = {id(p): name for name, p in self.model.named_parameters()}
        fresh = {names[id(p)] for p in learning} - set(self.at.touched)
        if self.kept:  # they stand as they stood when those were kept
            self.kept |= self.model.copies(fresh)
        self.at.touched = sorted({*self.at.touched, *fresh})
        self.frozen.arrange(self.model, depth, self.at.touched)
        heads = {id(p) for p in self.model.heads.parameters()}
        self.shared = [p for p in learning if id(p) not in heads]
        return groups

    def _losses(self, key: str, most: int) -> Iterator[Tensor]:
        """The loss of each of some examples that a context learns from, without dropout."""
        rows = self.setup.rows[key]
        self._training(False)
        for row in evaluation.some(rows.learn, most):
            batch = rows.encoded.batch(np.array([row]))
            yield self.setup.task.loss(self._forward(key, batch)[1], batch)
        self._training(True)

    def _phase(self, phase: Phase) -> Iterator[Event]:
        current = self.at.phase
        while self.at.phase == current:
            while self.at.update < phase.updates:
                yield self._updated(self._update(phase))
            yield self._epoch_over(phase)

    def _updated(self, values: dict[str, float]) -> Event:
        """An update has been made: this is what it logs."""
        if self.at.epoch == self.at.update == 0:  # so that a curve knows its scale before the first epoch is over
            values |= self.at.counts(self.setup.rows)
        self.at.step, self.at.update = self.at.step + 1, self.at.update + 1
        return self._event("step", values)

    def _epoch_over(self, phase: Phase) -> Event:
        """The last update of an epoch has been made."""
        self.at.epoch, self.at.update = self.at.epoch + 1, 0
        return self._event("epoch", self._end_epoch(phase))

    def _end_epoch(self, phase: Phase) -> dict[str, float]:
        """Evaluate and select; at the end of a phase take the kept weights and begin the next."""
        values = self._look() | self._select(phase)
        self.total.balancer.epoch()
        if self.at.epoch < phase.epochs:
            if groups := self._learn(phase):
                self.optimiser.arrange(groups, self.total.parameters())
            return values
        self.frozen.forget()  # made from the last weights, not the kept ones
        if self.kept:
            self.model.put(self.kept)
        else:
            self.at.kept_step = self.at.step
        self.at.phase, self.at.epoch = self.at.phase + 1, 0
        if self.handover and self.at.phase == 1:
            self.handover.keep(self.model, self.at, values)
        return values | self._hand_over()

    def _hand_over(self) -> dict[str, float]:
        """Begin the phase that is next, if there is one."""
        if self.at.phase == len(self.setup.phases):
            return {}
        self.begin()
        return {"phase": float(self.at.phase)}

    def _select(self, phase: Phase) -> dict[str, float]:
        rows = self.setup.rows[phase.select_on].select if phase.select_on else np.empty(0)
        if self.setup.config.keep == "last" or not len(rows):
            return {}
        lack, margin = self.evaluator.lack(phase.select_on, rows)
        best = math.inf if self.at.best is None else self.at.best
        if not math.isfinite(lack) or lack - margin >= best:
            return {}
        self.at.best, self.at.kept_step = min(lack, best), self.at.step
        self.kept = self._learned()
        return {"kept": 1.0}

    def _update(self, phase: Phase) -> dict[str, float]:
        done, total = self.at.epoch * phase.updates + self.at.update, phase.epochs * phase.updates
        self.optimiser.begin(done, total)
        losses, batches, hidden, out, stated = {}, {}, {}, {}, {}
        for key in phase.active(done):
            batches[key] = self._next(key)
            hidden[key], out[key], stated[key] = self._forward(key, batches[key])
            losses[key] = loss_of(self.setup.task, out[key], batches[key], self.setup.class_weights[key])
        weights = {key: phase.weights[key](done / total) for key in losses}
        further = self.further(self.at.batches.get("target", 0))
        seen = Step(self.model, done / total, batches, hidden, out, further, stated)
        looks = bool(self.shared) and done in self.looks
        told = inside.told(self.model, losses, self.shared, self.total.plain) if looks else {}
        values = self.total.backward(losses, weights, seen, self.shared)
        values |= (told or inside.alone(weights, self.shared)) | self.optimiser.rates() if looks else {}
        values |= {f"lambda/{key}": weights[key] for key in losses if key in self.varying}
        values["grad_norm"] = self.optimiser.step()
        self.total.bounded(values, self.at.step + 1)
        return values

    def _next(self, key: str) -> Batch:
        batch = self.setup.batches[key][self.at.batches.get(key, 0)]
        self.at.take(key, len(batch), batch.changed)
        return batch

    def _forward(self, key: str, batch: Batch) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """What the head reads ``[B, …]``, what it says, and by what it says that if it writes."""
        hidden = mixed(self._hidden(batch), batch)
        return hidden, *said(self._head(key), hidden, batch)

    def _hidden(self, batch: Batch) -> Tensor:
        return self.model.run(batch, start=self.frozen.reach, hidden=self.frozen(batch))

    def _head(self, key: str) -> nn.Module:
        head: nn.Module = self.model.heads[space_of(self.setup.rows[key].context.labels)]
        return head

    def _training(self, on: bool) -> None:
        self.model.training_above(self.frozen.depth, on)

    def _look(self, first: bool = False) -> dict[str, float]:
        """Every context's validation metrics, and the examples seen so far."""
        return {"lr_factor": self.optimiser.rate} | self.evaluator.look(first) | self.at.counts(self.setup.rows)

    def _event(self, kind: Literal["start", "step", "epoch"], values: dict[str, float]) -> Event:
        if self.handover and self.at.phase == 0:
            self.handover.note(self.at.step, kind, values)
        ended = self.handover.ended(self.at) if self.handover else None
        return Event(self.at.step, self.setup.steps, kind, values, self.snapshot, ended=ended)

    def _end(self) -> Event:
        final, outputs = self.evaluator.test()
        final |= {"parameters": self.model.counts(self.at.touched), "steps": self.setup.steps}
        final |= self.setup.tuning.found(self.model) | self.at.results(self.setup.rows)
        self.frozen.forget()
        return Event(self.at.step, self.setup.steps, "end", {}, self.snapshot, final, outputs)

    def _learned(self) -> dict[str, Tensor]:
        """A copy of every weight that has learned."""
        return self.model.copies(self.at.touched)

    def snapshot(self) -> State:
        """Everything a resumed run needs: weights that learned, moments, generator, position."""
        tensors = under("model", self._learned()) | under("kept", self.kept)
        tensors |= under("optimiser", self.optimiser.state()) | {"generator": torch.get_rng_state()}
        tensors |= self.total.state()
        return State(tensors, asdict(self.at) | {"rate": self.optimiser.rate})

    def _load(self, state: State) -> None:
        self.at = Position(**{name: value for name, value in state.meta.items() if name != "rate"})
        self.model.put(state.part("model"))
        self.kept = state.part("kept")
        self._arrange(state.part("source") if self.at.phase else None)
        self.optimiser.load(state.part("optimiser"))
        self.optimiser.rate = state.meta["rate"]
        self.total.load(state)
        torch.set_rng_state(state.tensors["generator"])

    def _arrange(self, source: dict[str, Tensor] | None = None) -> None:
        """Let learn what learns where it stands; at the end of all, what learnt last."""
        ended = self.at.phase == len(self.setup.phases)
        phase = self.setup.phases[-1 if ended else self.at.phase]
        epoch, self.at.epoch = self.at.epoch, phase.epochs - 1 if ended else self.at.epoch
        self._fresh_optimiser()
        self._begin_phase(phase, source)
        self.at.epoch = epoch
