"""A whole map from the click to its last cell, by the dispatcher and its workers; and what was said before.

    python -m tests.benchmarks.maps [--assets FOLDER] [--column]

84 runs: 7 λ × 3 to 6 of 6 layers frozen × 3 draws, MiniLM, tweets to editorials, 160 source rows × 3 epochs. With
``--column`` only those of which the head alone learns, as the Map page would train them at full size (10 epochs).
Starts from an empty store; the archives are there (``--assets``), their texts have been read by nothing.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import psutil

from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice
from ctx.dispatch import ensure
from ctx.manifest import slots
from ctx.parts import Choice
from ctx.store import open_store
from ctx.sweeps.cost import cost
from ctx.sweeps.plan import Axis, Sweep, checked, rows, spec
from ctx.worker import learn_speed

LAMBDAS, LAYERS, DRAWS = (0.0, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0), (3, 4, 5, 6), 3


def sweep(column: bool) -> Sweep:
    small = Optim(epochs=3, min_updates=5)
    base = RunConfig(
        sources=(SourceChoice(id="sentiment/tweets", size=None if column else 160),),
        target=ContextChoice(id="sentiment/editorials", size=20),
        schedule=Choice(name="joint"),
        tuning=Choice(name="freeze", knobs={"layers": 6}),
        optim=Optim() if column else small,
    )
    axes = (
        Axis(name="schedule.lam", values=LAMBDAS),
        *([] if column else [Axis(name="tuning.layers", values=LAYERS)]),
    )
    return checked(Sweep(base=base, axes=axes, draws=DRAWS))


def measured(column: bool) -> None:
    """One map; prints what was said and what it took."""
    store = open_store()
    learn_speed(store)
    asked = sweep(column)
    planned = rows(asked)
    said = cost(planned, [], [], slots())
    ensure(store.url)
    time.sleep(5)  # as while a page is looked at: the first worker is there
    began = time.perf_counter()
    study = store.add_study("map", spec(asked), planned, ahead=True)
    first = 0.0
    while True:
        runs = [run for _, _, run in store.study_runs(study.id)]
        ended = [run for run in runs if run.state in ("done", "failed", "stopped")]
        if ended and not first:
            first = time.perf_counter() - began
        if len(ended) == len(runs):
            break
        time.sleep(0.2)
    taken = time.perf_counter() - began
    done = [run for run in ended if run.state == "done"]
    print(f"{said.sentence}")
    print(f"first run {first:.1f} s, last {taken:.1f} s from the click; {len(done)} of {len(runs)} runs done")
    print(f"said before ÷ taken: {said.seconds / taken:.2f}; {slots()} workers")
    busy = sum(run.final["train_seconds"] for run in done if run.final)
    print(f"seconds of training, all told: {busy:.0f}")
    for child in psutil.Process().children(recursive=True):
        child.kill()


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--assets", type=Path)
    asked.add_argument("--column", action="store_true")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as place:
        if given.assets:
            (Path(place) / "assets").symlink_to(given.assets.resolve(), target_is_directory=True)
        os.environ["CTX_HOME"] = place
        measured(given.column)


if __name__ == "__main__":
    main()
