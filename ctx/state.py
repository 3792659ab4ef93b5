"""Where a run stands, and its whole state at one moment: what a checkpoint holds and a resumed run starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass
class Position:
    """Where a run stands, as plain numbers: ``update`` of ``epoch`` of ``phase``, after ``step`` updates in all.

    ``best`` and ``kept_step``: the least that weights of this phase lacked (`ctx.evaluation.Evaluator.lack`) and where;
    ``touched``: the parameters that have ever learned; ``batches`` and ``seen``: batches and examples taken of each
    context; ``changed``: those of them that an augmentation changed, empty without one.
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

    def weights(self) -> State:
        """The learned weights alone: what a finished run keeps."""
        return State({key: value for key, value in self.tensors.items() if key.startswith("model/")}, self.meta)


def under(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under ``name/``, copied."""
    return {f"{name}/{key}": value.detach().clone() for key, value in tensors.items()}
