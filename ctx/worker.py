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

from ctx import checkpoint, memory
from ctx.config import key
from ctx.errors import CtxError, StoreError
from ctx.leases import new_holder
from ctx.manifest import PATIENT, cores, manifest
from ctx.queue import MOST_CRASHES
from ctx.recorder import POLL_SECONDS, Keeper, LostError, Recorder, checkpoint_seconds
from ctx.records import ENDED, Run
from ctx.store import Store

if TYPE_CHECKING:
    from ctx.state import Event

    Watch = Callable[[Event], None]


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
        memory.tidy()


def _follow(recorder: Recorder, keeper: Keeper, watch: Watch | None) -> None:
    run, began, busy = recorder.run, time.monotonic(), time.process_time()
    if run.crashes >= MOST_CRASHES:
        raise CtxError(
            f"The worker died {run.crashes} times in a row at this run, after step {run.checkpoint_step or 0}; most "
            "often there is too little memory: choose a smaller backbone or batch, or freeze more layers."
        )
    state, spare = _prepare(recorder), memory.Spare()
    from ctx.prefix import memo
    from ctx.train import train

    before = memo.computed
    for event in train(run.config, resume=state, sharing=True):
        if watch is not None:
            watch(event)
        if event.kind == "end":
            spent = {"train_seconds": time.monotonic() - began, "cpu_seconds": time.process_time() - busy}
            recorder.done(event, spent | {"encoded": memo.computed - before})
            return
        recorder.add(event)
        if event.gone:
            continue
        spare()
        if keeper.lost.is_set():
            raise LostError
        if keeper.stop.is_set():
            recorder.save(event)
            recorder.end("stopped", error=recorder.trouble)
            return
        if time.monotonic() - recorder.saved >= checkpoint_seconds():
            recorder.save(event)


def _prepare(recorder: Recorder) -> Any:
    """Threads, manifest, and the state to go on from; one that is gone, or of another engine, means starting over."""
    for name, value in PATIENT.items():
        os.environ.setdefault(name, value)
    import torch

    run, store = recorder.run, recorder.store
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
    return 1 if store.load().running else cores()


def run_here(store: Store, run: Run, watch: Watch | None = None, threads: int | None = None) -> Run:
    """Train a queued run in this process and return it ended; one that another process trains is waited for.

    Ctrl-C stops the run with a checkpoint, as ``ctx stop`` does; a second one ends the process.
    """
    holder = new_holder()
    try:
        while (now := store.run(run.id)).state not in ENDED:
            claimed = store.claim(holder, threads=threads or fair_threads(store), only=run.id)
            if claimed is None:
                time.sleep(POLL_SECONDS)
                continue
            with _interruptible() as interrupted:
                train_run(store, claimed, watch, interrupted)
    except KeyboardInterrupt:
        store.release(holder)  # nobody is left to end it
        raise
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
