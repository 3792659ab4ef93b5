"""What a worker does for a run beside training it: hold its lease, write its points, keep its state."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ctx import checkpoint
from ctx.attempts import LEASE_SECONDS, Point
from ctx.database import StoreBusy
from ctx.errors import StoreError, Unavailable
from ctx.records import Run
from ctx.store import Store

if TYPE_CHECKING:
    import numpy as np

    from ctx.state import Event

FLUSH_SECONDS = 0.5
FLUSH_POINTS = 5000
POLL_SECONDS = 0.2


class LostError(Exception):
    """Another worker has the run now: stop without a word."""


def checkpoint_seconds() -> float:
    """The least time between two checkpoints of a run (CTX_CHECKPOINT_SECONDS, 30)."""
    return float(os.environ.get("CTX_CHECKPOINT_SECONDS", "30"))


class Keeper(threading.Thread):
    """Holds a run's lease while the training thread is busy, and listens for a request to stop."""

    def __init__(self, store: Store, run: Run) -> None:
        super().__init__(name=f"lease of {run.id}", daemon=True)
        self.store, self.run_ = store, run
        self.stop, self.lost, self.over = threading.Event(), threading.Event(), threading.Event()

    def run(self) -> None:
        """Until the run is over: look for a request, renew well before the lease ends."""
        renewed = time.monotonic()
        while not self.over.wait(POLL_SECONDS):
            with suppress(StoreError):  # busy for a moment: the next round tries again
                if self.store.stop_requested(self.run_):
                    self.stop.set()
                if time.monotonic() - renewed > LEASE_SECONDS / 4:
                    if not self.store.renew(self.run_):
                        self.lost.set()
                    renewed = time.monotonic()

    def end(self) -> None:
        """The run is over."""
        self.over.set()


class Recorder:
    """Writes a run's events to the store: the first at once, then twice a second; and its checkpoints to the disk."""

    def __init__(self, store: Store, run: Run) -> None:
        self.store, self.run = store, run
        self.points: list[Point] = []
        self.steps: int | None = None
        self.flushed = 0.0  # the first event is written at once
        self.written = time.monotonic()
        self.saved = time.monotonic()
        self.checkpoint = run.checkpoint
        self.safe = run.checkpoint_step or 0  # a run that is interrupted starts from here
        self.trouble: str | None = None

    def add(self, event: Event) -> None:
        """Take an event's values, and write what has gathered when it is time."""
        self.points += [(event.step, name, value) for name, value in event.values.items()]
        self.steps = event.steps
        if time.monotonic() - self.flushed > FLUSH_SECONDS or len(self.points) > FLUSH_POINTS:
            try:
                self.flush()
            except StoreBusy:
                self.flushed = time.monotonic()  # kept, and tried again after the usual pause
                if time.monotonic() - self.written > 3 * LEASE_SECONDS:
                    raise

    def flush(self) -> None:
        """Write what has gathered; raises LostError."""
        if not self.store.write(self.run, self.points, steps=self.steps):
            raise LostError
        self.points = []
        self.flushed = self.written = time.monotonic()

    def save(self, event: Event) -> None:
        """A checkpoint: first the points up to here, then the file, then the store's word for it.

        Where it can't be written the run goes on, and says so.
        """
        name = f"{self.run.attempt}-{event.step}"
        self.saved = time.monotonic()
        try:
            self.flush()
            checkpoint.save(self.run, event.snapshot(), name)
            if not self.store.checkpointed(self.run, event.step, name):
                raise LostError
        except (StoreBusy, Unavailable) as error:
            self.trouble = f"{error} The run goes on; interrupted, it would start from step {self.safe}."
            with suppress(StoreBusy):
                self.store.note_run(self.run, error=self.trouble)
            return
        self.trouble, self.safe = None, event.step
        if self.checkpoint not in (None, name):
            (checkpoint.folder(self.run.id) / f"{self.checkpoint}{checkpoint.SUFFIX}").unlink(missing_ok=True)
        self.checkpoint = name

    def done(self, event: Event, spent: Mapping[str, float]) -> None:
        """Keep the final weights, then the results; results count even where the weights can't be kept.

        ``spent``: what it took, added to the results.
        """
        self.points += [(event.step, name, value) for name, value in event.values.items()]
        error = None
        try:
            checkpoint.save(self.run, event.snapshot().weights(), checkpoint.FINAL)
        except Unavailable as trouble:
            error = f"The results are here, the weights are not. {trouble}"
        final = {**spent, **(event.final or {})}
        self.end("done", error, final, event.outputs)
        checkpoint.sweep(self.run.id, keep=checkpoint.FINAL)

    def end(
        self,
        state: str,
        error: str | None = None,
        final: dict[str, Any] | None = None,
        outputs: dict[str, np.ndarray] | None = None,
    ) -> None:
        """End the run in the store, with what hasn't been written yet; waits for a busy store. Raises LostError."""
        patience = time.monotonic() + 3 * LEASE_SECONDS
        while True:
            try:
                if not self.store.finish(self.run, state, final, error, outputs, self.points):
                    raise LostError
                return
            except StoreBusy:
                if time.monotonic() > patience:
                    raise
                time.sleep(POLL_SECONDS)
