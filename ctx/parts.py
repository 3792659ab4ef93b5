"""What a part of a run is: the one module that part files import.

A part is one file in ``ctx/<kind>/``: a class with a ``name``, its ``Knobs`` (defaults, ranges, help) and the few
methods of its kind below. A folder scan (``ctx/registry.py``) finds it; forms, flags, validation and the store read
its knobs. A part file imports only the standard library, pydantic and this module at top level; torch inside its
functions. As light, and imported too where they are wanted: ``ctx.plan``, ``ctx.errors``, ``ctx.writing``, and what
penalties share, ``ctx.aligning`` and ``ctx.guarding``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from ctx.context import Asset as Asset
from ctx.context import Context as Context
from ctx.context import Example as Example
from ctx.errors import BadInput
from ctx.knobs import Choice as Choice
from ctx.knobs import Knobs as Knobs
from ctx.knobs import Part as Part
from ctx.knobs import decay_knob as decay_knob
from ctx.knobs import decoder_knob as decoder_knob
from ctx.knobs import knob as knob
from ctx.knobs import rate_knob as rate_knob
from ctx.knobs import readout_knob as readout_knob
from ctx.knobs import reinit_knob as reinit_knob
from ctx.matrices import Matrix as Matrix
from ctx.objectives import Balancer as Balancer
from ctx.objectives import Begin as Begin
from ctx.objectives import Facts as Facts
from ctx.objectives import Penalty as Penalty
from ctx.objectives import Stateful as Stateful
from ctx.objectives import Step as Step
from ctx.pieces import Pieces as Pieces
from ctx.plan import Phase
from ctx.task import Metric as Metric
from ctx.task import Space as Space
from ctx.task import Task as Task
from ctx.tuning import Learnt as Learnt
from ctx.tuning import Tuning as Tuning

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from torch import Tensor, nn

    from ctx.config import RunConfig

Split = Literal["train", "validation", "test"]


class Backbone(Part):
    """The shared encoder: an embedding and `layers` layers, each a block called as ``block(hidden, batch)``."""

    kind = "backbones"
    applications: ClassVar[tuple[str, ...]] = ()
    lr: ClassVar[float] = 1e-3
    head_lr: ClassVar[float] = 1e-3
    decoder_lr: ClassVar[float | None] = None  # of a decoder that it brings, in place of the task's own for its head
    pretrained: ClassVar[bool] = False
    by_pieces: ClassVar[bool] = False  # of its embedding only the rows of pieces that occur in the contexts learn
    citation: ClassVar[str] = ""
    assets: ClassVar[tuple[Asset, ...]] = ()

    @classmethod
    def offered(cls) -> list[Path]:
        """The folders that a web page may choose for its knob ``path``, where it has one. No torch."""
        return []

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

    def matrices(self) -> list[Matrix]:
        """The linear maps of each layer; [] where it is no layer of attention and feed-forward. No torch."""
        return []

    def biases(self) -> list[int]:
        """How many biases the embedding and each layer hold, lowest first, those of norms counted. No torch."""
        return []

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

    def pieces(self) -> Pieces | None:
        """The pieces that texts are encoded into, special ones as ""; None where it has no such vocabulary."""
        return None

    def vectors(self, ids: np.ndarray) -> Tensor | None:
        """The pretrained embeddings ``[n, W]`` of such ids, float32; None where there are none to start from."""
        return None

    def blocks(self, seed: int) -> tuple[list[tuple[str, nn.Module]], int]:
        """The named blocks, lowest first (the embedding is the first), and the width of the last one's output."""
        raise NotImplementedError

    def renew(self, layer: nn.Module) -> None:
        """Draw the weights of one of its layers anew, from the global generator, as before pretraining."""
        raise NotImplementedError

    @classmethod
    def renews(cls) -> bool:
        """Whether it can: whether its layers are pretrained, and of a kind that is known how to begin."""
        return cls.renew is not Backbone.renew

    def decoder(self) -> nn.Module | None:
        """A fresh head that writes texts, as `ctx.writer.Writer` does, where the backbone brings one of its own."""
        return None

    def decoder_parameters(self) -> list[int]:
        """How many parameters its decoder holds: embedding, each layer, what lies above; [] without one. No torch."""
        return []


class Schedule(Part):
    """How the contexts mix over training. ``uses`` says which of source and target it trains on."""

    kind = "schedules"
    uses: ClassVar[frozenset[str]] = frozenset({"source", "target"})

    def check(self, config: RunConfig) -> None:
        """Raise BadInput, in a sentence, if its knobs contradict each other, or the contexts' weights."""

    def idle(self) -> dict[str, str]:
        """Knobs that mean nothing beside the others, each with why."""
        return {}

    def canonical(self, sources: int) -> Choice:
        """The schedule that trains alike with so many sources under one name (joint with λ = 0 is source-only)."""
        return self.plain()

    def plain(self) -> Choice:
        """Itself, without the knobs that mean nothing."""
        knobs, idle = self.knobs.model_dump(), self.idle()
        return Choice(name=self.name, knobs={name: value for name, value in knobs.items() if name not in idle})

    def phases(self, config: RunConfig, sizes: Mapping[str, int]) -> list[Phase]:
        """Pure data. ``sizes``: training examples by context key ("source", "source.2", …, "target")."""
        raise NotImplementedError


class Pool(Protocol):
    """What an augmentation may draw from: the texts of the context's own training split, and no labels but its own."""

    def near(self, word: str) -> Sequence[str]:
        """Other words of the training split that mean about the same, nearest first, by the backbone's embeddings."""

    def mentions(self, kind: str) -> Sequence[tuple[str, ...]]:
        """The names of an entity type in the examples learnt from, each as often as it occurs."""


class Augmentation(Part):
    """A change to training examples, drawn for every batch: of words (`change`), pieces (`split`), features (`mix`).

    ``applications``: where it means something. ``embeddings``: whether it needs those of a pretrained backbone.
    """

    kind = "augment"
    applications: ClassVar[tuple[str, ...]] = ()
    embeddings: ClassVar[bool] = False

    @classmethod
    def unfit(cls, application: str, backbone: type[Backbone]) -> str:
        """Why it can't be used there, in a sentence; "" where it can."""
        if application not in cls.applications:
            known = ", ".join(cls.applications)
            return f"The augmentation {cls.name} is for {known}, not for {application}: leave it out."
        if cls.embeddings and backbone.vectors is Backbone.vectors:
            return (
                f"The augmentation {cls.name} needs pretrained embeddings, which {backbone.name} has not: leave it out."
            )
        if cls.of_pieces() and backbone.pieces is Backbone.pieces:
            return f"The augmentation {cls.name} splits pieces of words, which {backbone.name} has not: leave it out."
        return ""

    @classmethod
    def of_words(cls) -> bool:
        """Whether it changes words: then examples are encoded anew, and frozen layers compute them anew."""
        return cls.change is not Augmentation.change

    @classmethod
    def of_pieces(cls) -> bool:
        """Whether it changes the pieces of encoded examples: then frozen layers compute them anew."""
        return cls.split is not Augmentation.split

    def change(
        self, words: list[str], tags: list[str], random: np.random.Generator, pool: Pool
    ) -> tuple[list[str], list[str]]:
        """An example's words and their tags, changed; both lists may be kept, neither is emptied.

        Tags are BIO, all "O" where the application has none, and stay well-formed, one a word. Words are characters
        in Chinese and Japanese texts. No torch.
        """
        return words, tags

    def split(self, ids: Sequence[int], pieces: Pieces, random: np.random.Generator) -> list[list[int]]:
        """What stands in the place of each piece of an example, one at least, so that they join to the same text."""
        return [[id] for id in ids]

    def mix(self, size: int, random: np.random.Generator) -> tuple[np.ndarray, float] | None:
        """Each example's partner ``[size]`` in the batch, and the share that it keeps for itself; None: no mixing."""
        return None


def readout_layer(readout: int | None, layers: int) -> int:
    """The layer that the head reads: the last unless a knob says otherwise; raises BadInput beyond the last."""
    if readout is not None and readout > layers:
        raise BadInput(f"The read-out layer is {readout}, and this backbone has {layers}: choose from 0 to {layers}.")
    return layers if readout is None else readout


def no_matrices(tuning: Tuning, backbone: Backbone) -> str:
    """Why a tuning of the layers' matrices means nothing on a backbone, in a sentence; "" where it does."""
    if backbone.matrices():
        return ""
    return (
        f"The tuning {tuning.name} adds to the matrices of attention and feed-forward, and {backbone.name} has none: "
        "choose another tuning (full, bitfit), or a transformer as the backbone."
    )
