"""What an update minimises: the contexts' losses as the balancer weighs them, and the terms of the penalties."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ctx.errors import RunFailed
from ctx.parts import Balancer, Begin, Penalty, Step
from ctx.registry import make
from ctx.state import State, under

if TYPE_CHECKING:
    from ctx.config import RunConfig


HEAVY = 1000  # times a loss: by then it is its weight that makes it large
EXPLODED = 10_000  # times all losses and one: what a penalty adds is then all that an update minimises


class Total:
    """The balancer and the penalties of one run."""

    def __init__(self, config: RunConfig) -> None:
        self.balancer: Balancer = make("balancers", config.balancer)
        self.penalties: list[Penalty] = [make("penalties", choice) for choice in config.penalties]
        self.parts = (self.balancer, *self.penalties)
        self.last: Mapping[str, float] = {}  # what the last update gave

    @property
    def plain(self) -> bool:
        """Whether the gradients of an update are those of the losses, weighed as they are set, and of nothing else."""
        return self.balancer.plain and not self.penalties

    @property
    def looks_back(self) -> bool:
        """Whether a penalty reads the weights handed over."""
        return any(penalty.looks_back for penalty in self.penalties)

    def begin(self, begin: Begin) -> None:
        """A phase begins."""
        for part in self.parts:
            part.begin(begin)

    def parameters(self) -> list[nn.Parameter]:
        """What learns beside the model."""
        return [p for part in self.parts for p in part.parameters()]

    def backward(
        self, losses: Mapping[str, Tensor], weights: Mapping[str, float], step: Step, shared: Sequence[nn.Parameter]
    ) -> dict[str, float]:
        """Fill the gradients; what the update logs."""
        values = {f"loss/{key}": loss.item() for key, loss in losses.items()}
        values |= self._penalise(step)
        used = self.balancer.backward(losses, weights, shared)
        values |= self._terms(replace(step, after=True))
        values |= {f"weighted/{key}": used[key] * values[f"loss/{key}"] for key in losses}
        summed = sum(v for name, v in values.items() if name.startswith(("weighted/", "term/")))
        values["total"] = summed + self.balancer.beside
        return values | {f"told/{part.name}/{name}": v for part in self.parts for name, v in part.told().items()}

    def _penalise(self, step: Step) -> dict[str, float]:
        """Add the terms' gradients; beside a plain balancer its one pass through the layers carries them along."""
        along = self.balancer.plain
        seen = _cut(step) if along else step
        found = self._terms(seen, keep=not along)
        if along:
            _carry(step.hidden, seen.hidden)
            _carry(step.out, seen.out)
            for key, told in step.told.items():
                _carry(dict(enumerate(told)), dict(enumerate(seen.told[key])))
        return found

    def _terms(self, step: Step, keep: bool = False) -> dict[str, float]:
        """Add the gradients of the terms that are asked for then; ``keep``: the losses need the graph."""
        terms = {
            f"term/{penalty.name}/{name}": term
            for penalty in self.penalties
            if penalty.pulls == step.after
            for name, term in penalty.terms(step).items()
        }
        learnt = [term for term in terms.values() if term.requires_grad]
        if learnt:
            torch.autograd.backward(torch.stack(learnt).sum(), retain_graph=keep)
        return {name: term.item() for name, term in terms.items()}

    def bounded(self, values: Mapping[str, float], step: int) -> None:
        """Raise RunFailed where a number of an update is finite no more, or a penalty is all; with what to lower."""
        if not math.isfinite(values["total"]) or not math.isfinite(values["grad_norm"]):
            guilty = self._guilty(values)
        elif not (guilty := self._heaviest(values, EXPLODED * (1 + _size(values, "weighted/")))):
            self.last = values
            return
        raise RunFailed(f"It diverged at step {step}: the loss grew beyond all bounds. Lower {guilty}.")

    def _guilty(self, values: Mapping[str, float]) -> str:
        """What made it diverge: a penalty larger than all losses, or a weight that made them so large.

        Where losses are finite no more, by the update before.
        """
        losses = _size(values, "weighted/")
        if not math.isfinite(losses) and self.last:
            values, losses = self.last, _size(self.last, "weighted/")
        if math.isfinite(losses) and (penalty := self._heaviest(values, losses)):
            return penalty
        heavy = losses > HEAVY * _size(values, "loss/")
        return "λ or the weights of the sources" if heavy else "the learning rates"

    def _heaviest(self, values: Mapping[str, float], most: float) -> str:
        """The first penalty that adds more than that, or what is no number; "" where none does."""
        names = (one.name for one in self.penalties if not _size(values, f"term/{one.name}/") <= most)
        return next((f"the weight of the penalty {name}" for name in names), "")

    def state(self) -> dict[str, Tensor]:
        """What a resumed run needs of the parts."""
        found: dict[str, Tensor] = {}
        for part in self.parts:
            found |= under(f"part/{part.name}", part.state())
        handed = {name: value for penalty in self.penalties for name, value in penalty.handed().items()}
        return found | under("source", handed)

    def load(self, state: State) -> None:
        """Take back what `state` gave."""
        for part in self.parts:
            part.load(state.part(f"part/{part.name}"))


def _cut(step: Step) -> Step:
    """The same numbers, no gradient passing on from them."""
    hidden, out = ({key: _own(one) for key, one in each.items()} for each in (step.hidden, step.out))
    told = {key: tuple(_own(one) for one in each) for key, each in step.told.items()}
    return replace(step, hidden=hidden, out=out, told=told)


def _own(one: Tensor) -> Tensor:
    return one.detach().requires_grad_(one.requires_grad)


def _carry(whole: Mapping[Any, Tensor], cut: Mapping[Any, Tensor]) -> None:
    """The next backward pass through these adds the gradients that stopped at their copies."""
    for key, one in cut.items():
        if one.grad is not None:
            whole[key].register_hook(partial(torch.add, one.grad))  # type: ignore[no-untyped-call]


def _size(values: Mapping[str, float], begins: str) -> float:
    """The sizes of the values whose names begin so, added up."""
    return sum(abs(value) for name, value in values.items() if name.startswith(begins))
