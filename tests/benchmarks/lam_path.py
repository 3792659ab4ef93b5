"""The λ path of the Lab: how long it takes, whether its heads are solved, whether runs land on it.

    python -m tests.benchmarks.lam_path [--threads N]

Tweets to editorials, MiniLM all frozen, 1,200 source and 20 target examples, 24 λ and both ends, 10 draws. Three
questions: the seconds of a path whose features are at hand, five times; its macro-F1 against the same heads trained to
convergence one by one by scikit-learn, in double precision; and the validation macro-F1 of runs of default length.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from ctx import linear_probes, logistic, preview
from ctx.config import ContextChoice, RunConfig, SourceChoice, canonical
from ctx.linear_probes import solved
from ctx.parts import Choice
from ctx.preview import RIDGE
from ctx.setup import Setup
from tests.benchmarks.draws import mean, run

DRAWS, TIMES, METRIC = 10, 5, "macro_f1"
CONFIG = RunConfig(
    sources=(SourceChoice(id="sentiment/tweets", size=1500),),  # a fifth is set aside to select on
    target=ContextChoice(id="sentiment/editorials", size=20),
)


class Watch:
    """The solver, timed, with what it was last given."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, problems: logistic.Problems, tolerance: float) -> logistic.Solution:
        began = time.perf_counter()
        self.problems, self.solution = problems, logistic.solve(problems, tolerance)
        self.seconds.append(time.perf_counter() - began)
        return self.solution


def one_by_one(watch: Watch, found: preview.Preview) -> tuple[float, float]:
    """The largest and the mean difference in macro-F1, on the rows that the path is judged by."""
    asked = watch.problems
    x, y = asked.x.double().numpy(), asked.y.numpy()
    setup = Setup(canonical(CONFIG))
    rows = setup.rows["target"]
    probe = linear_probes._Probe(preview.asked(CONFIG, "lam", 1), [setup], lambda done, of: None, linear_probes.memo)
    tests, references = probe.tests["target"].double().numpy(), rows.encoded.references[probe.judged["target"]]
    expected = [*found.both["target"], found.zero["target"][0], found.alone["target"][0]]
    differences = []
    for group, mixed in enumerate(asked.mix.double().numpy()):
        for draw in range(DRAWS):
            counts = mixed @ asked.parts[:, draw].double().numpy()
            there = counts > 0
            single = LogisticRegression(C=2 / RIDGE, fit_intercept=False, tol=1e-9, max_iter=20_000)
            single.fit(x[there], y[there], sample_weight=counts[there])
            score = tests @ single.coef_[0]
            given = setup.task.evaluate(np.stack([-score, score], 1) / 2, references)[METRIC]
            differences.append(abs(given - expected[group][draw]))
    return max(differences), float(np.mean(differences))


def runs(found: preview.Preview) -> None:
    """Runs of default length beside the path."""
    print("| λ | runs, validation | path | difference |\n|---|---|---|---|")
    arms: dict[str, Any] = {"source only": (Choice(name="source-only"), found.zero["target"][0])}
    for place in (0, 8, 15, 23):
        lam = found.values[place]
        arms[f"{lam:.3g}"] = Choice(name="joint", knobs={"lam": lam}), found.both["target"][place]
    updates = {"updates": 38}
    arms["target only"] = Choice(name="target-only", knobs=updates), found.alone["target"][0]
    for name, (schedule, path) in arms.items():
        trained = mean(run(CONFIG.model_copy(update={"schedule": schedule}), METRIC, DRAWS).validation)
        print(f"| {name} | {trained:.3f} | {np.mean(path):.3f} | {trained - np.mean(path):+.3f} |")


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(asked.parse_args().threads)
    question, watch, whole = preview.asked(CONFIG, "lam", DRAWS), Watch(), []
    with patch.object(linear_probes, "solve", watch):
        solved(question)  # the features come to hand
        for _ in range(TIMES):
            began = time.perf_counter()
            found = solved(question)
            whole.append(time.perf_counter() - began)
    heads = watch.seconds[1:]
    print(f"{found.heads} heads on {len(watch.problems.x)} rows, {watch.solution.iterations} iterations")
    print(f"solved in {median(heads):.2f} s ({min(heads):.2f} to {max(heads):.2f})")
    print(f"the whole answer {median(whole):.2f} s ({min(whole):.2f} to {max(whole):.2f})")
    most, usual = one_by_one(watch, found)
    print(
        "against heads trained one by one to convergence: "
        f"macro-F1 differs by {most:.4f} at most, {usual:.5f} on average"
    )
    runs(found)


if __name__ == "__main__":
    main()
