"""Runs that one worker trains together: claimed at once, each recorded as if it were alone (`ctx.together`).

A run ends by itself, done, stopped, failed or another's, and the others go on. A group that is killed is trained again
from its checkpoints, mostly from the start since it takes seconds, and its points are replaced.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ctx import memory
from ctx.attempts import LEASE_SECONDS
from ctx.config import canonical
from ctx.database import StoreBusy
from ctx.errors import CtxError, RunFailed, StoreError
from ctx.recorder import (
    FLUSH_POINTS,
    FLUSH_SECONDS,
    Keeper,
    LostError,
    Recorder,
    checkpoint_seconds,
    fail,
    held,
    prepare,
    unexpected,
)
from ctx.records import Run
from ctx.store import Store
from ctx.together import MOST, kind_of

if TYPE_CHECKING:
    from ctx.heads import Group
    from ctx.recorder import Watch
    from ctx.setup import Setup
    from ctx.state import Event, State

ALONE = 2  # workers that a run has lost in a row: then it trains alone, so that others don't suffer for it


def claim_crew(store: Store, run: Run) -> list[Run]:
    """A claimed run and those of its study that train with it, claimed too; empty where it trains alone."""
    kind = _kind(run)
    if not kind:
        return []
    if run.study is None or run.lease_owner is None or run.crashes >= ALONE:
        return [run]

    def alike(one: Run) -> bool:
        return one.crashes < ALONE and one.threads in (None, run.threads) and _kind(one) == kind

    return [run, *store.claim_beside(run, run.lease_owner, alike, most=MOST - 1)]


def _kind(run: Run) -> str:
    try:
        return kind_of(run.config)
    except Exception:
        return ""  # training it alone says what is wrong


def train_crew(
    store: Store, crew: Sequence[Run], watch: Watch | None = None, interrupted: threading.Event | None = None
) -> None:
    """Train claimed runs of one kind to their ends. ``watch`` sees the first one's events. Raises StoreError."""
    keeper = Keeper(store, crew, interrupted)
    made = _Crew(store, [Recorder(store, run) for run in crew], keeper, watch)
    with held(keeper, made.fail):
        made.train()


class _Crew:
    """What is written of the runs of a group. ``there``: those that have not ended."""

    def __init__(self, store: Store, recorders: Sequence[Recorder], keeper: Keeper, watch: Watch | None) -> None:
        self.store, self.keeper, self.watch = store, keeper, watch
        self.first, self.there = recorders[0], list(recorders)
        self.flushed, self.written = 0.0, time.monotonic()

    def train(self) -> None:
        """Train those that can be."""
        self.began, self.busy = time.monotonic(), time.process_time()
        ready = [one for recorder in list(self.there) if (one := self._ready(recorder)) is not None]
        if not ready:
            return
        from ctx.heads import Group
        from ctx.prefix import memo

        self.of, spare = list(self.there), memory.Spare()
        self.memo, self.encoded = memo, memo.computed
        group = Group([setup for setup, _ in ready])
        for told in group.run([state for _, state in ready]):
            for place, event in told:
                self._take(self.of[place], event)
            self._flush()
            spare()
            last = {place: event for place, event in told if not isinstance(event, RunFailed)}
            for place in list(group.live):
                self._leave(group, place, last.get(place))

    def fail(self, sentence: str) -> None:
        """Whatever has not ended fails."""
        for recorder in list(self.there):
            fail(recorder, sentence)
            self._over(recorder)

    def _ready(self, recorder: Recorder) -> tuple[Setup, State | None] | None:
        """What a run is trained with, and the state that it goes on from; None where it has ended by itself."""
        try:
            state = prepare(recorder)
            from ctx.setup import Setup

            return Setup(canonical(recorder.run.config)), state
        except LostError:
            pass
        except StoreError:
            raise
        except CtxError as error:
            fail(recorder, str(error))
        except Exception as error:
            fail(recorder, unexpected(recorder.run, error))
        self._over(recorder)
        return None

    def _take(self, recorder: Recorder, event: Event | RunFailed) -> None:
        if isinstance(event, RunFailed):
            fail(recorder, str(event))
            self._over(recorder)
            return
        if recorder is self.first and self.watch is not None:
            self.watch(event)
        if event.kind != "end":
            recorder.gather(event)
            return
        share = len(self.of)
        spent = {"train_seconds": (time.monotonic() - self.began) / share, "together": share}
        spent |= {"cpu_seconds": (time.process_time() - self.busy) / share}
        spent |= {"encoded": self.memo.computed - self.encoded if recorder is self.of[0] else 0}
        with suppress(LostError):
            recorder.done(event, spent)
        self._over(recorder)

    def _leave(self, group: Group, place: int, event: Event | None) -> None:
        """A run that another worker has, or that is to stop, goes no further; of others a checkpoint when it is time.

        ``event``: what happened last; None before anything has.
        """
        recorder, lost = self.of[place], self.keeper.lost
        if recorder.run.id not in lost and not self.keeper.stopping(recorder.run):
            if event is not None and time.monotonic() - recorder.saved >= checkpoint_seconds():
                with suppress(LostError):
                    recorder.save(event)
            return
        group.leave(place)
        if recorder.run.id not in lost:
            with suppress(LostError):
                if event is not None:
                    recorder.save(event)
                recorder.end("stopped", error=recorder.trouble)
        self._over(recorder)

    def _over(self, recorder: Recorder) -> None:
        self.there.remove(recorder)
        self.keeper.let_go(recorder.run)

    def _flush(self) -> None:
        """Write what has gathered of all when it is time, in one transaction."""
        waiting = sum(len(recorder.points) for recorder in self.there)
        if time.monotonic() - self.flushed < FLUSH_SECONDS and waiting < FLUSH_POINTS * len(self.there):
            return
        self.flushed = time.monotonic()
        try:
            told = [(recorder.run, recorder.points, recorder.steps) for recorder in self.there]
            self.keeper.lost |= self.store.write_all(told)
        except StoreBusy:  # kept, and tried again after the usual pause
            if time.monotonic() - self.written > 3 * LEASE_SECONDS:
                raise
            return
        self.written = time.monotonic()
        for recorder in self.there:
            recorder.points = []
