"""What a map costs here and in Hugging Face's Trainer: 5 λ × depths × 3 draws, 10 epochs, MiniLM, tweets to editorials.

    python -m tests.benchmarks.engine [--rounds N] [--depths 0,1,2,3,4,5,6] [--updates N]

CPU seconds on one thread, arms interleaved in every round, medians over rounds. Of every arm a few updates, a look at
an epoch's end and the tests of a run are measured, and multiplied by how many of them a run has; nothing depends on λ
or the draw. What is shared (the fill) and heads that train together (all 15 runs, whole) are measured as they are.
Rungs:

- the Trainer by default, and fully favoured (`tests.benchmarks.trainer`);
- our loop without the kept prefix: batches of like length, fused AdamW, evaluation without gradients;
- with the prefix, each run by itself; shared between the runs; at depth 6, heads together.

One run with nothing frozen is measured against the favoured Trainer and against a bare loop (`tests.benchmarks.loop`).
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import torch
from torch import Tensor

from ctx import inside
from ctx.batches import Batch
from ctx.config import ContextChoice, RunConfig, SourceChoice, canonical
from ctx.heads import Group
from ctx.model import Model
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.setup import Setup
from ctx.train import Trainer
from tests.benchmarks.trainer import Arm

LAMBDAS, DRAWS, EPOCHS = (0.0, 0.1, 0.5, 1.0, 5.0), 3, 10
RUNS = len(LAMBDAS) * DRAWS
DEEPEST = 6


def config(depth: int, lam: float = 0.1, seed: int = 0) -> RunConfig:
    return RunConfig(
        sources=(SourceChoice(id="sentiment/tweets"),),
        target=ContextChoice(id="sentiment/editorials", size=20),
        schedule=Choice(name="joint", knobs={"lam": lam}),
        tuning=Choice(name="freeze", knobs={"layers": depth}) if depth else Choice(name="full"),
        seed=seed,
    )


class Plain(Memo):
    """Frozen layers run with every batch, as in any other loop."""

    def hidden(
        self, model: Model, weights: str, depth: int, batch: Batch, lasting: bool = False, half: bool = False
    ) -> Tensor | None:
        if depth == 0:
            return None
        with torch.no_grad():
            return model.run(batch, stop=depth)


@dataclass
class Costs:
    """Seconds, a round each: an update, a look, the tests and what begins a run."""

    update: list[float] = field(default_factory=list)
    look: list[float] = field(default_factory=list)
    test: list[float] = field(default_factory=list)
    begin: list[float] = field(default_factory=list)

    def run(self, updates: int) -> float:
        """Of a run of so many updates an epoch."""
        middle = [median(one) if one else 0.0 for one in (self.update, self.look, self.test, self.begin)]
        return EPOCHS * (updates * middle[0] + middle[1]) + middle[2] + middle[3]


def timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def ours(costs: Costs, depth: int, features: Memo, updates: int, draw: int) -> None:
    """A run of ours, in part."""
    made: list[Trainer] = []

    def begin() -> None:
        made.append(Trainer(Setup(canonical(config(depth, seed=draw))), features))
        made[0].begin()
        made[0].started()

    costs.begin.append(timed(begin))
    (trainer,) = made
    phase = trainer._phase(trainer.setup.phases[0])
    first = timed(lambda: next(phase))  # it compares gradients, as one of so many does
    rest = timed(lambda: list(itertools.islice(phase, updates))) / updates
    costs.update.append(rest + max(0.0, first - rest) / inside.EVERY)
    costs.look.append(timed(trainer._look))
    costs.test.append(timed(trainer._end))


def theirs(costs: Costs, depth: int, favoured: bool, updates: int, looks: bool) -> None:
    """A run of the Trainer, in part; looking costs the same at every depth."""
    arm = Arm(config(depth), favoured, updates)
    costs.update.append(arm.epoch() / updates)
    if looks:
        costs.look.append(arm.look())
        costs.test.append(arm.test())


def fill(depth: int) -> tuple[float, Memo, int]:
    """Every output that the draws' runs read, computed; the seconds, the prefix, its bytes."""
    features = Memo(limit=10**10)
    draws = [Trainer(Setup(canonical(config(depth, seed=draw))), features) for draw in range(DRAWS)]

    def work() -> None:
        for trainer in draws:
            trainer.begin()
            for rows in trainer.setup.rows.values():
                wanted = np.concatenate([rows.learn, rows.select, rows.validation, rows.test])
                wanted = wanted[np.argsort(rows.encoded.lengths[wanted], kind="stable")]
                for start in range(0, len(wanted), 256):
                    trainer.frozen(rows.encoded.batch(wanted[start : start + 256]))

    seconds = timed(work)
    return seconds, features, sum(table.bytes for table in features.tables.values())


def heads(features: Memo) -> float:
    """All 15 runs of the deepest column, whole, together."""
    asked = [config(DEEPEST, lam, draw) for lam in LAMBDAS for draw in range(DRAWS)]
    return timed(lambda: list(Group([Setup(canonical(one)) for one in asked], features).run()))


ARMS = ("Trainer, default", "Trainer, favoured", "ours, no prefix", "ours, prefix")


def measured(
    depths: list[int], rounds: int, updates: int
) -> tuple[dict[tuple[str, int], Costs], dict[str, list[float]]]:
    costs = {(arm, depth): Costs() for arm in ARMS for depth in depths}
    whole: dict[str, list[float]] = {f"fill {depth}": [] for depth in depths} | {"heads": []}
    for n in range(rounds):
        for depth in depths:
            for arm in ARMS[:2]:
                theirs(costs[arm, depth], depth, arm == ARMS[1], updates, looks=depth == depths[-1])
            ours(costs[ARMS[2], depth], depth, Plain(), updates, n % DRAWS)
            seconds, features, taken = fill(depth)
            whole[f"fill {depth}"].append(seconds)
            ours(costs[ARMS[3], depth], depth, features, updates, n % DRAWS)
            if depth == DEEPEST:
                whole["heads"].append(heads(features))
            print(f"round {n + 1}, depth {depth}: prefix of {taken / 1e6:.0f} MB in {seconds:.1f} s", flush=True)
    for arm in ARMS[:2]:
        for depth in depths[:-1]:
            costs[arm, depth].look, costs[arm, depth].test = costs[arm, depths[-1]].look, costs[arm, depths[-1]].test
    return costs, whole


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--updates", type=int, default=11)
    asked.add_argument("--depths", default="0,1,2,3,4,5,6")
    given = asked.parse_args()
    torch.set_num_threads(1)
    depths = [int(depth) for depth in given.depths.split(",")]
    updates = Setup(canonical(config(DEEPEST))).phases[0].updates
    costs, whole = measured(depths, given.rounds, given.updates)
    for depth in depths:
        row = ", ".join(f"{arm} {costs[arm, depth].run(updates):.1f} s" for arm in ARMS)
        print(f"one run, depth {depth}: {row}; update {1000 * median(costs[ARMS[3], depth].update):.1f} ms")
    for name, some in (("depths 4 to 6", [4, 5, 6]), ("head only", [6]), ("all depths", depths)):
        if set(some) <= set(depths):
            table(name, some, costs, whole, updates)
    if 0 in depths:
        full = [costs[arm, 0].run(updates) for arm in ARMS]
        print(f"one run, nothing frozen: Trainer favoured ÷ ours {full[1] / full[3]:.2f}")


def table(
    name: str, depths: list[int], costs: dict[tuple[str, int], Costs], whole: dict[str, list[float]], updates: int
) -> None:
    """The ladder for some depths: CPU seconds of the whole map, and how many times ours it is."""
    rungs = {arm: RUNS * sum(costs[arm, depth].run(updates) for depth in depths) for arm in ARMS}
    fills = {depth: median(whole[f"fill {depth}"]) for depth in depths}
    rungs[ARMS[3]] += RUNS * sum(fills.values())
    shared = RUNS * sum(costs[ARMS[3], depth].run(updates) for depth in depths) + sum(fills.values())
    rungs["shared between runs"] = shared
    if DEEPEST in depths:
        together = median(whole["heads"])
        rungs["heads together"] = shared - RUNS * costs[ARMS[3], DEEPEST].run(updates) + together
    last = list(rungs.values())[-1]
    print(f"\n| {name}: {RUNS * len(depths)} runs | CPU seconds | ÷ ours |\n|---|---|---|")
    for rung, seconds in rungs.items():
        print(f"| {rung} | {seconds:,.0f} | {seconds / last:.2f} |")


if __name__ == "__main__":
    main()
