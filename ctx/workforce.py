"""The dispatcher's workers: processes forked from a server that has imported torch already, and what each is to do.

A worker asks for nothing: it is told to take a run (or a job), answers when it has ended, and is told again. The pipe
is also the leash: when the dispatcher dies the worker reads its end, and goes after the run it is at.
"""

from __future__ import annotations

import multiprocessing
import sys
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from pydantic import ValidationError

from ctx import together
from ctx.config import RunConfig
from ctx.errors import CtxError, RunFailed
from ctx.hand import PRELOAD, serve
from ctx.manifest import cores
from ctx.queue import Load
from ctx.records import Job
from ctx.store import Store
from ctx.together import shared_out

RESTART_LIMIT = 3  # workers in a row that die before they have said a word
MANY = 40  # waiting runs: so many are shared out, however small they are


@dataclass(eq=False)
class Hand:
    """One worker process. ``task``: "" when idle, else "run" or a kind of job."""

    process: BaseProcess
    pipe: Connection
    holder: str = ""
    task: str = ""
    turn: int = 0


@dataclass
class Workforce:
    """At most ``slots`` training workers, and one that fetches, judges a text or compares contexts."""

    store: Store
    slots: int
    hands: list[Hand] = field(default_factory=list)
    turn: int = 0
    stillborn: int = 0
    sharing: int = 0  # threads of each run while a study is shared out
    told_ahead: str | None = None  # the job to encode for a study that was given out last

    def __post_init__(self) -> None:
        method = "spawn" if sys.platform == "win32" else "forkserver"
        self.context: Any = multiprocessing.get_context(method)
        if method == "forkserver":
            self.context.set_forkserver_preload(list(PRELOAD))
        self._hire()  # ready before anybody waits for it

    def _hire(self) -> Hand:
        here, there = self.context.Pipe()
        process = self.context.Process(target=serve, args=(there, self.store.url), daemon=False)
        process.start()
        there.close()
        hand = Hand(process, here)
        self.hands.append(hand)
        return hand

    def wait(self, seconds: float) -> None:
        """Hear what workers have to say, for at most so long."""
        for ready in wait([hand.pipe for hand in self.hands], timeout=seconds):
            hand = next(hand for hand in self.hands if hand.pipe is ready)
            try:
                said = hand.pipe.recv()
            except (EOFError, OSError):
                hand.process.join(timeout=5)
                continue
            hand.holder = said.get("holder", hand.holder)
            self.stillborn = 0
            if "took" in said:
                hand.task = ""

    def bury(self) -> None:
        """Take back what dead workers held, at once; raises StoreError."""
        for hand in [hand for hand in self.hands if not hand.process.is_alive()]:
            if hand.holder:
                self.store.release(hand.holder)
            else:
                self.stillborn += 1
            self.hands.remove(hand)
            hand.pipe.close()

    def assign(self, load: Load) -> bool:
        """Tell idle workers what to take; whether there is anything to do or being done.

        Raises RunFailed where workers die before they have said a word.
        """
        if not self.hands and self.stillborn >= RESTART_LIMIT:
            raise RunFailed(
                f"{self.stillborn} workers in a row died at their start, most likely of too little memory: free some, "
                f"then queue again. {load.waiting} runs wait."
            )
        wanted, threads = self._wanted(load)
        if load.ahead and not load.running and not self._at("run") and not self._at("encode"):
            self.told_ahead = load.ahead
            self._tell("encode", threads=cores(), job=load.ahead)
        elif load.jobs.get("encode") and not load.waiting and self._at("encode") == 0:
            self._tell("encode", threads=cores())
        elif load.ahead and load.ahead == self.told_ahead and self._at("encode"):
            pass  # it is about to be taken, and its study's runs will wait for it
        elif load.waiting and self._at("run") < wanted and not self._worth_waiting(load):
            self._tell("run", threads=threads)
        for kind in (
            "fetch",
            "predict",
            "describe",
            "preview",
            "import",
            "search",
        ):  # somebody is looking: these don't wait for runs
            if load.jobs.get(kind) and self._at(kind) == 0:
                self._tell(
                    kind, threads=cores() if kind in ("describe", "preview") and not self._at("run") else 1, extra=1
                )
        return bool(load.anything() or load.running or self.busy())

    def _wanted(self, load: Load) -> tuple[int, int]:
        """How many workers are to train now, and with how many threads the next run does.

        One study's runs go to one worker, which has read their data, or are shared out: from then on till nothing
        waits, all with as many threads. Where they hold every slot and another study waits, that has one more, so that
        a short one begins at once; where there is but one slot, it waits.
        """
        shares, threads = _asks(load.next, 1)
        if not load.waiting or not (self.sharing or shares or load.waiting > MANY):
            self.sharing = 0
            wanted = max(1, min(self.slots, load.groups))
            return wanted, threads if wanted == 1 else _asks(load.next, wanted)[1]
        wanted = max(1, min(self.slots, load.waiting + load.running))
        self.sharing = self.sharing or _asks(load.next, wanted)[1]
        alone = load.at_work == 1 and load.groups > 1 and 1 < self.slots <= load.running
        return wanted + alone, self.sharing

    def busy(self) -> bool:
        """Whether any worker is at work."""
        return any(hand.task for hand in self.hands)

    def _at(self, task: str) -> int:
        return sum(hand.task == task for hand in self.hands)

    def _worth_waiting(self, load: Load) -> bool:
        """Whether a pair is being encoded that the waiting run reads: its features come sooner so."""
        if not self._at("encode") or load.next is None:
            return False
        taken = self.store.jobs(["running"], kind="encode")
        return any("study" not in job.payload and _same_pair(job, load.next) for job in taken)

    def _tell(self, task: str, threads: int = 1, extra: int = 0, job: str | None = None) -> None:
        """Tell the idle worker that worked last, since it remembers most; hire one where none is idle."""
        idle = [hand for hand in self.hands if not hand.task]
        if not idle and (len(self.hands) >= self.slots + 1 + extra or self.stillborn >= RESTART_LIMIT):
            return
        hand = max(idle, key=lambda hand: hand.turn) if idle else self._hire()
        self.turn += 1
        hand.task, hand.turn = task, self.turn
        try:
            hand.pipe.send({"take": task, "threads": threads, "job": job})
        except OSError:
            return  # it has died: `bury` sees to it

    def dismiss(self) -> None:
        """Let all workers go: each ends what it is at."""
        for hand in self.hands:
            hand.pipe.close()


def _asks(settings: dict[str, Any] | None, at_once: int) -> tuple[bool, int]:
    """Whether a waiting run is one to share out, and its threads among so many; (False, 1) where it can't be read.

    That it can't, the run itself says.
    """
    try:
        config = RunConfig.model_validate(settings)
        return shared_out(config), together.threads(config, at_once)
    except (CtxError, ValidationError):
        return False, 1


def _same_pair(job: Job, settings: dict[str, Any]) -> bool:
    def pair(config: dict[str, Any]) -> tuple[Any, ...]:
        sources = [source["id"] for source in config.get("sources") or []]
        return config.get("backbone"), sources, (config.get("target") or {}).get("id")

    return pair(job.payload) == pair(settings)
