"""Two contexts of one application beside each other: vocabulary, labels, lengths, embeddings. Computed once. No torch.

What `distance` finds was put there by `ctx.describe`, which takes a backbone and so a worker.
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from ctx import assets, cards, data, kept
from ctx.data import Chosen
from ctx.distance import Distance
from ctx.errors import BadInput
from ctx.parts import Backbone, Choice, Context
from ctx.registry import make, part, registry, task_of
from ctx.wording import LengthShift, Overlap, length_shift, overlap, vocabulary

PAIR_VERSION = 1  # raised by hand when the same examples would give other numbers
FOLDER, DISTANCES = "pairs", "distances"
FEWEST = 4  # training examples of a context that can be compared
M = TypeVar("M", bound=BaseModel)


class Pair(BaseModel):
    """How a target differs from a source, over training splits; None where there is nothing to compare.

    ``words`` and ``lengths``: of the texts that are read; ``written_words``, ``written_lengths``: of those to be
    written. ``same_labels``: whether both have the same label space; ``label_shift``: the total variation between the
    shares of their labels (of spans by type for names), 0 to 1.
    """

    words: Overlap | None
    lengths: LengthShift | None
    written_words: Overlap | None
    written_lengths: LengthShift | None
    same_labels: bool
    label_shift: float | None


def pair(source: Chosen, target: Chosen) -> Pair | None:
    """The numbers of a pair; None where a context isn't on this machine. Raises BadInput where they don't fit."""
    check(source, target)
    if not data.available(source) or not data.available(target):
        return None
    name = kept.named(data.digest(source), data.digest(target), PAIR_VERSION)
    found = _read(FOLDER, name, Pair)
    if found is None:
        found = compare(source, target)
        kept.keep_document(FOLDER, name, found.model_dump())
    return found


def check(source: Chosen, target: Chosen) -> None:
    """Raise BadInput where two contexts can't be compared."""
    one, other = data.context(source), data.context(target)
    if one.application != other.application:
        raise BadInput(
            f"{one.name} is a context of {one.application} and {other.name} one of {other.application}: choose two of "
            "one application."
        )
    if one.name == other.name:
        raise BadInput(f"{one.name} can't be compared with itself: choose another context.")


def compare(source: Chosen, target: Chosen) -> Pair:
    """Count both contexts and compare them; raises Unavailable, and BadInput where one is too small."""
    one, other = data.context(source), data.context(target)
    task = task_of(one.application)
    learn = [data.splits(source).train, data.splits(target).train]
    for context, examples in zip((one, other), learn, strict=True):
        if len(examples) < FEWEST:
            raise BadInput(f"{context.name} has {len(examples)} training examples: a comparison takes {FEWEST}.")
    (read, written), (read2, written2) = (
        cards.texts(examples, task, context) for examples, context in zip(learn, (one, other), strict=True)
    )
    return Pair(
        words=overlap(vocabulary(read), vocabulary(read2)),
        lengths=length_shift(read, read2),
        written_words=overlap(vocabulary(written), vocabulary(written2)),
        written_lengths=length_shift(written, written2),
        same_labels=one.labels == other.labels,
        label_shift=_label_shift(*(cards.label_shares(e, c) for e, c in zip(learn, (one, other), strict=True))),
    )


def _label_shift(source: dict[str, float], target: dict[str, float]) -> float | None:
    if not source or not target:
        return None
    return sum(abs(source.get(label, 0.0) - target.get(label, 0.0)) for label in source | target) / 2


def distance(source: Chosen, target: Chosen, backbone: Choice) -> Distance | None:
    """What `keep_distance` kept for this pair and backbone; None before."""
    return _read(DISTANCES, _name(source, target, backbone), Distance)


def keep_distance(source: Chosen, target: Chosen, backbone: Choice, found: Distance) -> None:
    """Keep the distances of a pair's embeddings."""
    kept.keep_document(DISTANCES, _name(source, target, backbone), found.model_dump())


def _name(source: Chosen, target: Chosen, backbone: Choice) -> str:
    weights = make("backbones", backbone).digest(0)
    return kept.named(data.digest(source), data.digest(target), backbone.model_dump(mode="json"), weights, PAIR_VERSION)


def backbones(source: Chosen, target: Chosen) -> list[str]:
    """The backbones that can embed both contexts, the one that suits them best first.

    That is one on this machine that was pretrained on their languages; next one that would have to be fetched.
    """
    contexts: list[Context] = [data.context(source), data.context(target)]
    english = all(context.language.split("-")[0] in ("en", "") for context in contexts)

    def rank(name: str) -> tuple[bool, bool, bool]:
        cls: type[Backbone] = part("backbones", name)
        return not cls.pretrained, name == "minilm" and not english, not here(name)

    fitting = [name for name, cls in registry("backbones").items() if _fits(cls, contexts[0].application)]
    return sorted(fitting, key=lambda name: (rank(name)[0], rank(name)[1], rank(name)[2], name != "minilm"))


def here(backbone: str) -> bool:
    """Whether a backbone's archives are on this machine."""
    cls: type[Backbone] = part("backbones", backbone)
    return all(assets.available(asset) for asset in cls.assets)


def _fits(cls: type[Backbone], application: str) -> bool:
    return application in cls.applications and "path" not in cls.Knobs.model_fields


def _read(folder: str, name: str, model: type[M]) -> M | None:
    found = kept.document(folder, name)
    try:
        return None if found is None else model.model_validate(found)
    except ValidationError:
        return None  # damaged: computed again
