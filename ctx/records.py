"""What the store gives out: runs, studies and jobs, as plain frozen data."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import ValidationError
from sqlalchemy import RowMapping

from ctx.config import RunConfig
from ctx.errors import BadInput

Series = tuple[np.ndarray, np.ndarray]  # steps and values, float64 [N]
Told = Mapping[str, Series]  # a run's curves by the metric's name
WAITING = ("queued", "running")
ENDED = ("done", "stopped", "failed")
UNFINISHED = (*WAITING, "stopped")  # what a search waits for


@dataclass(frozen=True)
class Run:
    """One configuration and one draw. ``state``: queued, running, done, stopped or failed; times in epoch seconds.

    ``error`` says in a sentence why it failed, or, while it runs, what went wrong without ending it.
    ``settings`` is the configuration as stored; `config` reads it.
    """

    id: str
    key: str
    state: str
    owner: str
    name: str
    note: str
    study: str | None
    settings: dict[str, Any]
    final: dict[str, Any] | None
    manifest: dict[str, Any]
    error: str | None
    attempt: int
    crashes: int
    stop_requested: bool
    threads: int | None
    step: int
    steps: int | None
    checkpoint: str | None
    checkpoint_step: int | None
    lease_owner: str | None
    created: float
    started: float | None
    ended: float | None
    deleted: float | None

    @cached_property
    def config(self) -> RunConfig:
        """What was run, in canonical form; raises BadInput where this version of ctx can't read it."""
        try:
            return RunConfig.model_validate(self.settings)
        except ValidationError as error:
            where = ".".join(str(piece) for piece in error.errors()[0]["loc"]) or "its settings"
            raise BadInput(
                f"Run {self.id} was stored by another version of ctx, which this one can't read ({where}): "
                "set the run up again with today's controls."
            ) from None


@dataclass(frozen=True)
class Study:
    """Runs that belong together. ``config`` holds what was asked: the chosen setting, arms, draws, the guess."""

    id: str
    owner: str
    name: str
    config: dict[str, Any]
    created: float

    @property
    def is_map(self) -> bool:
        """Whether it is a sweep's (`ctx.sweeps`): its arms are the cells of a map."""
        return "map" in self.config

    @property
    def is_search(self) -> bool:
        """Whether it is a map whose cells are chosen one after the other (`ctx.sweeps.search`)."""
        return bool((self.config.get("map") or {}).get("search"))


@dataclass(frozen=True)
class Job:
    """Work that is no run (fetch, encode, predict).

    ``done`` of ``total`` (None: unknown); ``progress`` is a sentence, ``result`` what a prediction found.
    """

    id: str
    kind: str
    payload: dict[str, Any]
    owner: str
    state: str
    progress: str
    done: float | None
    total: float | None
    error: str | None
    attempt: int
    created: float
    ended: float | None
    result: dict[str, Any] | None


Row = tuple[str, int, Run]  # of a study: arm, draw, run
RUN_FIELDS = tuple(field.name for field in fields(Run))
JOB_FIELDS = tuple(field.name for field in fields(Job))


def as_run(values: RowMapping) -> Run:
    """A row of the runs table as a Run; what else is in the row is left out."""
    return Run(**{name: values["config" if name == "settings" else name] for name in RUN_FIELDS})


def as_job(values: RowMapping) -> Job:
    """A row of the jobs table as a Job."""
    return Job(**{name: values[name] for name in JOB_FIELDS})


def new_id() -> str:
    """A random name, 12 hexadecimal digits."""
    return secrets.token_hex(6)


def finite(value: float | None) -> float | None:
    """The number, or None where there is none (NaN, infinite)."""
    return float(value) if value is not None and math.isfinite(value) else None


def kept_score(curve: Series | None, final: Mapping[str, Any]) -> float | None:
    """The score of the weights that a run kept, from its ``final`` results: at their step, else the last."""
    if curve is None or not len(curve[0]):
        return None
    there = np.flatnonzero(curve[0] == final.get("kept_step"))
    return finite(curve[1][there[-1] if len(there) else -1])


def clean(value: Any) -> Any:
    """Results as JSON can hold them: numbers that are none become null, NumPy's scalars Python's own."""
    if isinstance(value, Mapping):
        return {str(key): clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [clean(inner) for inner in value]
    if hasattr(value, "tolist") and not isinstance(value, float):
        return clean(value.tolist())
    return finite(value) if isinstance(value, float) else value
