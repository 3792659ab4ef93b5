"""What a map costs here and in Hugging Face's Trainer: 5 λ × depths × 3 draws, 10 epochs, MiniLM, tweets to editorials.

    python -m tests.benchmarks.engine [--rounds N] [--depths 0,1,2,3,4,5,6] [--updates N] [--looks N]

CPU seconds on one thread. In a round every arm makes a few updates, on the same batches of like length (the Trainer by
default draws its own), in turn, and the arm that begins is another each time; now and then every arm looks as at an
epoch's end and tests. A machine shared with others is slow for minutes at a time: what was measured within seconds is
divided, and the ratios of the rounds have a median and a range; beside it stands the ratio of the sums over all rounds,
in which long batches weigh as they do in a run. The fill and the heads are measured once. What a run costs is those
times how many of them it has; nothing depends on λ or the draw. What is shared (the fill) and heads that train together
(all 15 runs, whole) are measured as they are.
Rungs:

- the Trainer by default, and fully favoured (`tests.benchmarks.trainer`);
- our loop without the kept prefix: batches of like length, fused AdamW, evaluation without gradients; first with
  torch's own products, then with those of the library that is quicker here (`ctx.products`);
- with the prefix, each run by itself; shared between the runs; at depth 6, heads together.

One run with nothing frozen is measured against the favoured Trainer; against a bare loop: `tests.benchmarks.loop`.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from statistics import median
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from ctx import products
from ctx.batches import Batch
from ctx.config import ContextChoice, RunConfig, SourceChoice, canonical
from ctx.heads import Group
from ctx.model import Model
from ctx.parts import Choice
from ctx.plan import LOOK_EVERY
from ctx.prefix import Memo
from ctx.setup import Setup, deterministic
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
    """Seconds of an arm at a depth: of an update and what comparing gradients adds to it, a round each; of the rest."""

    update: list[float] = field(default_factory=list)
    compared: list[float] = field(default_factory=list)
    look: list[float] = field(default_factory=list)
    test: list[float] = field(default_factory=list)
    begin: float = 0.0

    def run(self, updates: int, n: int) -> float:
        """Of a run of so many updates an epoch, by round ``n``."""
        compared = max(0.0, median(self.compared)) if self.compared else 0.0
        update = self.update[n] + compared / LOOK_EVERY
        return EPOCHS * (updates * update + median(self.look)) + median(self.test) + self.begin


def timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


class Ours:
    """A run of ours; every update that ends a round compares gradients (`ctx.inside`)."""

    def __init__(self, depth: int, features: Memo, costs: Costs, own: bool = False) -> None:
        self.products = (lambda: False) if own else products.onednn
        self.costs, self.trainer = costs, Trainer(Setup(canonical(config(depth))), features)

        def begin() -> None:
            self.trainer.begin()
            self.trainer.started()

        costs.begin = timed(begin)
        self.updates = self.trainer._phase(self.trainer.setup.phases[0])
        next(self.updates)  # update 0, which the Trainer's arms leave out too

    def update(self, updates: range) -> None:
        """Some, in order, and one more that compares gradients; repeatable to the bit, as in `ctx.train.train`."""
        deterministic()
        with patch.object(products, "onednn", self.products):
            self._update(updates)

    def _update(self, updates: range) -> None:
        plain = timed(lambda: list(islice(self.updates, len(updates)))) / len(updates)
        self.trainer.looks = frozenset([updates.stop])
        compared = timed(lambda: next(self.updates))
        self.costs.update.append(plain)
        self.costs.compared.append(compared - plain)

    def look(self) -> None:
        """At an epoch's end, and the tests."""
        with patch.object(products, "onednn", self.products):
            self.costs.look.append(timed(self.trainer._look))
            self.costs.test.append(timed(self.trainer.evaluator.test))


class Theirs:
    """A run of the Trainer."""

    def __init__(self, depth: int, favoured: bool, costs: Costs) -> None:
        self.costs, self.arm = costs, Arm(config(depth), favoured)

    def update(self, updates: range) -> None:
        """Some, with whatever is fastest."""
        torch.use_deterministic_algorithms(False)
        self.costs.update.append(self.arm.update(updates))

    def look(self) -> None:
        """At an epoch's end, and the tests."""
        self.costs.look.append(self.arm.look())
        self.costs.test.append(self.arm.test())


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


OWN, ALONE, PREFIX = "ours, no prefix, torch's products", "ours, no prefix", "ours, prefix"
ARMS = ("Trainer, default", "Trainer, favoured", OWN, ALONE, PREFIX)


@dataclass
class Measured:
    """By depth: every arm's costs; the fill's seconds. Of the heads together, their seconds."""

    costs: dict[int, dict[str, Costs]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Costs)))
    fills: dict[int, float] = field(default_factory=dict)
    heads: float = 0.0


def measure(found: Measured, depth: int, rounds: int, updates: int, looks: int) -> None:
    """Every arm at one depth."""
    costs = found.costs[depth]
    found.fills[depth], features, taken = fill(depth)
    print(f"depth {depth}: prefix of {taken / 1e6:.0f} MB in {found.fills[depth]:.1f} s", flush=True)
    arms = [
        *(Theirs(depth, arm == ARMS[1], costs[arm]) for arm in ARMS[:2]),
        Ours(depth, Plain(), costs[OWN], own=True),
        Ours(depth, Plain(), costs[ALONE]),
        Ours(depth, features, costs[PREFIX]),
    ]
    for n in range(rounds + 1):
        for arm in arms[n % len(arms) :] + arms[: n % len(arms)]:
            first = 1 + n * (updates + 1)
            arm.update(range(first, first + updates))
            if 0 < n <= looks:
                arm.look()
    for one in costs.values():  # the first round warms up
        del one.update[0], one.compared[:1]
    if depth == DEEPEST:
        found.heads = heads(features)


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--rounds", type=int, default=9)
    asked.add_argument("--updates", type=int, default=3)
    asked.add_argument("--looks", type=int, default=2)
    asked.add_argument("--depths", default="0,1,2,3,4,5,6")
    given = asked.parse_args()
    torch.set_num_threads(1)
    depths = [int(depth) for depth in given.depths.split(",")]
    updates = Setup(canonical(config(DEEPEST))).phases[0].updates
    assert (given.rounds + 1) * (given.updates + 1) < updates, f"an epoch has {updates} updates"
    found = Measured()
    for depth in depths:
        measure(found, depth, given.rounds, given.updates, given.looks)
        costs = found.costs[depth]
        row = ", ".join(f"{arm} {1000 * median(costs[arm].update):.1f}" for arm in ARMS)
        print(f"an update, ms: {row}", flush=True)
    for name, some in (("depths 4 to 6", [4, 5, 6]), ("head only", [6]), ("all depths", list(range(DEEPEST + 1)))):
        if set(some) <= set(depths):
            ladders = [ladder(found, some, updates, n) for n in range(given.rounds)]
            table(f"{name}: {RUNS * len(some)} runs", ladders)
    if 0 in depths:
        arms = found.costs[0]
        runs = [[arms[arm].run(updates, n) for arm in (ARMS[1], PREFIX)] for n in range(given.rounds)]
        print("\none run, nothing frozen: Trainer favoured ÷ ours", spread([theirs / ours for theirs, ours in runs]))


def ladder(found: Measured, depths: list[int], updates: int, n: int) -> dict[str, float]:
    """CPU seconds of the whole map at some depths, rung by rung, by round ``n``."""
    runs = {arm: {depth: found.costs[depth][arm].run(updates, n) for depth in depths} for arm in ARMS}
    rungs = {arm: RUNS * sum(one.values()) for arm, one in runs.items()}
    fills = sum(found.fills[depth] for depth in depths)
    rungs[PREFIX] += RUNS * fills
    rungs["shared between runs"] = rungs[PREFIX] - (RUNS - 1) * fills
    if DEEPEST in depths:
        rungs["heads together"] = rungs["shared between runs"] - RUNS * runs[PREFIX][DEEPEST] + found.heads
    return rungs


def table(name: str, ladders: list[dict[str, float]]) -> None:
    """The mean seconds, how many times ours they are in the same round, and by the sums."""
    print(f"\n| {name} | CPU seconds | ÷ ours, rounds | of the sums |\n|---|---|---|---|")
    last = list(ladders[0])[-1]
    for rung in ladders[0]:
        ratios = spread([one[rung] / one[last] for one in ladders])
        seconds, ours = (sum(one[name] for one in ladders) for name in (rung, last))
        print(f"| {rung} | {seconds / len(ladders):,.0f} | {ratios} | {seconds / ours:.2f} |")


def spread(ratios: list[float]) -> str:
    """The median, the lowest, the highest."""
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    main()
