"""tagging: a tag a word, for named entities. A linear head on each word's first piece, cross-entropy, span F1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ctx import parts

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from ctx.batches import Batch

UNSPACED = ("zh", "ja")  # languages written without spaces


class Tagging(parts.Task):
    """Named entities: which words are a person, a place, an organisation."""

    name = "tagging"
    title = "Tagging"
    applications = ("ner",)
    metrics = (
        parts.Metric("f1", True, "span F1"),
        parts.Metric("precision", True, "span precision"),
        parts.Metric("recall", True, "span recall"),
        parts.Metric("loss", False, "cross-entropy"),
    )
    inputs = "words"
    tested = 400
    floor_name = "no names at all"

    def readout(self) -> nn.Module:
        """Every token's state: ``[B, T, W]`` as it is."""
        from torch import nn

        from ctx.layers import TakeHidden

        module: nn.Module = TakeHidden(nn.Identity())
        return module

    def head(self, space: parts.Space) -> nn.Module:
        """Linear, ``[B, T, W]`` to ``[B, T, 2 C + 1]`` logits: O, then B- and I- of each type."""
        from ctx.layers import LinearHead

        return LinearHead(space.width, self.classes(space.labels))

    def classes(self, labels: Sequence[str]) -> int:
        """O, then B- and I- of each type."""
        return 2 * len(labels) + 1

    def read(
        self, backbone: parts.Backbone, examples: Sequence[parts.Example], context: parts.Context
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Pieces, and targets ``[W, 2]``: each word's tag and the place of its first piece, -1 where it was cut off.

        A word is read at its first piece (Devlin et al. 2019, 5.3). In a language without spaces a piece may cover
        several words: it has the tag of the first, and the others continue it.
        """
        import numpy as np

        separator = "" if context.language in UNSPACED else " "
        encoded = backbone.encode_words([example.input for example in examples], separator)
        tags = self.targets(examples, context.labels)
        return [ids for ids, _ in encoded], [
            np.stack([own, firsts], axis=1) for (_, firsts), own in zip(encoded, tags, strict=True)
        ]

    def counted(self, targets: np.ndarray) -> np.ndarray:
        """The tags, their places left out."""
        tags: np.ndarray = targets[..., 0].ravel()
        return tags

    def targets(self, examples: Sequence[parts.Example], labels: Sequence[str]) -> list[np.ndarray]:
        """The index of each word's tag; 0 is O."""
        import numpy as np

        from ctx.spans import tags_of

        index = {tag: number for number, tag in enumerate(tags_of(labels))}
        return [np.asarray([index[tag] for tag in example.output], np.int64) for example in examples]

    def loss(self, out: Tensor, batch: Batch, class_weights: Tensor | None = None) -> Tensor:
        """Cross-entropy over the pieces that words begin with."""
        import torch
        from torch.nn.functional import cross_entropy

        tags, places = batch.targets.unbind(-1)
        begins = (places >= 0) & (tags >= 0)
        begins[:, 1:] &= places[:, 1:] != places[:, :-1]
        said = out.gather(1, places.clamp(min=0)[..., None].expand(-1, -1, out.shape[-1]))
        return cross_entropy(said[begins], tags[begins], weight=class_weights) if begins.any() else torch.sum(out) * 0

    def evaluate(self, answers: np.ndarray, references: np.ndarray) -> dict[str, float]:
        """Span precision, recall and F1 of logits ``[N, T, 2 C + 1]`` by exact match, and cross-entropy a word."""
        from ctx.spans import count

        scores = count(*_tags(answers, references))[""].scores()
        return scores | {"loss": _cross_entropy(answers, references)}

    def details(self, answers: np.ndarray, references: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
        """The scores of each type, and how many of its spans there are."""
        from ctx.spans import count

        found = count(*_tags(answers, references))
        types = {str(n): labels[n] for n in range(len(labels))}
        return {"spans": {types[key]: vars(one) | one.scores() for key, one in sorted(found.items()) if key}}

    def typed(self, text: str, context: parts.Context) -> parts.Example:
        """Words, or single characters where a language has no spaces."""
        words = tuple("".join(text.split())) if context.language in UNSPACED else tuple(text.split())
        return parts.Example("", words, ("O",) * len(words), "")

    def written(self, example: parts.Example) -> tuple[str, str]:
        """The sentence, and the names in it with their types."""
        from ctx.spans import joined, spoken

        return joined(example.input), spoken(example.output, example.input)

    def said(
        self, answers: np.ndarray, references: np.ndarray, examples: Sequence[parts.Example], labels: Sequence[str]
    ) -> np.ndarray | None:
        """The names found in each sentence, with their types: ``PER Ada Lovelace · LOC Rome``."""
        import numpy as np

        from ctx.spans import spoken

        named = [[_named(tag, labels) for tag in tags] for tags in _tags(answers, references)[1]]
        return np.asarray([spoken(tags, example.input) for tags, example in zip(named, examples, strict=True)])

    def scores(self, answers: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Each sentence's span F1; 1 where there is no name and none was found."""
        import numpy as np

        from ctx.spans import count

        truth, given = _tags(answers, references)
        counts = [count([a], [b])[""] for a, b in zip(truth, given, strict=True)]
        return np.asarray([one.scores()["f1"] if one.true or one.answered else 1.0 for one in counts])

    def floor(
        self, learn: Sequence[parts.Example], test: Sequence[parts.Example], labels: Sequence[str]
    ) -> dict[str, float]:
        """Always O: the most frequent tag finds no name."""
        return {"f1": 0.0, "precision": 0.0, "recall": 0.0}

    def constant(self, learn: np.ndarray, test: np.ndarray) -> float:
        """The cross-entropy of the tags' shares (add-one smoothed)."""
        import numpy as np

        learn, test = self.counted(learn), self.counted(test)
        classes = int(max(learn.max(), test.max())) + 1
        shares = (np.bincount(learn[learn >= 0], minlength=classes) + 1.0) / ((learn >= 0).sum() + classes)
        return float(-np.log(shares)[test[test >= 0]].mean())


def _tags(answers: np.ndarray, references: np.ndarray) -> tuple[list[list[str]], list[list[str]]]:
    """The true and the answered tags of each sentence's words; types by their number. What was cut off is O."""
    import numpy as np

    from ctx.spans import tags_of

    names = np.asarray(tags_of([str(number) for number in range(answers.shape[-1] // 2)]))
    truth, places = references[..., 0], references[..., 1]
    said = np.take_along_axis(answers.argmax(-1), places.clip(0), axis=1)
    continues = np.zeros(places.shape, bool)
    continues[:, 1:] = places[:, 1:] == places[:, :-1]
    said = np.where(continues & (said % 2 == 1), said + 1, said)  # B- is odd, its I- the next number
    said[places < 0] = 0
    words = truth >= 0
    pairs = list(zip(truth, said, words, strict=True))
    return [names[true[at]].tolist() for true, _, at in pairs], [names[given[at]].tolist() for _, given, at in pairs]


def _named(tag: str, labels: Sequence[str]) -> str:
    mark, _, kind = tag.partition("-")
    return f"{mark}-{labels[int(kind)]}" if kind else tag


def _cross_entropy(answers: np.ndarray, references: np.ndarray) -> float:
    import numpy as np
    from scipy.special import log_softmax

    tags, places = references[..., 0], references[..., 1]
    begins = (places >= 0) & (tags >= 0)
    begins[:, 1:] &= places[:, 1:] != places[:, :-1]
    said = np.take_along_axis(answers.astype(np.float64), places.clip(0)[..., None], axis=1)
    likelihood = np.take_along_axis(log_softmax(said, axis=-1), tags.clip(0)[..., None], axis=-1)[..., 0]
    return float(-likelihood[begins].mean())
