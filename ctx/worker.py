"""The worker: takes a run from the store, trains it, writes its points, keeps its state.

It imports torch inside functions: commands that train nothing import this module too.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ctx import machine, memory
from ctx.crew import claim_crew, train_crew
from ctx.leases import new_holder
from ctx.recorder import (
    POLL_SECONDS,
    Keeper,
    LostError,
    Recorder,
    checkpoint_seconds,
    fail,
    held,
    prepare,
)
from ctx.records import ENDED, Run
from ctx.store import Store

if TYPE_CHECKING:
    from ctx.recorder import Watch


def train_claimed(
    store: Store, run: Run, watch: Watch | None = None, interrupted: threading.Event | None = None
) -> None:
    """Train a claimed run to its end, together with those of its study that are like it and wait (`ctx.crew`).

    ``watch`` sees its events alone. Raises StoreError where the store itself gives out.
    """
    crew = claim_crew(store, run)
    if crew:
        train_crew(store, crew, watch, interrupted)
    else:
        train_run(store, run, watch, interrupted)


def train_run(store: Store, run: Run, watch: Watch | None = None, interrupted: threading.Event | None = None) -> None:
    """Train a claimed run to its end, whatever that is: done, stopped, failed with a sentence, or another's.

    Raises StoreError where the store itself gives out; the run is then taken up again when its lease has expired.
    """
    recorder, keeper = Recorder(store, run), Keeper(store, [run], interrupted)
    with held(keeper, lambda sentence: fail(recorder, sentence)), suppress(LostError):
        _follow(recorder, keeper, watch)


def _follow(recorder: Recorder, keeper: Keeper, watch: Watch | None) -> None:
    run, began, busy = recorder.run, time.monotonic(), time.process_time()
    state, spare = prepare(recorder), memory.Spare()
    from ctx.prefix import memo
    from ctx.train import train

    before, events = memo.computed, train(run.config, resume=state, sharing=True)
    del state  # gigabytes, perhaps
    for event in events:
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
        if run.id in keeper.lost:
            raise LostError
        if keeper.stopping(run):
            recorder.save(event)
            recorder.end("stopped", error=recorder.trouble)
            return
        if time.monotonic() - recorder.saved >= checkpoint_seconds():
            recorder.save(event)


def learn_speed(store: Store, leave: Callable[[], bool] = lambda: False) -> dict[int, float]:
    """How fast this machine trains (`ctx.machine.speeds`), measured now where it was not; {} where it can't be now."""
    found = machine.speeds()
    if not found and not store.load().running:
        from ctx.measure import measure

        found = measure(leave)
    return found


def fair_threads(store: Store) -> int:
    """One thread where other runs are at work, else as many as are fastest."""
    return 1 if store.load().running else machine.fastest()


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
                train_claimed(store, claimed, watch, interrupted)
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
