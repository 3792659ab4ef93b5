"""Real dispatchers for the tests: started as a page starts them, and ended with all that they started."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from stores import until

from ctx import dispatch
from ctx.store import Store, open_store


class Served:
    """A store and the dispatchers started for it."""

    def __init__(self) -> None:
        self.store: Store = open_store()
        self.sessions: set[int] = set()

    def ensure(self) -> int:
        """Start a dispatcher if none lives; the process number of the one that holds the lease."""
        dispatch.ensure()
        started = dispatch._started.get(self.store.url)
        if started is not None:
            self.sessions.add(started.pid)
        return until(self.dispatcher, f"a dispatcher holds the lease; its log:\n{self.log()}")

    def dispatcher(self) -> int:
        """Who holds the lease, 0 for nobody."""
        holder = self.store.lease_holder(dispatch.LEASE)
        return int(holder.split(":")[1]) if holder else 0

    def worker(self, run_id: str) -> int:
        """The process that trains a run, once it does."""
        holder = until(lambda: self.store.run(run_id).lease_owner, "a worker takes the run")
        return int(holder.split(":")[1])

    def log(self) -> str:
        """What dispatchers and workers wrote."""
        return dispatch.log_path().read_text(encoding="utf-8") if dispatch.log_path().exists() else ""

    def kill_session(self) -> None:
        """Kill every dispatcher, server and worker of this store, as a power cut would."""
        for pid in self.sessions:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        until(lambda: not any(_alive(pid) for pid in self.sessions), "the killed processes are gone")
        if started := dispatch._started.pop(self.store.url, None):
            started.wait()


def _alive(session: int) -> bool:
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


@pytest.fixture
def served(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A store whose dispatchers use one thread and keep the state of a run often."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("CTX_CHECKPOINT_SECONDS", "0.2")
    serving = Served()
    yield serving
    serving.kill_session()
