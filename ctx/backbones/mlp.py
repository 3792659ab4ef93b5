"""mlp: the lesson's network, 10 → 50 → 10. Its one hidden layer is the layer; the head is the second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ctx import parts

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

WIDTH, HIDDEN = 10, 50


class Mlp(parts.Backbone):
    """A network of one hidden layer with 50 units, random at the start."""

    name = "mlp"
    title = "Small network (10 → 50 → 10)"
    applications = ("lesson",)
    lr = 1e-2
    head_lr = 1e-2

    def layers(self) -> int:
        """One."""
        return 1

    def parameters(self) -> list[int]:
        """The inputs hold none, the hidden layer 550."""
        return [0, WIDTH * HIDDEN + HIDDEN]

    def biases(self) -> list[int]:
        """The hidden layer's."""
        return [0, HIDDEN]

    def digest(self, seed: int) -> str:
        """Random weights: the draw's seed names them."""
        return f"mlp:{seed}"

    def encode(self, inputs: Sequence[Any]) -> list[np.ndarray]:
        """The numbers themselves."""
        import numpy as np

        return [np.asarray(row, np.float32) for row in inputs]

    def blocks(self, seed: int) -> tuple[list[tuple[str, nn.Module]], int]:
        """The inputs as they are, then the hidden layer with ReLU."""
        from torch import nn

        from ctx.layers import TakeHidden, TakeInputs

        hidden = nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.ReLU())
        return [("embedding", TakeInputs(nn.Identity())), ("layer1", TakeHidden(hidden))], HIDDEN
