"""A small model in float64 and updates of it by hand, for the tests of penalties."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ctx.answers import Answers
from ctx.batches import Batch, Encoded
from ctx.layers import LinearHead, TakeHidden, TakeInputs
from ctx.model import Model
from ctx.parts import Begin, Choice, Penalty, Step
from ctx.plan import Phase, constant
from ctx.pull import learning
from ctx.registry import make

INPUTS, WIDTH, CLASSES = 4, 3, 3


def part(name: str, **knobs: object) -> Penalty:
    found: Penalty = make("penalties", Choice(name=name, knobs=knobs))
    return found


def model(seed: int = 0) -> Model:
    """One layer of tanh and two heads, "old" and "new"."""
    torch.manual_seed(seed)
    layer = TakeHidden(nn.Sequential(nn.Linear(INPUTS, WIDTH), nn.Tanh()))
    blocks: list[tuple[str, nn.Module]] = [("embedding", TakeInputs(nn.Identity())), ("layer1", layer)]
    return Model(blocks, {name: LinearHead(WIDTH, CLASSES) for name in ("old", "new")}, WIDTH).double()


def batch(seed: int, rows: int = 6) -> Batch:
    random = np.random.default_rng(seed)
    inputs, targets = random.normal(size=(rows, INPUTS)), random.integers(0, CLASSES, rows)
    encoded = Encoded(f"made {seed}", [], list(inputs), targets, targets, np.full(rows, INPUTS), False)
    return encoded.batch(np.arange(rows))


def begin(
    built: Model,
    source: Mapping[str, Tensor] | None = None,
    heads: Sequence[str] = ("old", "old"),
    phase: Phase | None = None,
    seed: int = 1,
) -> Begin:
    """The target's phase begins; ``heads``: the source's and the target's. Losses are the source's, of batch 1."""

    def losses(key: str, most: int) -> Iterator[Tensor]:
        assert key == "source"
        seen = batch(seed)
        for row in range(min(most, len(seen))):
            one = seen.encoded.batch(np.array([row]))
            yield cross_entropy(built.heads[heads[0]](built.run(one), one), one.targets)

    own = {key: built.heads[name] for key, name in zip(("source", "target"), heads, strict=True)}
    phase = phase or Phase("target", 1, 10, {"target": constant(1)})
    before = ["source"] if source is not None else []
    return Begin(
        model=built,
        phase=phase,
        source=source,
        before=before,
        heads=own,
        losses=losses,
        answers=Answers(built),
        task="classification",
    )


def step(built: Model, batches: Mapping[str, Batch], started: Begin, progress: float = 0.5) -> Step:
    hidden = {key: built.run(one) for key, one in batches.items()}
    out = {key: started.heads[key](hidden[key], one) for key, one in batches.items()}
    return Step(built, progress, batches, hidden, out, lambda: (UNREAD, built.run(UNREAD)))


def moved(built: Model, seed: int = 5) -> dict[str, Tensor]:
    """A copy of the weights, which then move a little."""
    before = {name: p.detach().clone() for name, p in built.named_parameters()}
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in built.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=random, dtype=p.dtype))
    return before


def differences(value: Callable[[], float], tensor: Tensor, by: float = 1e-6) -> np.ndarray:
    """The gradient of a value by a tensor's numbers, by central differences."""
    found = np.zeros(tensor.numel())
    flat = tensor.detach().view(-1)
    for i in range(len(flat)):
        kept = float(flat[i])
        ends = []
        for sign in (1, -1):
            flat[i] = kept + sign * by
            ends.append(value())
        flat[i] = kept
        found[i] = (ends[0] - ends[1]) / (2 * by)
    return found.reshape(tensor.shape)


def check_gradients(value: Callable[[], Tensor], tensors: Sequence[Tensor]) -> float:
    """Autograd's gradients are the finite differences; gives the largest."""
    grads = torch.autograd.grad(value(), list(tensors), allow_unused=True)
    largest = 0.0
    for tensor, grad in zip(tensors, grads, strict=True):
        numeric = differences(lambda: value().item(), tensor)
        given = np.zeros(tensor.shape) if grad is None else grad.numpy()
        np.testing.assert_allclose(given, numeric, rtol=1e-6, atol=1e-8)
        largest = max(largest, float(np.abs(numeric).max()))
    return largest


def weights(built: Model) -> list[Tensor]:
    return list(learning(built).values())


def total(penalty: Penalty, seen: Step) -> torch.Tensor:
    return torch.stack(list(penalty.terms(seen).values())).sum()


UNREAD = batch(4, 7)
BOTH = {"source": batch(2, 6), "target": batch(3, 5)}
TARGET = {"target": BOTH["target"]}
