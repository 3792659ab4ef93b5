"""What a worker does for a run beside training it: hold its lease, write its points, keep its state."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ctx import checkpoint, memory
from ctx.attempts import LEASE_SECONDS
from ctx.config import key
from ctx.database import StoreBusy
from ctx.errors import CtxError, StoreError, Unavailable
from ctx.manifest import PATIENT, manifest
from ctx.phases import Ended, Point
from ctx.queue import MOST_CRASHES
from ctx.records import Run
from ctx.store import Store

if TYPE_CHECKING:
    import numpy as np

    from ctx.state import Event

    Watch = Callable[[Event], None]

FLUSH_SECONDS = 0.5
FLUSH_POINTS = 5000
POLL_SECONDS = 0.2


class LostError(Exception):
    """Another worker has the run now: stop without a word."""


def checkpoint_seconds() -> float:
    """The least time between two checkpoints of a run (CTX_CHECKPOINT_SECONDS, 30)."""
    return float(os.environ.get("CTX_CHECKPOINT_SECONDS", "30"))


class Keeper(threading.Thread):
    """Holds the leases of runs while the training thread is busy, and listens for requests to stop.

    ``stops``, ``lost``: ids of runs that are to stop, and that another worker has; all are to once ``interrupted`` is.
    """

    def __init__(self, store: Store, runs: Sequence[Run], interrupted: threading.Event | None = None) -> None:
        super().__init__(name=f"lease of {runs[0].id}", daemon=True)
        self.store, self.runs = store, list(runs)
        self.interrupted, self.over = interrupted or threading.Event(), threading.Event()
        self.stops: set[str] = set()
        self.lost: set[str] = set()

    def run(self) -> None:
        """Until the runs are over: look for a request, renew well before the leases end."""
        renewed = time.monotonic()
        while not self.over.wait(POLL_SECONDS):
            with suppress(StoreError):  # busy for a moment: the next round tries again
                held = list(self.runs)
                self.stops |= self.store.stops_requested(held)
                if time.monotonic() - renewed > LEASE_SECONDS / 4:
                    self.lost |= self.store.write_all([(run, (), None) for run in held])
                    renewed = time.monotonic()

    def let_go(self, run: Run) -> None:
        """A run has ended: its lease is nobody's any more."""
        self.runs.remove(run)

    def stopping(self, run: Run) -> bool:
        """Whether a run is to stop."""
        return run.id in self.stops or self.interrupted.is_set()

    def end(self) -> None:
        """All runs are over."""
        self.over.set()


class Recorder:
    """Writes a run's events to the store: the first at once, then twice a second; and its checkpoints to the disk."""

    def __init__(self, store: Store, run: Run) -> None:
        self.store, self.run = store, run
        self.points: list[Point] = []
        self.ended: Ended | None = None  # a shared phase that ends within these points
        self.steps: int | None = None
        self.flushed = 0.0  # the first event is written at once
        self.written = time.monotonic()
        self.saved = time.monotonic()
        self.checkpoint = run.checkpoint
        self.safe = run.checkpoint_step or 0  # a run that is interrupted starts from here
        self.trouble: str | None = None

    def gather(self, event: Event) -> None:
        """Take an event's values, to be written later."""
        self.points += [(event.step, name, value) for name, value in event.values.items()]
        self.steps = event.steps
        if event.ended is not None:
            self.ended = Ended(event.ended, event.step)

    def add(self, event: Event) -> None:
        """Take an event's values, and write what has gathered when it is time; of a phase taken over all at its end."""
        self.gather(event)
        if event.gone:
            return
        if time.monotonic() - self.flushed > FLUSH_SECONDS or len(self.points) > FLUSH_POINTS:
            try:
                self.flush()
            except StoreBusy:
                self.flushed = time.monotonic()  # kept, and tried again after the usual pause
                if time.monotonic() - self.written > 3 * LEASE_SECONDS:
                    raise

    def flush(self) -> None:
        """Write what has gathered; raises LostError."""
        if not self.store.write(self.run, self.points, steps=self.steps, ended=self.ended):
            raise LostError
        self.points, self.ended = [], None
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
                if not self.store.finish(self.run, state, final, error, outputs, self.points, self.ended):
                    raise LostError
                return
            except StoreBusy:
                if time.monotonic() > patience:
                    raise
                time.sleep(POLL_SECONDS)


def prepare(recorder: Recorder) -> Any:
    """Threads, manifest, and the state to go on from; one that is gone, or of another engine, means starting over.

    Raises CtxError at a run that has taken many workers with it.
    """
    for name, value in PATIENT.items():
        os.environ.setdefault(name, value)
    import torch

    run, store = recorder.run, recorder.store
    if run.crashes >= MOST_CRASHES:
        raise CtxError(
            f"The worker died {run.crashes} times in a row at this run, after step {run.checkpoint_step or 0}; most "
            "often there is too little memory: choose a smaller backbone or batch, or freeze more layers."
        )
    torch.set_num_threads(run.threads or 1)
    store.note_run(run, manifest=manifest() | {"threads": run.threads or 1, "worker": run.lease_owner})
    if run.attempt > 1:
        checkpoint.sweep(run.id, keep=run.checkpoint)
    if run.checkpoint is None:
        return None
    state = checkpoint.load(run.id, run.checkpoint) if key(run.config) == run.key else None
    if state is None:
        recorder.checkpoint = None
        if not store.restart(run):
            raise LostError
    return state


@contextmanager
def held(keeper: Keeper, fail: Callable[[str], None]) -> Iterator[None]:
    """Hold the leases of runs while they train; an error ends them with a sentence, the store's own is raised."""
    run = keeper.runs[0]
    keeper.start()
    try:
        yield
    except StoreError:
        raise
    except CtxError as error:
        fail(str(error))
    except Exception as error:
        fail(unexpected(run, error))
    finally:
        keeper.end()
        memory.tidy()


def fail(recorder: Recorder, sentence: str) -> None:
    """End a run with the sentence that says why."""
    with suppress(LostError):
        recorder.end("failed", error=sentence)


def unexpected(run: Run, error: Exception) -> str:
    """What is said of an error that is a fault of ours; its traceback goes to a file."""
    path = checkpoint.folder(run.id) / "error.txt"
    said = f"Training ended with an error that ctx did not expect ({type(error).__name__}: {error})"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError:
        return f"{said}."
    return f"{said}: the details are in {path}."
