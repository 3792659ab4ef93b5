"""What a method costs an update, against the plain run: MiniLM, tweets and editorials jointly; E5 for translation.

    python -m tests.benchmarks.method_cost [--rounds N] [--updates N] [--only NAME,NAME]

CPU seconds on one thread of the same updates on the same batches, arms in turn in one process, another first in each
round; an arm's first updates warm up. The table has the medians over rounds of an arm's seconds and of its ratio to the
plain arm of the same round; penalties on what was handed over are held against the plain run's target phase, whose
texts have all been seen when it is measured. What an arm does once a run (a teacher's answers, which weights matter) is
what its first updates take longer than the plain arm's, in updates of that.
Gradients are compared (`ctx.inside`) in the arm of that name alone, in every update; what that costs at the interval of
a run stands beside it.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

import torch

from ctx import inside
from ctx.config import ContextChoice, RunConfig, SourceChoice, canonical
from ctx.parts import Choice
from ctx.plan import LOOK_EVERY
from ctx.setup import Setup
from ctx.state import Event
from ctx.train import Trainer

CONFIG = RunConfig(
    sources=(SourceChoice(id="sentiment/tweets"),),
    target=ContextChoice(id="sentiment/editorials", size=500),
    schedule=Choice(name="joint", knobs={"lam": 0.5}),
    tuning=Choice(name="full"),
)
PLAIN, COSINES, AFTER = "plain", "gradient cosines", "plain in the target phase"
SEQUENTIAL = {
    "schedule": Choice(name="sequential"),
    "target": ContextChoice(id="sentiment/editorials", size=96),
}
WRITTEN = "plain where texts are written"
WRITING = {
    "schedule": Choice(name="sequential"),
    "sources": (SourceChoice(id="translation/notebooks-en-es", size=200),),
    "target": ContextChoice(id="translation/cms-en-es", size=96),
    "backbone": Choice(name="e5"),
}
WARM = 4  # updates that have seen all of those
METHODS: dict[str, dict[str, Any]] = {  # what each changes in the plain run's configuration
    PLAIN: {},
    COSINES: {},
    **{name: {"balancer": Choice(name=name)} for name in ("uncertainty", "gradnorm", "dwa", "pcgrad", "upgrad")},
    **{name: {"penalties": (Choice(name=name),)} for name in ("l2sp", "dann", "coral", "mmd")},
    "dann of all texts": {"penalties": (Choice(name="dann", knobs={"texts": "all"}),)},
    **{name: {"tuning": Choice(name=name)} for name in ("head", "lora", "adapter", "bitfit", "per-context")},
    "freeze 4 of 6": {"tuning": Choice(name="freeze", knobs={"layers": 4})},
    AFTER: SEQUENTIAL,
    **{
        f"{name} in the target phase": SEQUENTIAL | {"penalties": (Choice(name=name),)}
        for name in ("distill", "ewc", "l2sp")
    },
    WRITTEN: WRITING,
    "distill where texts are written": WRITING | {"penalties": (Choice(name="distill"),)},
}


def base(method: str) -> str:
    """The plain arm that a method's is held against."""
    return next((arm for arm in (WRITTEN, AFTER) if method.endswith(arm.removeprefix(PLAIN))), PLAIN)


def timed(phase: Iterator[Event], updates: int) -> float:
    began = time.process_time()
    for _ in itertools.islice(phase, updates):
        pass
    return time.process_time() - began


def seconds(method: str, updates: int) -> tuple[float, float]:
    """Of an arm's first updates, and of so many after them."""
    inside.looks = lambda phase: frozenset(range(updates + WARM) if method == COSINES else ())
    trainer = Trainer(Setup(canonical(CONFIG.model_copy(update=METHODS[method]))))
    torch.manual_seed(CONFIG.seed)
    trainer.begin()
    if base(method) in (AFTER, WRITTEN):
        trainer.at.phase = 1
        trainer.begin()
    phase = trainer._phase(trainer.setup.phases[trainer.at.phase])
    return timed(phase, WARM), timed(phase, updates)


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--updates", type=int, default=6)
    asked.add_argument("--only", default=",".join(METHODS))
    given = asked.parse_args()
    torch.set_num_threads(1)
    wanted = given.only.split(",")
    arms = [name for name in METHODS if name in wanted or name in {base(one) for one in wanted}]
    taken: dict[str, list[float]] = {arm: [] for arm in arms}
    first: dict[str, list[float]] = {arm: [] for arm in arms}
    for n in range(given.rounds):
        for arm in arms[n % len(arms) :] + arms[: n % len(arms)]:
            begun, whole = seconds(arm, given.updates)
            taken[arm].append(whole / given.updates)
            first[arm].append(begun)
    print("| method | ms an update | ÷ plain | range | once a run, in plain updates |\n|---|---|---|---|---|")
    for arm in arms:
        plain = taken[base(arm)]
        ratios = [one / other for one, other in zip(taken[arm], plain, strict=True)]
        once = median(
            (a - b) / c - WARM * (ratio - 1)
            for a, b, c, ratio in zip(first[arm], first[base(arm)], plain, ratios, strict=True)
        )
        row = f"{1000 * median(taken[arm]):.0f} | {median(ratios):.3f} | {min(ratios):.3f} to {max(ratios):.3f}"
        print(f"| {arm} | {row} | {once if once > 1 else 0:.0f} |")
        if arm == COSINES:
            print(f"| {arm}, every {LOOK_EVERY} updates | | {1 + (median(ratios) - 1) / LOOK_EVERY:.3f} | | |")


if __name__ == "__main__":
    main()
