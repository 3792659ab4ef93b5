"""Where a run stands, what happens there, and its whole state: what a checkpoint holds and a run is resumed from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor


@dataclass
class Position:
    """Where a run stands, as plain numbers: ``update`` of ``epoch`` of ``phase``, after ``step`` updates in all.

    ``best`` and ``kept_step``: the least that weights of this phase lacked (`ctx.evaluation.Evaluator.lack`) and where;
    ``touched``: the parameters that have ever learned; ``batches`` and ``seen``: batches and examples taken of each
    context; ``changed``: those of them that an augmentation changed, empty without one; ``taken_over``: updates of
    another run that this one goes on from.
    """

    step: int = 0
    phase: int = 0
    epoch: int = 0
    update: int = 0
    kept_step: int = 0
    best: float | None = None
    touched: list[str] = field(default_factory=list)
    batches: dict[str, int] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    taken_over: int = 0

    def counts(self, keys: Iterable[str]) -> dict[str, float]:
        """The examples seen, and those of them that were changed, as metrics."""
        changed = {f"changed/{key}": float(count) for key, count in self.changed.items()}
        return {f"seen/{key}": float(self.seen.get(key, 0)) for key in keys} | changed

    def results(self, keys: Iterable[str]) -> dict[str, Any]:
        """What a finished run tells of its way: updates and examples of each context, which weights it kept."""
        found: dict[str, Any] = {"updates": dict.fromkeys(keys, 0) | self.batches}
        found |= {"seen": dict.fromkeys(keys, 0) | self.seen, "kept_step": self.kept_step}
        found |= {"changed": dict(self.changed)} if self.changed else {}
        return found | ({"taken_over": self.taken_over} if self.taken_over else {})

    def take(self, key: str, examples: int, changed: int | None) -> None:
        """Count a batch of a context."""
        self.batches[key] = self.batches.get(key, 0) + 1
        self.seen[key] = self.seen.get(key, 0) + examples
        if changed is not None:
            self.changed[key] = self.changed.get(key, 0) + changed


@dataclass
class State:
    """``tensors`` by name, and ``meta``, plain data; ``meta["step"]`` is the step."""

    tensors: dict[str, Tensor]
    meta: dict[str, Any]

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors under ``name/``, without the prefix."""
        start = f"{name}/"
        return {key.removeprefix(start): value for key, value in self.tensors.items() if key.startswith(start)}

    @classmethod
    def read(cls, path: Path) -> State | None:
        """What `write` wrote; None where the file is missing or damaged."""
        try:
            with safe_open(path, framework="pt") as file:
                meta = json.loads(file.metadata()["meta"])
                return cls({key: file.get_tensor(key) for key in file.keys()}, meta)  # noqa: SIM118
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None

    def write(self, path: Path) -> None:
        """One safetensors file, the plain data as JSON in its header. Raises OSError, SafetensorError."""
        tensors = {key: tensor.detach().contiguous() for key, tensor in self.tensors.items()}
        save_file(tensors, path, {"meta": json.dumps(self.meta)})

    def weights(self) -> State:
        """The learned weights alone: what a finished run keeps."""
        return State({key: value for key, value in self.tensors.items() if key.startswith("model/")}, self.meta)


@dataclass(frozen=True)
class Event:
    """What happened: ``values`` are the metrics of ``step``, of ``steps`` in all; the last one has the results.

    ``snapshot()`` is the whole state at this moment; once it is ``gone``, in a phase taken over, that of a later one.
    ``ended`` names a phase that other runs may share (`ctx.handover`) and that this event ends.
    ``final`` is plain data, ``outputs`` the test split's logits ``[N, …]`` by "test/<context>".
    """

    step: int
    steps: int
    kind: Literal["start", "step", "epoch", "end"]
    values: Mapping[str, float]
    snapshot: Callable[[], State]
    final: dict[str, Any] | None = None
    outputs: dict[str, np.ndarray] | None = None
    gone: bool = False
    ended: str | None = None


def under(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under ``name/``, copied."""
    return {f"{name}/{key}": value.detach().clone() for key, value in tensors.items()}
