"""A problem of two shared parameters and a head a context, its gradients by hand, for the tests of balancers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ctx.answers import Answers
from ctx.model import Model
from ctx.objectives import Begin
from ctx.parts import Balancer, Choice
from ctx.plan import Phase, constant
from ctx.registry import make, registry

KEYS = ("source", "source.2", "target")
LAM = {"source": 1.0, "source.2": 0.5, "target": 2.0}
BALANCERS = sorted(set(registry("balancers")) - {"fixed"})
GRADIENT = ["pcgrad", "upgrad"]  # those that change gradients, not weights
WEIGHTS = sorted(set(BALANCERS) - set(GRADIENT))
AT = np.array([0.7, -0.4])
LINES = {  # L = ½ (x·a − y)² · h, of the two shared parameters a and the context's own h
    "agree": {"source": ([1.0, 0.2], 2.0), "source.2": ([0.5, 0.3], 1.5), "target": ([0.8, 0.1], 3.0)},
    "conflict": {"source": ([1.0, 0.2], 2.0), "source.2": ([-0.6, 1.0], 1.5), "target": ([-0.8, 0.3], 3.0)},
}


class Own(nn.Module):
    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.tensor(values, dtype=torch.float64))


def _nothing(key: str, most: int) -> Iterator[Tensor]:
    return iter(())


class Problem:
    """Two shared parameters, a head a context; gradients by hand."""

    def __init__(self, kind: str, keys: tuple[str, ...] = ("source", "target")) -> None:
        self.lines = {key: LINES[kind][key] for key in keys}
        self.shared, self.heads = Own(AT.tolist()), {key: Own([1.0 + i]) for i, key in enumerate(keys)}
        self.model = Model([("layer", self.shared)], {key.replace(".", "_"): head for key, head in self.heads.items()})

    def losses(self) -> dict[str, Tensor]:
        return {
            key: 0.5 * (torch.tensor(x, dtype=torch.float64) @ self.shared.values - y) ** 2 * self.heads[key].values[0]
            for key, (x, y) in self.lines.items()
        }

    def known(self, key: str) -> tuple[float, np.ndarray, float]:
        """The loss, its gradient on the shared parameters, and on the head."""
        (x, y), head = self.lines[key], self.heads[key].values.item()
        off = float(np.dot(x, self.shared.values.detach().numpy()) - y)
        return 0.5 * off**2 * head, off * head * np.array(x), 0.5 * off**2

    def begin(self, name: str, task: str = "classification", **knobs: float) -> Balancer:
        phase = Phase("joint", 3, 4, {key: constant(LAM[key]) for key in self.lines})
        balancer: Balancer = make("balancers", Choice(name=name, knobs=knobs))
        balancer.begin(self._begin(phase, task))
        return balancer

    def _begin(self, phase: Phase, task: str) -> Begin:
        return Begin(
            model=self.model,
            phase=phase,
            source=None,
            before=(),
            heads=self.heads,
            losses=_nothing,
            answers=Answers(self.model),
            task=task,
        )

    def update(self, balancer: Balancer, keys: tuple[str, ...] = ()) -> dict[str, float]:
        """One backward pass; the gradients are then found in the model."""
        self.model.zero_grad()
        losses = {key: loss for key, loss in self.losses().items() if key in (keys or self.lines)}
        return balancer.backward(losses, {key: LAM[key] for key in losses}, [self.shared.values])

    def gradient(self) -> np.ndarray:
        assert self.shared.values.grad is not None
        return self.shared.values.grad.numpy()

    def weighted(self, used: dict[str, float]) -> np.ndarray:
        return np.sum([weight * self.known(key)[1] for key, weight in used.items()], axis=0)


def caught(balancer: Balancer) -> list[dict[str, float]]:
    """The gradients of what is learnt, which then stays as it is."""
    found: list[dict[str, float]] = []
    balancer.learnt.step = lambda gradients: found.append(dict(gradients))  # type: ignore[attr-defined]
    return found


def slopes(of: Callable[[np.ndarray], float], at: np.ndarray, near: float = 1e-6) -> np.ndarray:
    steps = near * np.eye(len(at))
    return np.array([(of(at + step) - of(at - step)) / (2 * near) for step in steps])
