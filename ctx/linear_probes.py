"""Linear probes of frozen features for all values of λ, or of the number of labels, and all draws, solved together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ctx.batches import rows_of
from ctx.config import MOST_LOOKED, canonical
from ctx.evaluation import some
from ctx.logistic import Problems, Solution, solve
from ctx.prefix import Memo, memo
from ctx.preview import RIDGE, TOLERANCE, Asked, Preview, Scores
from ctx.setup import Setup
from ctx.train import Trainer

ROWS = 256  # examples between two words on progress
NUMBERS = 7e6  # rows times classes times heads that are solved together; a solver takes about seven times as many
Progress = Callable[[int, int], None]


def solved(question: Asked, progress: Progress | None = None, features: Memo = memo) -> Preview:
    """The answer. ``progress(done, of)`` counts examples that are read. Raises CtxError.

    Draws whose encoder differs, since it is a random one, are solved one after another.
    """
    seeds = range(question.config.seed, question.config.seed + question.draws)
    setups = [Setup(canonical(question.config.model_copy(update={"seed": seed}))) for seed in seeds]
    some = _at_once(setups[0], len(question.values())) if setups[0].backbone.pretrained else 1
    alike = [setups[start : start + some] for start in range(0, len(setups), some)]
    probes = [_Probe(question, group, progress or (lambda done, of: None), features) for group in alike]
    return Preview(
        axis=question.axis,
        values=question.values(),
        metric=setups[0].task.metrics[0].name,
        both=_joined([one.both for one in probes]),
        alone=_joined([one.alone for one in probes]),
        zero=_joined([one.zero for one in probes]),
        heads=sum(one.heads for one in probes),
        iterations=max(one.iterations for one in probes),
        gradient=max(one.gradient for one in probes),
    )


def _at_once(setup: Setup, values: int) -> int:
    """How many draws are solved together, so that it takes some hundred megabytes at most."""
    rows = sum(len(one.pool) for one in setup.rows.values())
    classes = len(setup.rows["target"].context.labels)
    return max(1, int(NUMBERS / (rows * classes * (values + 2))))


def _joined(scores: Sequence[Mapping[str, np.ndarray]]) -> Scores:
    return {key: np.concatenate([one[key] for one in scores], axis=1).tolist() for key in scores[0]}


class _Probe:
    """Draws that share their features: ``both``, ``alone``, ``zero`` by context ``[V, D]``."""

    def __init__(self, question: Asked, setups: Sequence[Setup], progress: Progress, features: Memo) -> None:
        self.setups, self.first = setups, setups[0]
        self.heads, self.iterations, self.gradient = 0, 0, 0.0
        sizes = [None] if question.axis == "lam" else [int(size) for size in question.values()]
        self.targets = [[self._target(setup, size) for setup in setups] for size in sizes]
        self._read(Trainer(self.first, features), progress)
        lam = [*question.values()] if question.axis == "lam" else [question.config.schedule.knobs["lam"]]
        found = [self._solve(rows, [*lam, 0.0] if n == 0 else lam) for n, rows in enumerate(self.targets)]
        both = [{key: scores[: len(lam)] for key, scores in one.items()} for one in found]
        self.both, self.alone = (
            _stacked(both),
            _stacked([{k: scores[-1:] for k, scores in one.items()} for one in found]),
        )
        self.zero = {key: scores[len(lam) : len(lam) + 1] for key, scores in found[0].items()}

    def _target(self, setup: Setup, size: int | None) -> np.ndarray:
        """The target's rows that a draw learns from, with so many labels."""
        config = setup.config
        if size is None or config.target is None:
            return setup.rows["target"].learn
        choice = config.target.model_copy(update={"size": size})
        return rows_of(config, choice, setup.backbone, setup.task).learn

    def _read(self, trainer: Trainer, progress: Progress) -> None:
        """The features and labels of every row that any head learns from or is judged by."""
        trainer.begin()
        self.judged = {key: some(rows.validation, MOST_LOOKED) for key, rows in self.first.rows.items()}
        learn = {key: [setup.rows[key].learn for setup in self.setups] for key in self.first.rows}
        learn["target"] = [rows for draws in self.targets for rows in draws]
        self.learnt = {key: np.unique(np.concatenate(rows)) for key, rows in learn.items()}
        wanted = [(key, rows) for kind in (self.learnt, self.judged) for key, rows in kind.items()]
        total, done, read = sum(len(rows) for _, rows in wanted), 0, []
        for key, rows in wanted:
            encoded, chunks = self.first.rows[key].encoded, []
            for start in range(0, len(rows), ROWS):
                hidden = trainer.frozen(encoded.batch(rows[start : start + ROWS]))
                assert hidden is not None
                chunks.append(hidden)
                done += len(hidden)
                progress(done, total)
            states = torch.cat(chunks)
            read.append(torch.cat([states, states.new_ones(len(states), 1)], 1))
        self.x = torch.cat(read[: len(self.learnt)])
        self.tests = dict(zip(self.judged, read[len(self.learnt) :], strict=True))
        targets = [self.first.rows[key].encoded.targets[rows] for key, rows in self.learnt.items()]
        self.y = torch.from_numpy(np.concatenate(targets))
        begins = np.cumsum([0, *(len(rows) for rows in self.learnt.values())])
        self.begins = dict(zip(self.learnt, begins.tolist(), strict=False))

    def _weights(self, key: str, draws: Sequence[np.ndarray]) -> Tensor:
        """What each row counts in the mean loss of its context ``[D, N]``, the classes balanced where asked for."""
        found = torch.zeros(len(draws), len(self.x))
        for draw, rows in enumerate(draws):
            at = torch.from_numpy(self.begins[key] + np.searchsorted(self.learnt[key], rows))
            counts = torch.ones(len(rows))
            if self.first.config.optim.class_balanced:
                counts /= self.y[at].bincount()[self.y[at]]
            found[draw, at] = counts / counts.sum()
        return found

    def _solve(self, target: Sequence[np.ndarray], lam: Sequence[float]) -> dict[str, np.ndarray]:
        """The scores ``[len(lam) + 1, D]`` by context: of each λ, then of the target alone."""
        sources = zip(self.first.config.contexts(), self.first.config.sources, strict=False)
        beside = [w.weight * self._weights(key, [s.rows[key].learn for s in self.setups]) for key, w in sources]
        parts = torch.stack([torch.stack(beside).sum(0), self._weights("target", target)])
        mix = torch.tensor([*((1.0, one) for one in lam), (0.0, 1.0)])
        classes = len(self.first.rows["target"].context.labels)
        solution = solve(Problems(self.x, self.y, parts, mix, classes, RIDGE), TOLERANCE)
        self.heads += solution.gradients.numel()
        self.iterations = max(self.iterations, solution.iterations)
        self.gradient = max(self.gradient, float(solution.gradients.max()))
        return {key: self._scores(solution, key) for key in self.judged}

    def _scores(self, solution: Solution, key: str) -> np.ndarray:
        task, references = self.first.task, self.first.rows[key].encoded.references[self.judged[key]]
        logits = torch.einsum("nw,gdcw->gdnc", self.tests[key], solution.heads).numpy()
        name = task.metrics[0].name
        return np.asarray([[task.evaluate(one, references)[name] for one in row] for row in logits])


def _stacked(found: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {key: np.concatenate([one[key] for one in found]) for key in found[0]}
