"""The whole state of a run at one moment: what a checkpoint holds and a resumed run starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor


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
