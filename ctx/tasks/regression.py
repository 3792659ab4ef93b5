"""regression: numbers from numbers, for the first lesson. A linear head, mean squared error, R²."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ctx import parts

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from ctx.batches import Batch


class Regression(parts.Task):
    """Numbers from numbers."""

    name = "regression"
    title = "Regression"
    applications = ("lesson",)
    metrics = (
        parts.Metric("r2", True, "R²"),
        parts.Metric("mse", False, "mean squared error"),
        parts.Metric("loss", False, "mean squared error"),
    )
    inputs = "numbers"
    outputs = 10

    def readout(self) -> nn.Module:
        """Nothing to read out: one state ``[B, W]`` an example."""
        from torch import nn

        from ctx.layers import TakeHidden

        module: nn.Module = TakeHidden(nn.Identity())
        return module

    def head(self, space: parts.Space) -> nn.Module:
        """Linear, ``[B, W]`` to ``[B, 10]``."""
        from ctx.layers import LinearHead

        return LinearHead(space.width, self.outputs)

    def targets(self, examples: Sequence[parts.Example], labels: Sequence[str]) -> list[np.ndarray]:
        """The ten numbers."""
        import numpy as np

        return [np.asarray(example.output, np.float32) for example in examples]

    def written(self, example: parts.Example) -> tuple[str, str]:
        """Rows of numbers."""
        inputs, outputs = (" ".join(f"{value:+.1f}" for value in row) for row in (example.input, example.output))
        return f"{inputs} → {outputs}", ""

    def loss(self, out: Tensor, batch: Batch, class_weights: Tensor | None = None) -> Tensor:
        """Mean squared error; shapes must be equal, since ``(10,)`` against ``(10, 10)`` would broadcast silently."""
        from torch.nn.functional import mse_loss

        if out.shape != batch.targets.shape:
            raise ValueError(f"outputs {tuple(out.shape)} and targets {tuple(batch.targets.shape)} differ in shape")
        return mse_loss(out, batch.targets)

    def evaluate(self, answers: np.ndarray, references: np.ndarray) -> dict[str, float]:
        """Mean squared error, and R² averaged over the outputs (as scikit-learn's ``uniform_average``)."""
        import numpy as np

        residual = ((answers.astype(np.float64) - references) ** 2).mean(0)
        mse = float(residual.mean())
        return {"r2": float((1 - residual / references.var(0)).mean()), "mse": mse, "loss": mse}

    def guess(self, learn: np.ndarray, test: np.ndarray) -> dict[str, float]:
        """Always the mean answer."""
        import numpy as np

        return self.evaluate(np.tile(learn.mean(0), (len(test), 1)), test)
