"""A dashboard for tests: a real ``ctx serve`` on a free port with a home and a store of its own, dispatcher and all."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil

from ctx.store import Store, open_store

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_SECONDS = 60


def browser_path() -> str | None:
    """The browser that this machine has, or None."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


class Served:
    """The web server of one home, started in that folder. ``code``: the checkout, or an unpacked wheel.

    It keeps its port, so that a page finds it again after `kill` and `start`.
    """

    def __init__(self, folder: Path, code: Path = ROOT, **environment: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.log = folder / "serve.log"
        self.store_url = f"sqlite:///{folder / 'ctx.sqlite'}"
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CTX_", "STREAMLIT_"))},
            "PYTHONPATH": str(code),
            "STREAMLIT_SERVER_HEADLESS": "true",
            "CTX_HOME": str(folder),
            "CTX_STORE": self.store_url,
            "CTX_IDLE_SECONDS": "60",
            **environment,
        }

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> Served:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "ctx.cli", "serve", "--port", str(self.port)]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=out, stderr=out, start_new_session=True
            )
        patience = time.monotonic() + START_SECONDS
        while not self._answers():
            said = self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
            assert self.process.poll() is None, f"the server ended: {said}"
            assert time.monotonic() < patience, f"the server does not answer: {said}"
            time.sleep(0.1)
        return self

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """SIGKILL to the web server; dispatcher and workers live in sessions of their own."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=10)
            self.process = None

    def stop(self) -> None:
        """End the server, and the dispatcher with its workers."""
        self.kill()
        own = self.processes()
        for process in own:
            process.kill()
        psutil.wait_procs(own, timeout=10)

    def processes(self) -> list[psutil.Process]:
        """The server's, the dispatcher's and the workers'."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("CTX_STORE") == self.store_url and process.pid != os.getpid()
        except (psutil.Error, OSError):
            return False

    def web_process(self) -> psutil.Process:
        """The process that listens on the port."""
        assert self.process is not None
        own = psutil.Process(self.process.pid)
        for process in [own, *own.children(recursive=True)]:
            listening = [c.laddr.port for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
            if self.port in listening:
                return process
        raise AssertionError("nobody listens on the port")

    def store(self) -> Store:
        """Its store, to read rows from."""
        return open_store(self.store_url)
