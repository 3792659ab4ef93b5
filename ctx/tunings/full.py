"""full: every parameter learns (fine-tuning)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctx import parts

if TYPE_CHECKING:
    from torch import nn

    from ctx.model import Model


class Full(parts.Tuning):
    """Every parameter learns."""

    name = "full"
    title = "Nothing frozen"

    def groups(self, model: Model, progress: float) -> list[tuple[list[nn.Parameter], float]]:
        """All parameters at the full rate."""
        return [(list(model.parameters()), 1.0)]
