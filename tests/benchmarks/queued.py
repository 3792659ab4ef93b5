"""Thirty queued runs on two workers against one run at a time: updates for a second of processor time.

    python -m tests.benchmarks.queued [--assets FOLDER] [--runs 30] [--rounds 2]

MiniLM with 5 of 6 layers frozen, tweets to editorials, one thread a worker in both arms, one dispatcher for both, its
processes' time counted from /proc. In a round some runs are queued one after another, then all at once, then one after
another again; every run is another draw, and a study of its own, as when a class presses Train. The frozen layers'
outputs are there before.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical
from ctx.dispatch import _started, ensure
from ctx.parts import Choice
from ctx.records import Run
from ctx.store import Store, open_store

SLOTS = 2
LONE = 3  # runs of the arm that has the machine to itself, before and after the others


def config(seed: int, layers: int = 5) -> RunConfig:
    """A short run with so many of 6 layers frozen."""
    return RunConfig(
        sources=(SourceChoice(id="sentiment/tweets", size=160),),
        target=ContextChoice(id="sentiment/editorials", size=20),
        schedule=Choice(name="joint", knobs={"lam": 0.1}),
        tuning=Choice(name="freeze", knobs={"layers": layers}),
        optim=Optim(epochs=2, min_updates=10),
        seed=seed,
    )


def seconds_of(session: int) -> float:
    """Processor time of a dispatcher and all that it started, those that have ended too."""
    total = 0.0
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session:
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return total


def trained(store: Store, session: int, seeds: list[int]) -> float:
    """Processor seconds of runs that are queued together, an update each."""
    before = seconds_of(session)
    studies = [store.add_study("queued", {}, [("chosen", seed, canonical(config(seed)))]) for seed in seeds]

    def found() -> list[Run]:
        return [run for study in studies for _, _, run in store.study_runs(study.id)]

    at_work, runs = 0, found()
    while any(run.state not in ("done", "failed") for run in runs):
        time.sleep(0.5)
        at_work, runs = max(at_work, sum(run.state == "running" for run in runs)), found()
    assert all(run.state == "done" for run in runs), [run.error for run in runs]
    assert at_work == min(SLOTS, len(runs)), f"{at_work} at a time"
    return (seconds_of(session) - before) / sum(run.final["steps"] for run in runs if run.final)


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--assets", type=Path)
    asked.add_argument("--runs", type=int, default=30)
    asked.add_argument("--rounds", type=int, default=2)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as place:
        if given.assets:
            (Path(place) / "assets").symlink_to(given.assets.resolve(), target_is_directory=True)
        os.environ |= {"CTX_HOME": place, "OMP_NUM_THREADS": "1", "CTX_WORKERS": str(SLOTS), "CTX_MEMO_MB": "500"}
        store = open_store()
        ensure(store.url)
        session = _started[store.url].pid
        seeds = iter(range(10**6))

        def next_seeds(count: int) -> list[int]:
            return [next(seeds) for _ in range(count)]

        job = store.add_job("encode", config(0).model_dump(mode="json"))
        while store.job(job.id).state not in ("done", "failed"):
            time.sleep(0.1)
        trained(store, session, next_seeds(given.runs))  # both workers are there, and what they read
        ratios = []
        for _ in range(given.rounds):
            lone = [trained(store, session, next_seeds(1)) for _ in range(LONE)]
            together = trained(store, session, next_seeds(given.runs))
            lone += [trained(store, session, next_seeds(1)) for _ in range(LONE)]
            ratios.append(median(lone) / together)
            print(f"an update: alone {1000 * median(lone):.1f} ms, {given.runs} queued {1000 * together:.1f} ms")
        print(f"updates a processor second, {given.runs} queued ÷ alone: {median(ratios):.3f} {sorted(ratios)}")
        for process in psutil.Process(session).children(recursive=True):
            process.kill()
        psutil.Process(session).kill()


if __name__ == "__main__":
    main()
