"""A small sweep to plan, and rows of one whose runs have ended as a test says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice
from ctx.parts import Choice
from ctx.records import Row, Run
from ctx.sweeps.plan import Axis, Sweep, cell_of, rows

BASE = RunConfig(
    sources=(SourceChoice(id="sentiment/sample-cafes-en", size=60),),
    target=ContextChoice(id="sentiment/sample-gadgets-en", size=20),
    backbone=Choice(name="tiny"),
    tuning=Choice(name="freeze", knobs={"layers": 1}),
    optim=Optim(epochs=1, min_updates=2),
)
BLANK = Run(
    id="", key="", state="queued", owner="local", name="", note="", study=None, settings={}, final=None, manifest={},
    error=None, attempt=1, crashes=0, stop_requested=False, threads=1, step=0, steps=None, checkpoint=None,
    checkpoint_step=None, lease_owner=None, created=0.0, started=None, ended=None, deleted=None,
)  # fmt: skip
LAM, LAYERS = Axis(name="schedule.lam", values=(0.0, 0.1, 0.5, 1.0, 5.0)), Axis(name="tuning.layers", values=(0, 1, 2))


def sweep(*axes: Axis, **values: object) -> Sweep:
    return Sweep.model_validate({"base": BASE, "axes": axes or (LAM, LAYERS), "draws": 2, **values})


def rows_of(wanted: Sweep, result: Callable[[dict[str, Any], str, int], float | None]) -> list[Row]:
    """Rows whose runs ended with what ``result(cell, baseline, draw)`` gives for the target."""
    made = []
    for number, (arm, draw, config) in enumerate(rows(wanted)):
        cell, baseline = cell_of(arm)
        value = result(cell, baseline, draw)
        final = {"metrics": {"target": {"macro_f1": value}, "source": {"macro_f1": 0.9}}}
        made.append((arm, draw, done(f"{number:08d}", config, final if value is not None else None)))
    return made


def done(name: str, config: RunConfig, final: dict[str, object] | None) -> Run:
    settings = config.model_dump(mode="json")
    return dataclasses.replace(BLANK, id=name, settings=settings, final=final, state="done" if final else "queued")
