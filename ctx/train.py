"""The loop: phases → epochs → a batch of every active context → frozen prefix → losses → one step.

It yields an event a step and knows no store and no page. Same configuration and thread count, same numbers to the bit;
a run resumed from any event's snapshot gives what the uninterrupted one would have given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ctx import evaluation
from ctx.batches import ContextRows, rows_of
from ctx.config import RunConfig, canonical
from ctx.model import Model, build, space_of
from ctx.optim import Optimiser
from ctx.parts import Balancer, Penalty, Step
from ctx.plan import Phase
from ctx.prefix import Memo, memo
from ctx.registry import make
from ctx.state import State, under


@dataclass(frozen=True)
class Event:
    """What happened: ``values`` are the metrics of ``step``, of ``steps`` in all; the last one has the results.

    ``snapshot()`` is the whole state at this moment; ``final`` is plain data, ``outputs`` the test split's logits
    ``[N, …]`` by "test/<context>".
    """

    step: int
    steps: int
    kind: Literal["start", "step", "epoch", "end"]
    values: Mapping[str, float]
    snapshot: Callable[[], State]
    final: dict[str, Any] | None = None
    outputs: dict[str, np.ndarray] | None = None


def train(config: RunConfig, resume: State | None = None, features: Memo = memo) -> Iterator[Event]:
    """Train one configuration; raises CtxError for what a person can mend."""
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    yield from Trainer(canonical(config), features).run(resume)


@dataclass
class Position:
    """Where a run stands: plain numbers, kept in every snapshot."""

    step: int = 0
    phase: int = 0
    epoch: int = 0
    update: int = 0
    kept_step: int = 0
    best: float | None = None
    touched: list[str] = field(default_factory=list)
    batches: dict[str, int] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)


class Trainer:
    """One run. ``config`` is canonical."""

    def __init__(self, config: RunConfig, features: Memo) -> None:
        self.config, self.features = config, features
        self.task = config.task()
        backbone = make("backbones", config.backbone)
        self.rows: dict[str, ContextRows] = {
            key: rows_of(config, choice, backbone, self.task) for key, choice in config.contexts().items()
        }
        self.weights = f"{config.backbone.model_dump_json()}:{backbone.digest(config.seed)}"
        self.tuning = make("tunings", config.tuning)
        self.balancer: Balancer = make("balancers", config.balancer)
        self.penalties: list[Penalty] = [make("penalties", choice) for choice in config.penalties]
        sizes = {key: len(rows.learn) for key, rows in self.rows.items()}
        self.phases = make("schedules", config.schedule).phases(config, sizes)
        self.steps = sum(phase.epochs * phase.updates for phase in self.phases)
        self.samplers = {key: rows.sampler(config, key) for key, rows in self.rows.items()}
        self.class_weights = {key: self._class_weights(rows) for key, rows in self.rows.items()}
        self.at = Position()
        self.kept: dict[str, Tensor] = {}
        self.source: dict[str, Tensor] | None = None
        self._fresh_model()

    def _fresh_model(self) -> None:
        """The model as the draw's seed gives it, the tuning installed, and its optimiser."""
        self.model: Model = build(self.config, self.rows, self.task)
        self.tuning.install(self.model)
        self.model.learn([])
        self.depth = len(self.model.blocks)
        self.optimiser = Optimiser(self.config, self.model)

    def run(self, resume: State | None) -> Iterator[Event]:
        """All events from the start, or those after a snapshot."""
        torch.manual_seed(self.config.seed)
        if resume:
            self._load(resume)
        else:
            self._begin(self.phases[0])
            yield self._event("start", self._first_look())
        while self.at.phase < len(self.phases):
            yield from self._phase(self.phases[self.at.phase])
        yield self._end()

    # -- phases and epochs

    def _begin(self, phase: Phase) -> None:
        """Hand over: the kept weights go on (or fresh ones do); optimiser, warm-up and selection start again."""
        if self.at.phase:
            self.source = self._learned()
            if phase.fresh:
                self._fresh_model()
                self.at.touched = []
            self.optimiser = Optimiser(self.config, self.model)
        self.at.best, self.kept = None, {}
        for penalty in self.penalties:
            penalty.begin(self.model, phase, self.source)
        self._begin_epoch(phase)

    def _begin_epoch(self, phase: Phase) -> None:
        groups = self.tuning.groups(self.model, self.at.epoch / phase.epochs)
        learning = [p for parameters, _ in groups for p in parameters]
        self.depth = self.model.learn(learning)
        extra = [p for part in (self.balancer, *self.penalties) for p in part.parameters()]
        self.optimiser.arrange(groups, extra)
        names = {id(p): name for name, p in self.model.named_parameters()}
        self.at.touched = sorted({*self.at.touched, *(names[id(p)] for p in learning if id(p) in names)})
        heads = {id(p) for p in self.model.heads.parameters()}
        self.shared = [p for p in learning if id(p) not in heads]

    def _phase(self, phase: Phase) -> Iterator[Event]:
        current = self.at.phase
        while self.at.phase == current:
            while self.at.update < phase.updates:
                yield self._event("step", self._update(phase))
            self.at.epoch, self.at.update = self.at.epoch + 1, 0
            yield self._event("epoch", self._end_epoch(phase))

    def _end_epoch(self, phase: Phase) -> dict[str, float]:
        """Evaluate and select; at the end of a phase take the kept weights and begin the next."""
        values = self._look(evaluation.CURVE)
        values |= self._select(phase)
        if self.at.epoch < phase.epochs:
            self._begin_epoch(phase)
            return values
        if self.kept:
            self._put(self.kept)
        else:
            self.at.kept_step = self.at.step
        self.at.phase, self.at.epoch = self.at.phase + 1, 0
        if self.at.phase < len(self.phases):
            values["phase"] = float(self.at.phase)
            self._begin(self.phases[self.at.phase])
        return values

    def _select(self, phase: Phase) -> dict[str, float]:
        rows = self.rows[phase.select_on].select if phase.select_on else np.empty(0)
        if self.config.keep == "last" or not len(rows):
            return {}
        loss = self._evaluate(phase.select_on, rows)["loss"]
        if self.at.best is not None and loss >= self.at.best:
            return {}
        self.at.best, self.at.kept_step = loss, self.at.step
        self.kept = self._learned()
        return {"kept": 1.0}

    # -- one update

    def _update(self, phase: Phase) -> dict[str, float]:
        done, total = self.at.epoch * phase.updates + self.at.update, phase.epochs * phase.updates
        progress = done / total
        self.optimiser.begin(done, total)
        losses, batches, hidden = {}, {}, {}
        for key in self._active(phase):
            batches[key] = self._next(key)
            hidden[key], out = self._forward(key, batches[key])
            losses[key] = self.task.loss(out, batches[key], self.class_weights[key])
        weights = {key: phase.weights[key](progress) for key in losses}
        values = {f"loss/{key}": loss.item() for key, loss in losses.items()}
        values |= self._penalise(Step(self.model, progress, batches, hidden))
        used = self.balancer.backward(losses, weights, self.shared)
        values |= {f"weighted/{key}": used[key] * values[f"loss/{key}"] for key in losses}
        values["total"] = sum(v for name, v in values.items() if name.startswith(("weighted/", "term/")))
        values["grad_norm"] = self.optimiser.step()
        self.at.step, self.at.update = self.at.step + 1, self.at.update + 1
        return values

    def _active(self, phase: Phase) -> list[str]:
        """The contexts that have a batch in this step: those whose share fills up here."""
        n = self.at.epoch * phase.updates + self.at.update
        shares = {key: phase.shares.get(key, 1.0) for key in phase.weights}
        return [key for key, share in shares.items() if int((n + 1) * share + 1e-9) > int(n * share + 1e-9)]

    def _next(self, key: str) -> Any:
        n = self.at.batches.get(key, 0)
        batch = self.rows[key].encoded.batch(self.samplers[key][n])
        self.at.batches[key] = n + 1
        self.at.seen[key] = self.at.seen.get(key, 0) + len(batch)
        return batch

    def _forward(self, key: str, batch: Any) -> tuple[Tensor, Tensor]:
        """What the head reads ``[B, …]``, and what it says."""
        below = self.features.hidden(self.model, self._prefix_name(), self.depth, batch)
        hidden = self.model.run(batch, start=self.depth, hidden=below)
        return hidden, self.model.heads[space_of(self.rows[key].context.labels)](hidden, batch)

    def _prefix_name(self) -> str:
        """Names the weights of the frozen prefix; once a block of it has learned, only this run's step can."""
        prefix = tuple(f"blocks.{name}." for name in list(self.model.blocks)[: self.depth])
        touched = any(name.startswith(prefix) for name in self.at.touched) if prefix else False
        return f"{self.weights}:{id(self)}:{self.at.phase}:{self.at.epoch}" if touched else self.weights

    def _penalise(self, step: Step) -> dict[str, float]:
        terms = {
            f"term/{penalty.name}/{name}": term
            for penalty in self.penalties
            for name, term in penalty.terms(step).items()
        }
        if terms:
            torch.stack(list(terms.values())).sum().backward(retain_graph=True)
        return {name: term.item() for name, term in terms.items()}

    def _class_weights(self, rows: ContextRows) -> Tensor | None:
        if not self.config.optim.class_balanced or not rows.context.labels:
            return None
        counts = np.bincount(rows.encoded.targets[rows.learn].ravel(), minlength=len(rows.context.labels))
        return torch.from_numpy(counts.sum() / (len(counts) * np.maximum(counts, 1))).float()

    # -- looking

    def _outputs(self, key: str, rows: np.ndarray) -> np.ndarray:
        """Logits ``[N, …]`` of rows in their order."""
        self.model.eval()
        out = evaluation.outputs(lambda batch: self._forward(key, batch)[1], self.rows[key].encoded, rows)
        self.model.learn([p for p in self.model.parameters() if p.requires_grad])
        return out

    def _evaluate(self, key: str, rows: np.ndarray) -> dict[str, float]:
        return self.task.evaluate(self._outputs(key, rows), self.rows[key].encoded.targets[rows])

    def _look(self, most: int) -> dict[str, float]:
        """Every context's validation metrics, on at most so many examples, and the examples seen so far."""
        values = {"lr": self.optimiser.rate}
        for key, rows in self.rows.items():
            metrics = self._evaluate(key, evaluation.some(rows.validation, most))
            values |= {f"validation/{key}/{name}": value for name, value in metrics.items()}
            values[f"seen/{key}"] = float(self.at.seen.get(key, 0))
        return values

    def _first_look(self) -> dict[str, float]:
        values = self._look(evaluation.FIRST)
        for key, rows in self.rows.items():
            targets = rows.encoded.targets
            values[f"constant/{key}"] = self.task.floor(targets[rows.learn], targets[rows.validation])["loss"]
        return values | {"phase": 0.0}

    def _event(self, kind: Literal["start", "step", "epoch"], values: dict[str, float]) -> Event:
        return Event(self.at.step, self.steps, kind, values, self.snapshot)

    def _end(self) -> Event:
        outputs = {f"test/{key}": self._outputs(key, rows.test) for key, rows in self.rows.items()}
        used = {key for phase in self.phases for key in phase.weights}
        final = evaluation.results(self.task, self.rows, outputs, used) | {
            "updates": {key: self.at.batches.get(key, 0) for key in self.rows},
            "seen": {key: self.at.seen.get(key, 0) for key in self.rows},
            "parameters": self._parameter_counts(),
            "kept_step": self.at.kept_step,
            "steps": self.steps,
        }
        return Event(self.at.step, self.steps, "end", {}, self.snapshot, final, outputs)

    def _parameter_counts(self) -> dict[str, int]:
        touched = set(self.at.touched)
        learn = sum(p.numel() for name, p in self.model.named_parameters() if name in touched)
        return {"learn": learn, "total": sum(p.numel() for p in self.model.parameters())}

    # -- state

    def _learned(self) -> dict[str, Tensor]:
        """A copy of every weight that has learned."""
        touched = set(self.at.touched)
        return {name: p.detach().clone() for name, p in self.model.named_parameters() if name in touched}

    def _put(self, weights: Mapping[str, Tensor]) -> None:
        parameters = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, value in weights.items():
                parameters[name].copy_(value)

    def snapshot(self) -> State:
        """Everything a resumed run needs: weights that learned, moments, generators, positions."""
        tensors = under("model", self._learned()) | under("kept", self.kept) | under("source", self.source or {})
        tensors |= under("optimiser", self.optimiser.state()) | {"generator": torch.get_rng_state()}
        for part in (self.balancer, *self.penalties):
            tensors |= under(f"part/{part.name}", part.state())
        return State(tensors, asdict(self.at) | {"rate": self.optimiser.rate})

    def _load(self, state: State) -> None:
        meta = dict(state.meta)
        rate = meta.pop("rate")
        self.at = Position(**meta)
        self._put(state.part("model"))
        self.kept, self.source = state.part("kept"), state.part("source") if self.at.phase else None
        if self.at.phase < len(self.phases):
            phase = self.phases[self.at.phase]
            for penalty in self.penalties:
                penalty.begin(self.model, phase, self.source)
            self._begin_epoch(phase)
            self.optimiser.load(state.part("optimiser"))
        self.optimiser.rate = rate
        for part in (self.balancer, *self.penalties):
            part.load(state.part(f"part/{part.name}"))
        torch.set_rng_state(state.tensors["generator"])
