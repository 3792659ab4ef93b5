"""Checkpoints: a run's state in one file.

Written to a temporary file, flushed, renamed, the folder flushed: a file under its name is whole. The store names the
file that its points belong to; names carry the attempt, so that a worker that lost its run overwrites nothing.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ctx.errors import Unavailable
from ctx.home import home
from ctx.records import Run

if TYPE_CHECKING:
    from ctx.state import State

SUFFIX = ".safetensors"
FINAL = "final"


def folder(run_id: str) -> Path:
    """Where a run's files lie: its checkpoint, its final weights, ``error.txt``."""
    return home() / "runs" / run_id


def save(run: Run, state: State, name: str) -> Path:
    """Write a state; when this returns it survives a power cut. Raises Unavailable, with nothing half-written left."""
    from safetensors import SafetensorError

    place = folder(run.id)
    path = place / f"{name}{SUFFIX}"
    part = place / f"{name}.{run.attempt}.part"
    try:
        place.mkdir(parents=True, exist_ok=True)
        state.write(part)
        _flush(part)
        part.replace(path)
        _flush(place)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise Unavailable(
            f"The state of run {run.id} could not be saved in {place} ({error}): "
            "free some space there, or point CTX_HOME elsewhere."
        ) from error
    return path


def load(run_id: str, name: str) -> State | None:
    """A saved state; None where the file is missing or damaged."""
    from ctx.state import State

    return State.read(folder(run_id) / f"{name}{SUFFIX}")


def final_weights(run_id: str) -> State | None:
    """The weights that a finished run kept, without the optimiser's moments; None where they are gone."""
    return load(run_id, FINAL)


def sweep(run_id: str, keep: str | None) -> None:
    """Remove a run's checkpoints but one, and what killed workers left half-written."""
    for path in folder(run_id).glob("*"):
        if path.suffix in (SUFFIX, ".part") and path.stem != keep:
            with contextlib.suppress(OSError):
                path.unlink()


def _flush(path: Path) -> None:
    """Make sure that a file, or a folder's list of files, is on the disk."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
