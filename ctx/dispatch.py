"""The dispatcher: a process of its own, one per store, that hands queued work to workers. No torch here.

`ensure` starts it where none lives. It holds the store's lease, looks every tenth of a second, brings dead workers'
runs back, and goes after ten idle minutes. Its workers end with it: each finishes the run it is at.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from ctx.errors import CtxError, StoreError
from ctx.gc import collect
from ctx.home import home, project, store_url
from ctx.leases import new_holder
from ctx.manifest import PATIENT, slots
from ctx.store import Store, open_store
from ctx.workforce import Workforce

LEASE = "dispatcher"
LEASE_SECONDS = 10.0
TICK_SECONDS = 0.1
PATIENCE_SECONDS = 60.0  # how long it bears a store that can't be used
LOG_BYTES = 1_000_000
DEAD_SECONDS = 2.0
_started: dict[str, subprocess.Popen[bytes]] = {}


def ensure(url: str | None = None) -> bool:
    """See that a dispatcher serves the store: start one where none lives; True if this call did. Returns at once.

    Cheap where one lives. ``CTX_WORKERS=0`` keeps any from starting here. Raises StoreError.
    """
    url = url or store_url()
    mine = _started.get(url)
    if slots() == 0 or (mine is not None and mine.poll() is None):
        return False
    store = open_store(url, migrate=False)
    try:
        if store.lease_holder(LEASE):
            return False
    finally:
        store.close()
    _started[url] = _start(url)
    return True


def log_path() -> Path:
    """Where the dispatcher and its workers write what they have to say."""
    return home() / "dispatcher.log"


def _start(url: str) -> subprocess.Popen[bytes]:
    log = log_path()
    log.parent.mkdir(parents=True, exist_ok=True)
    package = Path(__file__).resolve().parents[1]
    path = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")]))
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
    mode = "ab" if log.exists() and log.stat().st_size < LOG_BYTES else "wb"
    with log.open(mode) as out:
        return subprocess.Popen(
            [sys.executable, "-m", "ctx.dispatch"],
            env={**PATIENT, **os.environ, "CTX_STORE": url, "CTX_HOME": str(home()), "PYTHONPATH": path},
            cwd=project(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            creationflags=flags,
        )


class Dispatcher:
    """Holds the lease, and each tick lets the workforce take what waits."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.holder = new_holder()
        self.over = threading.Event()
        self.idle_seconds = float(os.environ.get("CTX_IDLE_SECONDS", "600"))
        self.busy_at = time.monotonic()
        self.looked = 0.0
        self.stamp, self.stale, self.resting = stamp(), False, True
        self.trouble_since: float | None = None

    def run(self) -> bool:
        """Serve until idle for long; False at once where another dispatcher does."""
        if not self.store.take_lease(LEASE, self.holder, LEASE_SECONDS):
            return False
        threading.Thread(target=self._hold, daemon=True, name="lease").start()
        workforce = Workforce(self.store, slots())
        try:
            while not self.over.is_set():
                self._tick(workforce)
                if self.stale:
                    break
                if time.monotonic() - self.busy_at > self.idle_seconds and self._leave():
                    break
        finally:
            self.over.set()
            workforce.dismiss()
            with suppress(StoreError):
                self.store.give_lease(LEASE, self.holder)
        return True

    def _tick(self, workforce: Workforce) -> None:
        try:
            workforce.wait(TICK_SECONDS)
            workforce.bury()
            if time.monotonic() - self.looked > DEAD_SECONDS:
                self.store.release_dead()
                self.looked = time.monotonic()
            load = self.store.load()
            if self.resting and load.anything() and stamp() != self.stamp:
                self.stale = True  # ctx is other code by now: start afresh before taking more
                return
            rested, self.resting = self.resting, not workforce.assign(load)
            if self.resting and not rested:
                tidy(self.store)
            if not self.resting:
                self.busy_at = time.monotonic()
            self.trouble_since = None
        except StoreError as error:
            say(str(error))
            self.trouble_since = self.trouble_since or time.monotonic()
            if time.monotonic() - self.trouble_since > PATIENCE_SECONDS:
                raise

    def _hold(self) -> None:
        while not self.over.wait(LEASE_SECONDS / 5):
            with suppress(StoreError):  # busy for a moment
                if not self.store.take_lease(LEASE, self.holder, LEASE_SECONDS):
                    say("another dispatcher has taken over")
                    self.over.set()

    def _leave(self) -> bool:
        """Give the lease back, unless something was queued by somebody who still saw it held."""
        self.store.give_lease(LEASE, self.holder)
        if not self.store.load().anything():
            return True
        self.busy_at = time.monotonic()
        return not self.store.take_lease(LEASE, self.holder, LEASE_SECONDS)


def stamp() -> int:
    """Changes when a file of ctx does."""
    return max(path.stat().st_mtime_ns for path in Path(__file__).parent.rglob("*.py"))


def tidy(store: Store) -> None:
    """Make room before work begins: weights beyond CTX_KEEP_GB, and what was deleted a day ago or longer."""
    try:
        collect(store, deleted_before=time.time() - 86_400)
    except CtxError as error:
        say(str(error))


def say(text: str) -> None:
    """A line in the log."""
    print(time.strftime("%Y-%m-%d %H:%M:%S"), os.getpid(), text, flush=True)


def main() -> int:
    """Serve the store that CTX_STORE names."""
    try:
        dispatcher = Dispatcher(open_store())
        served = dispatcher.run()
    except CtxError as error:
        say(str(error))
        return 1
    if dispatcher.stale and sys.platform != "win32":
        say("ctx has changed: starting afresh")
        os.execv(sys.executable, [sys.executable, "-m", "ctx.dispatch"])
    say("gone" if served else "another dispatcher serves this store")
    return 0


if __name__ == "__main__":
    sys.exit(main())
