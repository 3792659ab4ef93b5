"""What the tests of the store and its processes share: a small real run, waiting on rows, the truth to compare with."""

import time
from collections.abc import Callable
from typing import Any

import torch

from ctx.config import RunConfig
from ctx.store import Store
from ctx.train import train

PATIENCE = 120.0


def lesson(seed: int = 0, epochs: int = 2, tuning: str = "full", size: int = 20) -> RunConfig:
    """A real run of 50 updates an epoch, about a millisecond each."""
    return RunConfig.model_validate(
        {
            "sources": [{"id": "lesson/base"}],
            "target": {"id": "lesson/relative", "size": size},
            "backbone": {"name": "mlp"},
            "tuning": {"name": tuning},
            "optim": {"epochs": epochs},
            "seed": seed,
        }
    )


def until(condition: Callable[[], Any], what: str) -> Any:
    """What the condition gives once it holds; fails, naming ``what``, when it never does."""
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {PATIENCE:g} s in vain: {what}")


def ended(store: Store, run_id: str) -> Any:
    """The run once it has ended."""
    until(lambda: store.run(run_id).state in ("done", "stopped", "failed"), f"run {run_id} ends")
    return store.run(run_id)


def truth(config: RunConfig) -> tuple[dict[tuple[str, int], float], dict[str, torch.Tensor], dict[str, Any]]:
    """Points, final weights and results of the run that nothing interrupts, trained here on one thread."""
    torch.set_num_threads(1)
    points: dict[tuple[str, int], float] = {}
    for event in train(config):
        points |= {(name, event.step): value for name, value in event.values.items()}
        if event.kind == "end":
            return points, event.snapshot().weights().tensors, dict(event.final or {})
    raise AssertionError("the run never ended")


def stored(store: Store, run_id: str) -> dict[tuple[str, int], float]:
    """The points that the store has; a doubled one fails."""
    frame = store.points([run_id])
    columns = (frame["name"], frame["step"], frame["value"])
    found = {(name, int(step)): float(value) for name, step, value in zip(*columns, strict=True)}
    assert len(found) == len(frame)
    return found
