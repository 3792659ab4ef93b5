"""The worker: takes a run from the store, trains it, writes its points, keeps its state.

It imports torch inside functions: commands that train nothing import this module too.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ctx import checkpoint
from ctx.database import StoreBusy
from ctx.errors import CtxError, StoreError, Unavailable
from ctx.leases import new_holder
from ctx.manifest import cores, manifest
from ctx.queue import LEASE_SECONDS, MOST_CRASHES, Point
from ctx.records import ENDED, Run
from ctx.store import Store

if TYPE_CHECKING:
    from ctx.train import Event

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
        self.flushed = 0.0
        self.saved = time.monotonic()
        self.checkpoint = run.checkpoint
        self.trouble: str | None = None

    def add(self, event: Event) -> None:
        """Take an event's values, and write what has gathered when it is time."""
        self.points += [(event.step, name, value) for name, value in event.values.items()]
        self.steps = event.steps
        if time.monotonic() - self.flushed > FLUSH_SECONDS or len(self.points) > FLUSH_POINTS:
            try:
                self.flush()
            except StoreBusy:
                if time.monotonic() - self.flushed > 3 * LEASE_SECONDS:
                    raise

    def flush(self) -> None:
        """Write what has gathered; raises LostError."""
        if not self.store.write(self.run, self.points, steps=self.steps):
            raise LostError
        self.points, self.flushed = [], time.monotonic()

    def save(self, event: Event) -> None:
        """A checkpoint: first the points up to here, then the file, then the store's word for it.

        Where it can't be written the run goes on, and says so.
        """
        self.flush()
        name = f"{self.run.attempt}-{event.step}"
        self.saved = time.monotonic()
        try:
            checkpoint.save(self.run, event.snapshot(), name)
        except Unavailable as error:
            last = self.run.checkpoint_step if self.checkpoint else None
            self.trouble = f"{error} The run goes on; interrupted, it would start from step {last or 0}."
            self.store.note_run(self.run, error=self.trouble)
            return
        if not self.store.checkpointed(self.run, event.step, name):
            raise LostError
        self.trouble = None
        if self.checkpoint not in (None, name):
            (checkpoint.folder(self.run.id) / f"{self.checkpoint}{checkpoint.SUFFIX}").unlink(missing_ok=True)
        self.checkpoint = name

    def end(self, state: str, error: str | None = None, event: Event | None = None, seconds: float = 0.0) -> None:
        """End the run in the store, with what hasn't been written yet; waits for a busy store. Raises LostError."""
        final = None
        if event is not None and event.final is not None:
            final = {"train_seconds": seconds} | event.final
        outputs = event.outputs if event is not None else None
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


def train_run(store: Store, run: Run, watch: Watch | None = None, interrupted: threading.Event | None = None) -> None:
    """Train a claimed run to its end, whatever that is: done, stopped, failed with a sentence, or another's.

    Raises StoreError where the store itself gives out; the run is then taken up again when its lease has expired.
    """
    recorder = Recorder(store, run)
    keeper = Keeper(store, run)
    if interrupted is not None:
        keeper.stop = interrupted
    keeper.start()
    try:
        _follow(recorder, keeper, watch)
    except LostError:
        return
    except StoreError:
        raise
    except CtxError as error:
        _fail(recorder, str(error))
    except Exception as error:
        _fail(recorder, _unexpected(run, error))
    finally:
        keeper.end()


def _follow(recorder: Recorder, keeper: Keeper, watch: Watch | None) -> None:
    from ctx.train import train

    run, began = recorder.run, time.monotonic()
    if run.crashes >= MOST_CRASHES:
        raise CtxError(
            f"The worker died {run.crashes} times in a row at this run, after step {run.checkpoint_step or 0}; most "
            "often there is too little memory: choose a smaller backbone or batch, or freeze more layers."
        )
    state = _prepare(recorder)
    for event in train(run.config, resume=state):
        if watch is not None:
            watch(event)
        if event.kind == "end":
            recorder.points += [(event.step, name, value) for name, value in event.values.items()]
            checkpoint.save(run, event.snapshot().weights(), checkpoint.FINAL)
            recorder.end("done", event=event, seconds=time.monotonic() - began)
            checkpoint.sweep(run.id, keep=checkpoint.FINAL)
            return
        recorder.add(event)
        if keeper.lost.is_set():
            raise LostError
        if keeper.stop.is_set():
            recorder.save(event)
            recorder.end("stopped", error=recorder.trouble)
            return
        if time.monotonic() - recorder.saved >= checkpoint_seconds():
            recorder.save(event)


def _prepare(recorder: Recorder) -> Any:
    """Threads, manifest, and the state to go on from; a checkpoint that is gone means starting over."""
    import torch

    run, store = recorder.run, recorder.store
    torch.set_num_threads(run.threads or 1)
    store.note_run(run, manifest=manifest() | {"threads": run.threads or 1})
    if run.attempt > 1:
        checkpoint.sweep(run.id, keep=run.checkpoint)
    if run.checkpoint is None:
        return None
    state = checkpoint.load(run.id, run.checkpoint)
    if state is None:
        recorder.checkpoint = None
        if not store.restart(run):
            raise LostError
    return state


def _fail(recorder: Recorder, sentence: str) -> None:
    with suppress(LostError):
        recorder.end("failed", error=sentence)


def _unexpected(run: Run, error: Exception) -> str:
    path = checkpoint.folder(run.id) / "error.txt"
    said = f"Training ended with an error that ctx did not expect ({type(error).__name__}: {error})"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError:
        return f"{said}."
    return f"{said}: the details are in {path}."


def fair_threads(store: Store) -> int:
    """One thread where other runs are at work, all cores otherwise."""
    return 1 if store.runs(["running"], limit=1) else cores()


def run_here(store: Store, run: Run, watch: Watch | None = None) -> Run:
    """Train a queued run in this process and return it ended; one that another process trains is waited for.

    Ctrl-C stops the run with a checkpoint, as ``ctx stop`` does; a second one ends the process.
    """
    holder = new_holder()
    while (now := store.run(run.id)).state not in ENDED:
        claimed = store.claim(holder, threads=fair_threads(store), only=run.id)
        if claimed is None:
            time.sleep(POLL_SECONDS)
            continue
        with _interruptible() as interrupted:
            train_run(store, claimed, watch, interrupted)
    return now


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(_signal: int, _frame: Any) -> None:
        asked.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
