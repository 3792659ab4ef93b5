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
        """Pieces, and targets ``[T]``: a word's tag at its first piece, -100 elsewhere (Devlin et al. 2019, 5.3).

        Words that the backbone cuts off stand behind the last piece, so that what is lost there counts as missed.
        """
        import numpy as np

        separator = "" if context.language in UNSPACED else " "
        encoded = backbone.encode_words([example.input for example in examples], separator)
        inputs, targets = [], []
        for (ids, firsts), tags in zip(encoded, self.targets(examples, context.labels), strict=True):
            lost = tags[firsts < 0]
            row = np.full(len(ids) + len(lost), -100, np.int64)
            row[firsts[firsts >= 0]] = tags[firsts >= 0]
            row[len(ids) :] = lost
            inputs.append(ids)
            targets.append(row)
        return inputs, targets

    def targets(self, examples: Sequence[parts.Example], labels: Sequence[str]) -> list[np.ndarray]:
        """The index of each word's tag; 0 is O."""
        import numpy as np

        from ctx.spans import tags_of

        index = {tag: number for number, tag in enumerate(tags_of(labels))}
        return [np.asarray([index[tag] for tag in example.output], np.int64) for example in examples]

    def loss(self, out: Tensor, batch: Batch, class_weights: Tensor | None = None) -> Tensor:
        """Cross-entropy over the words of a batch."""
        from torch.nn.functional import cross_entropy

        length = min(out.shape[1], batch.targets.shape[1])
        out, targets = out[:, :length], batch.targets[:, :length]
        return cross_entropy(out.flatten(0, 1), targets.flatten(), weight=class_weights, ignore_index=-100)

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

        classes = int(max(learn.max(), test.max())) + 1
        shares = (np.bincount(learn[learn >= 0], minlength=classes) + 1.0) / ((learn >= 0).sum() + classes)
        return float(-np.log(shares)[test[test >= 0]].mean())


def _tags(answers: np.ndarray, references: np.ndarray) -> tuple[list[list[str]], list[list[str]]]:
    """The true and the answered tags of each sentence's words; types by their number."""
    import numpy as np

    from ctx.spans import tags_of

    types = [str(number) for number in range(answers.shape[-1] // 2)]
    names = np.asarray(tags_of(types))
    given: np.ndarray = np.zeros(references.shape, np.int64)  # what was cut off is answered with O
    shared = min(given.shape[1], answers.shape[1])
    given[:, :shared] = answers[:, :shared].argmax(-1)
    words = [row >= 0 for row in references]
    pairs = list(zip(references, given, words, strict=True))
    return [names[true[at]].tolist() for true, _, at in pairs], [names[said[at]].tolist() for _, said, at in pairs]


def _named(tag: str, labels: Sequence[str]) -> str:
    mark, _, kind = tag.partition("-")
    return f"{mark}-{labels[int(kind)]}" if kind else tag


def _cross_entropy(answers: np.ndarray, references: np.ndarray) -> float:
    import numpy as np
    from scipy.special import log_softmax

    shared = min(references.shape[1], answers.shape[1])
    targets = references[:, :shared]
    there = targets >= 0
    likelihood = np.take_along_axis(
        log_softmax(answers[:, :shared].astype(np.float64), axis=-1), targets.clip(0)[..., None], axis=-1
    )[..., 0]
    return float(-likelihood[there].mean())
