"""What a task is: how examples become arrays, the head and its loss, and how answers are judged.

Part files import these from `ctx.parts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ctx.context import Context, Example
from ctx.knobs import Part

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from ctx.batches import Batch
    from ctx.parts import Backbone


@dataclass(frozen=True)
class Metric:
    """A result's name, whether more is better, its unit for axes, and what a perfect answer gets."""

    name: str
    higher_is_better: bool
    label: str
    perfect: float = 1.0


@dataclass(frozen=True)
class Space:
    """What a head is made for: the contexts of one label space on one backbone.

    ``width``: of the states that the head reads; ``pools``: the targets ``[N, …]`` of each context's whole training
    split, whatever the number of labels in use.
    """

    labels: tuple[str, ...]
    width: int
    backbone: Backbone
    pools: Sequence[np.ndarray]


class Task(Part):
    """What is learnt from a text: how to read the backbone out, the head, the loss, the metrics.

    ``metrics`` lists the results; the first is the headline that verdicts compare. ``tested``: at most so many
    validation and test examples are answered; ``looks``: at most so many at an epoch's end, and as many to select
    weights on, by a task whose answers take more than a forward pass (its `evaluate` then leaves out the loss). None:
    all.
    """

    kind = "tasks"
    applications: ClassVar[tuple[str, ...]] = ()
    metrics: ClassVar[tuple[Metric, ...]] = ()
    writes: ClassVar[bool] = False  # texts, piece by piece
    convex: ClassVar[bool] = False  # a linear head on one state an example, and cross-entropy
    inputs: ClassVar[str] = "text"  # what one writes to try it: a text, or numbers
    tested: ClassVar[int | None] = None
    looks: ClassVar[int | None] = None
    head_lr: ClassVar[float | None] = None  # in place of the backbone's, for heads that are more than linear
    step_seconds: ClassVar[float] = 0.0  # about what its head takes for a batch to learn from, on one core
    text_seconds: ClassVar[float] = 0.0  # about what a text takes it to write, a beam, on one core
    floor_name: ClassVar[str] = "always one answer"

    def readout(self) -> nn.Module:
        """The parameterless last block: called as ``readout(hidden, batch)``, shapes ``[B, T, W]`` to the head's."""
        raise NotImplementedError

    def decoder_parts(self, backbone: Backbone) -> int:
        """How many parts its head has that may be frozen, if it writes: ``head.parts()``, lowest first. No torch."""
        return 0

    def head(self, space: Space) -> nn.Module:
        """A fresh head, called as ``head(hidden, batch)``."""
        raise NotImplementedError

    def read(
        self, backbone: Backbone, examples: Sequence[Example], context: Context
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The backbone's inputs and the targets, one array an example; batches pad ragged targets with -100."""
        return backbone.encode([example.input for example in examples]), self.targets(examples, context.labels)

    def targets(self, examples: Sequence[Example], labels: Sequence[str]) -> list[np.ndarray]:
        """One array an example."""
        raise NotImplementedError

    def classes(self, labels: Sequence[str]) -> int:
        """How many classes the targets count, for the class-balanced loss; 0 where they are none."""
        return len(labels)

    def counted(self, targets: np.ndarray) -> np.ndarray:
        """The classes in targets ``[N, …]``, one after another, for the class-balanced loss; negative ones aside."""
        found: np.ndarray = targets.ravel()
        return found

    def loss(self, out: Tensor, batch: Batch, class_weights: Tensor | None = None) -> Tensor:
        """The mean loss of a batch, a scalar."""
        raise NotImplementedError

    def answer(self, head: nn.Module, hidden: Tensor, batch: Batch, backbone: Backbone, beams: int = 1) -> np.ndarray:
        """What is kept of a batch and judged, one row an example: what the head gives, or the texts it writes.

        ``beams``: how many beginnings of a text it follows, where it writes.
        """
        out: np.ndarray = head(hidden, batch).numpy()
        return out

    def references(self, examples: Sequence[Example], targets: np.ndarray) -> np.ndarray:
        """What answers are judged against, one row an example: by default the targets."""
        return targets

    def evaluate(self, answers: np.ndarray, references: np.ndarray) -> dict[str, float]:
        """Answers ``[N, …]`` against references to every metric. No torch."""
        raise NotImplementedError

    def details(self, answers: np.ndarray, references: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
        """Further results as plain data, by name (a confusion matrix). No torch."""
        return {}

    def typed(self, text: str, context: Context) -> Example:
        """What a visitor wrote, as an example of a context."""
        return Example("", text, context.labels[0] if context.labels else "", "")

    def written(self, example: Example) -> tuple[str, str]:
        """An example's input and output as one reads them. No torch."""
        return str(example.input), str(example.output)

    def said(
        self, answers: np.ndarray, references: np.ndarray, examples: Sequence[Example], labels: Sequence[str]
    ) -> np.ndarray | None:
        """Each answer as one reads it ``[N]``; None where the answers are a label's logits. No torch."""
        return None

    def scores(self, answers: np.ndarray, references: np.ndarray) -> np.ndarray:
        """How good each answer is by itself ``[N]``, 0 to 1. No torch.

        Of a task with ``looks`` their mean decides which weights are kept.
        """
        raise NotImplementedError

    def guess(self, learn: np.ndarray, test: np.ndarray) -> dict[str, float]:
        """The metrics on targets ``test`` of the best constant answer on targets ``learn``, the loss among them."""
        raise NotImplementedError

    def floor(self, learn: Sequence[Example], test: Sequence[Example], labels: Sequence[str]) -> dict[str, float]:
        """The metrics on ``test`` of what needs no learning: by default the best constant answer. No torch."""
        import numpy as np

        return self.guess(*(np.asarray(self.targets(rows, labels)) for rows in (learn, test)))

    def constant(self, learn: np.ndarray, test: np.ndarray) -> float:
        """The loss on targets ``test`` of the best constant guess on the targets ``learn``: 100 % of a curve."""
        return self.guess(learn, test)["loss"]
