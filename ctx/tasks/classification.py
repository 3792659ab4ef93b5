"""classification: one label a text. Mean pooling, a linear head, cross-entropy, macro-F1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ctx import parts

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from ctx.batches import Batch


class Classification(parts.Task):
    """One label a text."""

    name = "classification"
    title = "Classification"
    applications = ("sentiment",)
    metrics = (
        parts.Metric("macro_f1", True, "macro-F1"),
        parts.Metric("accuracy", True, "accuracy"),
        parts.Metric("loss", False, "cross-entropy"),
    )
    convex = True

    def readout(self) -> nn.Module:
        """The mean of the token states: ``[B, T, W]`` to ``[B, W]``."""
        from ctx.layers import MeanPool

        return MeanPool()

    def head(self, space: parts.Space) -> nn.Module:
        """Linear, ``[B, W]`` to ``[B, C]`` logits."""
        from ctx.layers import LinearHead

        return LinearHead(space.width, len(space.labels))

    def targets(self, examples: Sequence[parts.Example], labels: Sequence[str]) -> list[np.ndarray]:
        """The index of the label."""
        import numpy as np

        index = {label: i for i, label in enumerate(labels)}
        return [np.asarray(index[example.output]) for example in examples]

    def loss(self, out: Tensor, batch: Batch, class_weights: Tensor | None = None) -> Tensor:
        """Cross-entropy, averaged over the batch with the class weights."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(out, batch.targets, weight=class_weights)

    def evaluate(self, answers: np.ndarray, references: np.ndarray) -> dict[str, float]:
        """Macro-F1, accuracy and cross-entropy (natural log) of logits ``[N, C]`` on labels ``[N]``."""
        import numpy as np
        from scipy.special import log_softmax

        from ctx.metrics import confusion, per_class

        counts = confusion(answers.argmax(1), references, answers.shape[1])
        likelihood = np.take_along_axis(log_softmax(answers.astype(np.float64), axis=1), references[:, None], axis=1)
        return {
            "macro_f1": float(np.mean([row["f1"] for row in per_class(counts)])),
            "accuracy": float(np.trace(counts) / len(references)),
            "loss": float(-likelihood.mean()),
        }

    def details(self, answers: np.ndarray, references: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
        """The confusion matrix ``[C, C]``: row the true label, column the predicted one."""
        from ctx.metrics import confusion

        return {"confusion": confusion(answers.argmax(1), references, answers.shape[1]).tolist()}

    def scores(self, answers: np.ndarray, references: np.ndarray) -> np.ndarray:
        """1 where the label is right."""
        right: np.ndarray = answers.argmax(1) == references
        return right.astype(float)

    def guess(self, learn: np.ndarray, test: np.ndarray) -> dict[str, float]:
        """Always the most frequent label; its loss is that of the labels' shares (add-one smoothed)."""
        import numpy as np

        classes = int(max(learn.max(), test.max())) + 1
        shares = (np.bincount(learn, minlength=classes) + 1) / (len(learn) + classes)
        return self.evaluate(np.log(np.tile(shares, (len(test), 1))), test)
