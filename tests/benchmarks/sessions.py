"""Thirty visitors watch a running study in the Lab: how long a refresh takes, and what the web process holds.

    python -m tests.benchmarks.sessions [--sessions 30] [--seconds 60] [--training]

Starts a server of its own with the sample sentences and queues a study whose first run goes on all the while: by hand,
two points of every curve a second, so that the web server is measured; with ``--training`` by a worker on its cores.
Opens WebSockets that speak Streamlit's protocol, each refreshing its live part as often as the page asks. Prints one
JSON document; exits 1 where a target is missed: p95 of a refresh under 250 ms once all are there (the second half; the
first one has all page loads in between and is printed too), the web process under 500 MB, no torch.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

import psutil
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.browser.studies import SLOW, study, wait_for
from tests.served import Served

EARLY = ForwardMsg.FINISHED_EARLY_FOR_RERUN  # another run follows at once
ROLES = ("source", "target")
MOST_MILLISECONDS, MOST_MEGABYTES = 250, 500


@dataclass
class Figures:
    """What all sessions saw: seconds of whole page runs and of refreshes, bytes, and what went wrong."""

    full: list[float] = field(default_factory=list)
    refresh: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)  # in the second half: all are there
    received: int = 0
    charts: int = 0
    exceptions: list[str] = field(default_factory=list)


class Visitor:
    """One session: a page run, then its live part again and again, until the page says that it has ended."""

    def __init__(self, socket: Any, query: str, figures: Figures) -> None:
        self.socket, self.query, self.figures = socket, query, figures
        self.fragment, self.interval, self.page = "", 0.0, ""

    async def run(self, fragment: str = "") -> float:
        """One script run; its seconds from the question to the last word of the answer."""
        asked = BackMsg()
        asked.rerun_script.query_string = self.query
        if self.page:
            asked.rerun_script.page_script_hash = self.page
        else:
            asked.rerun_script.page_name = "lab"
        if fragment:
            asked.rerun_script.fragment_id = fragment
            asked.rerun_script.is_auto_rerun = True
        start = time.perf_counter()
        await self.socket.send(asked.SerializeToString())
        while True:
            data = await asyncio.wait_for(self.socket.recv(), 60)
            self.figures.received += len(data)
            answer = ForwardMsg()
            answer.ParseFromString(data)
            if answer.WhichOneof("type") == "script_finished" and answer.script_finished != EARLY:
                return time.perf_counter() - start
            self._take(answer)

    def _take(self, answer: ForwardMsg) -> None:
        kind = answer.WhichOneof("type")
        if kind == "new_session":
            self.page = answer.new_session.page_script_hash
        elif kind == "auto_rerun":
            self.fragment, self.interval = answer.auto_rerun.fragment_id, answer.auto_rerun.interval
        elif kind == "stop_auto_rerun":
            self.fragment = ""
        elif kind == "delta":
            element = answer.delta.new_element.WhichOneof("type")
            self.figures.charts += element == "plotly_chart"
            if element == "exception":
                self.figures.exceptions.append(answer.delta.new_element.exception.message[:200])


async def visit(number: int, url: str, query: str, until: float, figures: Figures) -> None:
    """Come a tenth of a second after the one before, stay until the end."""
    await asyncio.sleep(number * 0.1)
    halfway = time.time() + (until - time.time()) / 2
    async with websockets.connect(url, subprotocols=["streamlit"], max_size=None) as socket:
        visitor = Visitor(socket, query, figures)
        figures.full.append(await visitor.run())
        while time.time() < until:
            if not visitor.fragment:
                figures.full.append(await visitor.run())
                await asyncio.sleep(2)
                continue
            await asyncio.sleep(visitor.interval)
            taken = await visitor.run(visitor.fragment)
            figures.refresh.append(taken)
            if time.time() > halfway:
                figures.late.append(taken)


def queue_study(server: Served) -> str:
    """A study that trains for longer than anybody measures; gives its id once points are there."""
    made, store = study(server, SLOW, draws=10, wait=False), server.store()
    if server.environment.get("CTX_WORKERS") == "0":
        threading.Thread(target=write_points, args=(server,), daemon=True).start()
    wait_for(lambda: any(run.step > 0 for _, _, run in store.study_runs(made)), "a first point")
    return made


def write_points(server: Served) -> None:
    """Take a run as a worker does, and write its curves at a steady pace until the process ends."""
    store = server.store()
    run = store.claim("the load test", threads=1)
    assert run is not None
    start = [(f"constant/{role}", 0.7) for role in ROLES] + [(f"validation/{role}/loss", 0.7) for role in ROLES]
    store.write(run, [(0, name, value) for name, value in start], steps=100_000)
    for step in range(1, 100_000):
        names = [f"loss/{role}" for role in ROLES] + ["total", "grad_norm"]
        names += [f"validation/{role}/loss" for role in ROLES] if step % 50 == 0 else []
        store.write(run, [(step, name, 0.7 / step**0.1) for name in names])
        time.sleep(0.5)


def milliseconds(seconds: list[float]) -> dict[str, float] | None:
    """Count, median, p95 and the longest."""
    if len(seconds) < 2:
        return None
    cuts = quantiles(seconds, n=100)
    named = {"p50": cuts[49], "p95": cuts[94], "longest": max(seconds)}
    return {"count": len(seconds)} | {name: round(value * 1000, 1) for name, value in named.items()}


def held(process: psutil.Process) -> dict[str, Any]:
    """The memory of the web process in MB, and whether it has mapped torch."""
    maps = Path(f"/proc/{process.pid}/maps")
    mapped = maps.read_text() if maps.exists() else "".join(m.path for m in process.memory_maps())
    return {"megabytes": round(process.memory_info().rss / 1e6), "torch": "libtorch" in mapped}


async def measure(sessions: int, seconds: float, folder: Path, training: bool) -> dict[str, Any]:
    """Serve, train, watch."""
    server = Served(folder, CTX_OFFLINE="1", **({} if training else {"CTX_WORKERS": "0"}))
    figures = Figures()
    try:
        server.start()
        watched = queue_study(server)
        url = server.url.replace("http", "ws") + "/_stcore/stream"
        before, until = held(server.web_process()), time.time() + seconds
        visits = [visit(number, url, f"study={watched}", until, figures) for number in range(sessions)]
        failed = [repr(one) for one in await asyncio.gather(*visits, return_exceptions=True) if one is not None]
        runs = [run.state for _, _, run in server.store().study_runs(watched)]
        return {
            "sessions": sessions,
            "page_ms": milliseconds(figures.full),
            "refresh_ms": milliseconds(figures.refresh),
            "refresh_ms_all_there": milliseconds(figures.late),
            "megabytes_sent": round(figures.received / 1e6, 1),
            "charts_drawn": figures.charts,
            "web_process_before": before,
            "web_process": held(server.web_process()),
            "runs": {state: runs.count(state) for state in sorted(set(runs))},
            "failed": failed + figures.exceptions,
        }
    finally:
        server.stop()


def main() -> int:
    """Measure and say."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--sessions", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--training", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(asked.sessions, asked.seconds, Path(folder), asked.training))
    print(json.dumps(found, indent=2))
    refresh, web = found["refresh_ms_all_there"], found["web_process"]
    kept = refresh and refresh["p95"] < MOST_MILLISECONDS and web["megabytes"] < MOST_MEGABYTES and not web["torch"]
    return 0 if kept and not found["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
