"""Looking at a model: answers to many rows, its loss on them, and the results of a finished run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ctx.batches import Batch, ContextRows, Encoded
from ctx.config import FEWEST_LOOKED, looked
from ctx.parts import Task
from ctx.setup import Setup

WRITTEN = 100  # validation examples that an epoch's end looks at where texts are written
ROWS, TOKENS = 128, 4096  # a forward pass: at most so many rows and, padded, so many tokens


def some(rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many rows, spread evenly."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(int)]


def answers(answer: Callable[[Batch], np.ndarray], encoded: Encoded, rows: np.ndarray, times: int = 1) -> np.ndarray:
    """``answer`` over batches of like length: ``[N, …]`` in the order of ``rows``, ragged ones padded with zeros.

    ``times``: how many forward passes an example stands for (its beams).
    """
    order = np.argsort(encoded.lengths[rows], kind="stable")
    with torch.inference_mode():
        chunks = [answer(encoded.batch(chunk)) for chunk in _together(rows[order], encoded, times)]
    found = np.concatenate(_alike(chunks))
    out = np.empty_like(found)
    out[order] = found
    return out


def _alike(chunks: list[np.ndarray]) -> list[np.ndarray]:
    if len({chunk.shape[1:] for chunk in chunks}) == 1:
        return chunks
    longest = max(chunk.shape[1] for chunk in chunks)
    room = [[(0, 0), (0, longest - chunk.shape[1]), *[(0, 0)] * (chunk.ndim - 2)] for chunk in chunks]
    return [np.pad(chunk, pad) for chunk, pad in zip(chunks, room, strict=True)]


def mean_loss(loss: Callable[[Batch], Tensor], encoded: Encoded, rows: np.ndarray) -> float:
    """The mean of ``loss`` over batches of like length, each by its rows."""
    total = 0.0
    with torch.inference_mode():
        for chunk in _together(rows[np.argsort(encoded.lengths[rows], kind="stable")], encoded):
            total += loss(encoded.batch(chunk)).item() * len(chunk)
    return total / len(rows)


def _together(rows: np.ndarray, encoded: Encoded, times: int = 1) -> Iterator[np.ndarray]:
    """Rows, shortest first, in chunks for one forward pass each."""
    while len(rows):
        few = rows[: ROWS // times]
        padded = encoded.lengths[few] * np.arange(1, len(few) + 1) * times
        count = max(1, int((padded <= TOKENS).sum())) if encoded.tokens else len(few)
        yield rows[:count]
        rows = rows[count:]


def most_looked(setup: Setup, first: bool = False) -> int:
    """How many validation examples of a context a look takes in; ``first``: the one before any update, in a moment."""
    most = FEWEST_LOOKED if first else looked(setup.config)
    if setup.task.looks is None:
        return most
    return min(most, setup.task.looks) if first else WRITTEN


def first_looked(setup: Setup, key: str) -> np.ndarray:
    """The rows of a context that a run looks at before any update."""
    return some(setup.rows[key].validation, most_looked(setup, first=True))


def rows_read(setup: Setup, key: str) -> np.ndarray:
    """Every row of a context that a run reads, each once; learnt from or selected on only where it is."""
    rows = setup.rows[key]
    used = [rows.test, some(rows.validation, most_looked(setup)), first_looked(setup, key)]
    used += [rows.learn] if key in setup.trained_on() else []
    used += [rows.select] if key in {phase.select_on for phase in setup.phases} else []
    return np.unique(np.concatenate(used))


class Evaluator:
    """A model as it stands, looked at: answers, losses and metrics on rows of a context.

    ``hidden``: what a context's head reads of a batch; ``head``: the head of a context; ``training``: switches what
    learns between training and evaluation.
    """

    def __init__(
        self,
        setup: Setup,
        hidden: Callable[[Batch], Tensor],
        head: Callable[[str], nn.Module],
        training: Callable[[bool], None],
    ) -> None:
        self.setup, self.hidden, self.head, self.training = setup, hidden, head, training

    def answers(self, key: str, rows: np.ndarray, beams: int = 1) -> np.ndarray:
        """The answers to rows ``[N, …]``, in their order."""
        head, task, backbone = self.head(key), self.setup.task, self.setup.backbone
        self.training(False)
        found = answers(
            lambda batch: task.answer(head, self.hidden(batch), batch, backbone, beams),
            self.setup.rows[key].encoded,
            rows,
            beams,
        )
        self.training(True)
        return found

    def loss(self, key: str, rows: np.ndarray) -> dict[str, float]:
        """The loss on rows, for a task whose answers don't give it; else nothing."""
        if self.setup.task.looks is None:
            return {}
        head = self.head(key)
        self.training(False)
        found = mean_loss(
            lambda batch: self.setup.task.loss(head(self.hidden(batch), batch), batch),
            self.setup.rows[key].encoded,
            rows,
        )
        self.training(True)
        return {"loss": found}

    def metrics(self, key: str, rows: np.ndarray, looks: int | None = None) -> dict[str, float]:
        """Every metric on rows; where the loss is looked at apart, answers to at most ``looks`` of them (0: none)."""
        found = self.loss(key, rows)
        if found and looks == 0:
            return found
        few = some(rows, looks) if found and looks else rows
        return self.setup.task.evaluate(self.answers(key, few), self.setup.rows[key].encoded.references[few]) | found

    def look(self, first: bool = False) -> dict[str, float]:
        """Every context's metrics on some of its validation examples, as points of a curve; ``first``: in a moment."""
        most, written = most_looked(self.setup, first), 0 if first else self.setup.task.looks
        values: dict[str, float] = {}
        for key, rows in self.setup.rows.items():
            metrics = self.metrics(key, some(rows.validation, most), written)
            values |= {f"validation/{key}/{name}": value for name, value in metrics.items()}
        return values

    def constants(self) -> dict[str, float]:
        """The loss of the best constant answer on each context's validation split."""
        found = {}
        for key, rows in self.setup.rows.items():
            targets = rows.encoded.targets
            found[f"constant/{key}"] = self.setup.task.constant(targets[rows.learn], targets[rows.validation])
        return found

    def lack(self, key: str, rows: np.ndarray) -> tuple[float, float]:
        """What the weights that are kept have least of, and how much more of it later ones may have.

        The loss on rows, and none. Of a task that writes, minus the mean score of its texts, since a decoder's texts go
        on improving while it grows too sure of single pieces, and a standard error of that mean: a few texts tell no
        two epochs apart, and the later has learnt more (after the one-standard-error rule: Breiman et al. 1984, 3.4.3).
        """
        task = self.setup.task
        if task.looks is None:
            return self.metrics(key, rows)["loss"], 0.0
        few = some(rows, task.looks)
        scores = task.scores(self.answers(key, few), self.setup.rows[key].encoded.references[few])
        return -float(scores.mean()), float(scores.std() / max(len(few) - 1, 1) ** 0.5)

    def test(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The results on every context's test split, and its answers by "test/<context>".

        Beside answers that are no label's logits stand "said/…", as one reads them, and "score/…", how good each is:
        for pages, which have no tokenizer.
        """
        task, contexts = self.setup.task, self.setup.rows
        found = {f"test/{key}": self.answers(key, one.test, self.setup.config.beams) for key, one in contexts.items()}
        final = results(task, contexts, found, self.setup.trained_on())
        for key, one in contexts.items():
            final["metrics"][key] |= self.loss(key, one.test)
            given, references = found[f"test/{key}"], one.encoded.references[one.test]
            said = task.said(given, references, one.examples(one.test), one.context.labels)
            if said is not None:
                found |= {f"said/{key}": said, f"score/{key}": task.scores(given, references).astype(np.float32)}
        return final, found


def results(
    task: Task, rows: Mapping[str, ContextRows], answers: Mapping[str, np.ndarray], used: Collection[str]
) -> dict[str, Any]:
    """Test metrics, floors, confusion counts and labels used, by context. ``used``: the contexts trained on."""
    final: dict[str, Any] = {"metrics": {}, "floor": {}, "labels_used": {}}
    for key, context in rows.items():
        encoded, labels = context.encoded, context.context.labels
        given, references = answers[f"test/{key}"], encoded.references[context.test]
        learn, test = context.examples(context.learn), context.examples(context.test)
        final["metrics"][key] = task.evaluate(given, references)
        final["floor"][key] = task.floor(learn, test, labels)
        final["labels_used"][key] = len(context.learn) + len(context.select) if key in used else 0
        for name, value in task.details(given, references, labels).items():
            final.setdefault(name, {})[key] = value
    final["metrics"] = {"source": None, "target": None} | final["metrics"]
    return final
