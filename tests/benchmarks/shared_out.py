"""A study whose layers learn, shared out to two workers of a thread each, against one worker with two threads.

    python -m tests.benchmarks.shared_out [--assets FOLDER] [--runs 8] [--rounds 2]

MiniLM with 4 of 6 layers frozen, tweets to editorials, short runs; seconds from the click to the last result. Each arm
has a dispatcher and a store of its own, which idle while the other's works; what frozen layers give is there before.
"""

from __future__ import annotations

import argparse
import atexit
import os
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

from ctx.config import canonical
from ctx.dispatch import ensure
from ctx.manifest import cores
from ctx.store import Store, open_store
from ctx.worker import learn_speed
from tests.benchmarks.queued import config

WORKERS, FROZEN = (2, 1), 4


def started(place: Path, workers: int) -> Store:
    """A store with a dispatcher that has so many workers, and what its runs read."""
    os.environ |= {"CTX_WORKERS": str(workers), "CTX_STORE": f"sqlite:///{place}/store-{workers}.sqlite"}
    store = open_store()
    learn_speed(store)
    ensure(store.url)
    job = store.add_job("encode", config(0, FROZEN).model_dump(mode="json"))
    while store.job(job.id).state not in ("done", "failed"):
        time.sleep(0.1)
    return store


def seconds(store: Store, seeds: range, workers: int) -> float:
    """Of a study with these draws."""
    began = time.perf_counter()
    study = store.add_study("shared out", {}, [("chosen", seed, canonical(config(seed, FROZEN))) for seed in seeds])
    while True:
        runs = [run for _, _, run in store.study_runs(study.id)]
        if all(run.state in ("done", "failed") for run in runs):
            break
        time.sleep(0.1)
    assert all(run.state == "done" for run in runs), [run.error for run in runs]
    used = {(run.manifest["worker"], run.threads) for run in runs if run.manifest}
    assert len(used) == workers, used
    assert {threads for _, threads in used} == {cores() // workers}, used
    return time.perf_counter() - began


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--assets", type=Path)
    asked.add_argument("--runs", type=int, default=8)
    asked.add_argument("--rounds", type=int, default=2)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        if given.assets:
            (place / "assets").symlink_to(given.assets.resolve(), target_is_directory=True)
        os.environ["CTX_HOME"] = name
        atexit.register(end)
        stores = {workers: started(place, workers) for workers in WORKERS}
        ratios = []
        for n in range(given.rounds + 1):
            draws = range(n * given.runs, (n + 1) * given.runs) if n else range(10**6, 10**6 + 2)
            turn = list(stores.items())[:: 1 if n % 2 else -1]
            taken = {workers: seconds(store, draws, workers) for workers, store in turn}
            if n:  # the first round is there to have read everything
                ratios.append(taken[1] / taken[2])
                print(f"{given.runs} runs: two workers {taken[2]:.0f} s, one {taken[1]:.0f} s", flush=True)
        print(f"one worker ÷ two: {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def end() -> None:
    """Of the dispatchers and their workers."""
    for child in psutil.Process().children(recursive=True):
        child.kill()


if __name__ == "__main__":
    main()
