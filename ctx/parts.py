"""What a part of a run is: the one module that part files import.

A part is one file in ``ctx/<kind>/``: a class with a ``name``, its ``Knobs`` (defaults, ranges, help) and the few
methods of its kind below. A folder scan (``ctx/registry.py``) finds it; forms, flags, validation and the store read
its knobs. A part file imports only the standard library, pydantic and this module at top level; torch inside its
functions (``ctx.plan`` and ``ctx.errors`` are as light and may be imported too).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ctx.errors import BadInput
from ctx.knobs import Choice as Choice
from ctx.knobs import Knobs as Knobs
from ctx.knobs import Part as Part
from ctx.knobs import knob as knob
from ctx.knobs import readout_knob as readout_knob
from ctx.objectives import Balancer as Balancer
from ctx.objectives import Penalty as Penalty
from ctx.objectives import Stateful as Stateful
from ctx.objectives import Step as Step
from ctx.plan import Phase

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from ctx.batches import Batch
    from ctx.config import RunConfig
    from ctx.model import Model

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Asset:
    """A pinned archive of the package index: ``project`` and ``filename`` there, ``sha256`` checked before use."""

    project: str
    filename: str
    sha256: str
    megabytes: float
    licence: str


@dataclass(frozen=True)
class Example:
    """One labelled example. Examples of one ``group`` (a document, a frame) never lie in two splits.

    ``input`` is a text; words for tagging; floats for the lesson. ``output`` is a label's name; a tag a word (BIO,
    ``B-PER``); a text for translation and summarisation; floats. Splits keep the share of every ``stratum``: None
    stands for the label.
    """

    id: str
    input: Any
    output: Any
    group: str
    stratum: str | None = None


class Context(Part):
    """A text task in one language, domain or culture. ``labels`` is its label space, empty for regression."""

    kind = "contexts"
    application: ClassVar[str]
    language: ClassVar[str] = ""
    domain: ClassVar[str] = ""
    culture: ClassVar[str] = ""
    licence: ClassVar[str] = ""
    citation: ClassVar[str] = ""
    origin: ClassVar[str] = ""
    labels: ClassVar[tuple[str, ...]] = ()
    assets: ClassVar[tuple[Asset, ...]] = ()
    sample: ClassVar[bool] = False  # written for this project: serves when nothing can be fetched
    split_by_name: ClassVar[bool] = False  # a group's name decides its split, so contexts that share groups agree

    def examples(self) -> list[Example]:
        """All examples, in a fixed order; raises Unavailable where the data can't be had."""
        raise NotImplementedError

    def present(self) -> bool:
        """Whether what it reads besides its archives is on this machine."""
        return True

    def digest(self) -> str:
        """Names the content without reading it where it can: by default the pinned hashes of its archives."""
        return "+".join(asset.sha256 for asset in self.assets)


@dataclass(frozen=True)
class Metric:
    """A result's name, whether more is better, and its unit for axes."""

    name: str
    higher_is_better: bool
    label: str


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
    validation and test examples are answered; ``looks``: at most so many at an epoch's end, by a task whose answers
    take more than a forward pass (its `evaluate` then leaves out the loss). None: all.
    """

    kind = "tasks"
    applications: ClassVar[tuple[str, ...]] = ()
    metrics: ClassVar[tuple[Metric, ...]] = ()
    inputs: ClassVar[str] = "text"  # what one writes to try it: a text, or numbers
    tested: ClassVar[int | None] = None
    looks: ClassVar[int | None] = None
    head_lr: ClassVar[float | None] = None  # in place of the backbone's, for heads that are more than linear
    floor_name: ClassVar[str] = "always one answer"

    def readout(self) -> nn.Module:
        """The parameterless last block: called as ``readout(hidden, batch)``, shapes ``[B, T, W]`` to the head's."""
        raise NotImplementedError

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

    def loss(self, out: Tensor, batch: Batch, class_weights: Tensor | None = None) -> Tensor:
        """The mean loss of a batch, a scalar."""
        raise NotImplementedError

    def answer(self, head: nn.Module, hidden: Tensor, batch: Batch, backbone: Backbone) -> np.ndarray:
        """What is kept of a batch and judged, one row an example: what the head gives, or the texts it writes."""
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

    def floor(self, learn: Sequence[Example], test: Sequence[Example], labels: Sequence[str]) -> dict[str, float]:
        """The metrics on ``test`` of what needs no learning, such as the best constant answer. No torch."""
        raise NotImplementedError

    def constant(self, learn: np.ndarray, test: np.ndarray) -> float:
        """The loss on targets ``test`` of the best constant guess on the targets ``learn``: 100 % of a curve."""
        raise NotImplementedError


class Backbone(Part):
    """The shared encoder: an embedding and `layers` layers, each a block called as ``block(hidden, batch)``."""

    kind = "backbones"
    applications: ClassVar[tuple[str, ...]] = ()
    lr: ClassVar[float] = 1e-3
    head_lr: ClassVar[float] = 1e-3
    pretrained: ClassVar[bool] = False
    citation: ClassVar[str] = ""
    assets: ClassVar[tuple[Asset, ...]] = ()

    def layers(self) -> int:
        """How many layers lie above the embedding (read-out applied). No torch."""
        raise NotImplementedError

    def canonical(self) -> Choice:
        """The backbone that computes alike under one name: reading out the last layer is the default."""
        knobs = self.knobs.model_dump()
        if knobs.get("readout") is not None:
            whole = type(self)(self.knobs.model_copy(update={"readout": None}))
            knobs["readout"] = None if self.layers() == whole.layers() else knobs["readout"]
        return Choice(name=self.name, knobs=knobs)

    def parameters(self) -> list[int]:
        """How many parameters the embedding and each layer hold, lowest first. No torch."""
        raise NotImplementedError

    def digest(self, seed: int) -> str:
        """Names the weights it starts from."""
        raise NotImplementedError

    def encode(self, inputs: Sequence[Any]) -> list[np.ndarray]:
        """Token ids ``[T]`` (int64) an example, or its floats."""
        raise NotImplementedError

    def encode_words(
        self, sentences: Sequence[Sequence[str]], separator: str = " "
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Token ids ``[T]`` of words so joined, and where each word begins ``[words]``; -1: cut off, or no token."""
        raise NotImplementedError

    def target_ids(self, texts: Sequence[str], longest: int) -> list[np.ndarray]:
        """The ids ``[T]``, T at most ``longest``, of texts to be written; the last id ends a text."""
        raise NotImplementedError

    def decode(self, ids: Sequence[np.ndarray]) -> list[str]:
        """The texts that ids of `target_ids` stand for; raises nothing for ids that stand for none."""
        raise NotImplementedError

    def vectors(self, ids: np.ndarray) -> Tensor | None:
        """The pretrained embeddings ``[n, W]`` of such ids, float32; None where there are none to start from."""
        return None

    def blocks(self, seed: int) -> tuple[list[tuple[str, nn.Module]], int]:
        """The named blocks, lowest first (the embedding is the first), and the width of the last one's output."""
        raise NotImplementedError


class Schedule(Part):
    """How the contexts mix over training. ``uses`` says which of source and target it trains on."""

    kind = "schedules"
    uses: ClassVar[frozenset[str]] = frozenset({"source", "target"})

    def canonical(self) -> Choice:
        """The schedule that trains alike under one name (joint with λ = 0 is source-only)."""
        return Choice(name=self.name, knobs=self.knobs.model_dump())

    def phases(self, config: RunConfig, sizes: Mapping[str, int]) -> list[Phase]:
        """Pure data. ``sizes``: training examples by context key ("source", "source.2", …, "target")."""
        raise NotImplementedError


class Tuning(Part):
    """Which parameters learn, and when."""

    kind = "tunings"

    def check(self, layers: int) -> None:
        """Raise BadInput if the knobs don't fit a backbone of so many layers."""

    def canonical(self, layers: int) -> Choice:
        """The tuning that trains alike under one name (freeze with all layers is head)."""
        return Choice(name=self.name, knobs=self.knobs.model_dump())

    def frozen(self, layers: int) -> int:
        """How many blocks, the embedding counted, stay frozen from the start; for the page. No torch."""
        return 0

    def install(self, model: Model) -> None:
        """Change the model once, before training (insert adapters)."""

    @classmethod
    def changes_model(cls) -> bool:
        """Whether it has an `install` of its own."""
        return cls.install is not Tuning.install

    def groups(self, model: Model, progress: float) -> list[tuple[list[nn.Parameter], float]]:
        """What learns in this epoch: (parameters, learning-rate factor). All else is frozen."""
        raise NotImplementedError


class Augmentation(Part):
    """A change to training examples."""

    kind = "augment"


def readout_layer(readout: int | None, layers: int) -> int:
    """The layer that the head reads: the last unless a knob says otherwise; raises BadInput beyond the last."""
    if readout is not None and readout > layers:
        raise BadInput(f"The read-out layer is {readout}, and this backbone has {layers}: choose from 0 to {layers}.")
    return layers if readout is None else readout
