"""From a click to what is seen, in a real browser on a real server with its dispatcher and worker.

    python -m tests.benchmarks.clicks [--assets FOLDER] [--times N] [--applications]

- with ``--applications``: what every other application opens with, once its pair is encoded: the first point, the
  full answer; the most memory that a worker has had resident by then, and its proportional share (what processes share
  is divided among them) at the end; without it
- the default study (10 draws × 3 arms, MiniLM all frozen) once the pair is encoded: the first dot, the full answer;
- Train → first point of a curve: `mlp`, `tiny`, `minilm` with 4 of 6 layers frozen; each on a draw that is new.

Every setting is clicked several times, each time on seeds that the store doesn't hold; medians are printed. "warm":
the first click of each is left out.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.looking import at_rest
from tests.browser.studies import wait_for
from tests.served import BROWSER_ARGUMENTS, Served, browser_path

POINT = """key => [...document.querySelectorAll(key + " .js-plotly-plot")].some(
    plot => plot.data.some(trace => trace.x && (trace.x.bdata || trace.x.length)))"""
DOTS = """() => { const plot = document.querySelector(".st-key-dots .js-plotly-plot");
    return plot ? plot.data.reduce((n, trace) => n + (trace.x ? trace.x.length : 0), 0) : 0 }"""
VERDICT = """() => [...document.querySelectorAll("h4")].some(e => /Helped|Hurt|Can.t tell/.test(e.innerText))"""
CASES = {
    "mlp": "app=lesson&draws=1",
    "tiny": "source=sentiment/sample-cafes-en&target=sentiment/sample-gadgets-en&backbone=tiny&tuning=full&draws=1",
    "minilm, 4 of 6 frozen": "tuning=freeze&tuning.layers=4&optim.epochs=1&draws=1",
}


def press(page: Page) -> float:
    """Press Train; gives the moment."""
    button = page.get_by_role("button", name=re.compile("^Train")).first
    button.wait_for()
    start = time.perf_counter()
    button.click()
    return start


def first_point(page: Page) -> float:
    """Seconds from the click to the first point of a curve."""
    start = press(page)
    page.wait_for_function(POINT, arg="[class*='st-key-curve']", timeout=120_000, polling=20)
    return time.perf_counter() - start


def default_study(page: Page) -> tuple[float, float]:
    """Seconds from the click to the first dot beside the floor's, and to the full answer."""
    start = press(page)
    before = page.evaluate(DOTS)
    page.wait_for_function(f"before => ({DOTS})() > before", arg=before, timeout=120_000, polling=20)
    first = time.perf_counter() - start
    page.wait_for_function(VERDICT, timeout=300_000, polling=20)
    return first, time.perf_counter() - start


def applications(page: Page, server: Served, times: int) -> None:
    """The default study of names, translation and summaries."""
    store = server.store()
    for name in ("ner", "translation", "summarisation"):
        for n in range(times):
            page.goto(f"{server.url}/lab?app={name}&seed={1000 * n}")
            at_rest(page)
            began = time.perf_counter()
            wait_for(lambda: not store.jobs(states=["queued", "running"]), f"{name} is fetched and encoded", 900)
            encoded = time.perf_counter() - began
            start = press(page)
            page.wait_for_function(POINT, arg="[class*='st-key-curve']", timeout=300_000, polling=20)
            first = time.perf_counter() - start
            page.wait_for_function(VERDICT, timeout=900_000, polling=20)
            full = time.perf_counter() - start
            print(
                f"{name}: encoded in {encoded:.1f} s; first point {first:.2f} s, full answer {full:.1f} s; "
                f"a worker's memory {workers_memory(server)}",
                flush=True,
            )


def workers_memory(server: Served) -> str:
    """The most that a process other than the web server's has had resident, and the largest share that one has now."""
    web, most, shares = server.web_process().pid, [0], [0]
    for process in server.processes():
        own = Path("/proc", str(process.pid))
        with suppress(OSError):
            if process.pid != web:
                most.append(_megabytes(own / "status", "VmHWM"))
                shares.append(_megabytes(own / "smaps_rollup", "Pss"))
    return f"at most {max(most)} MB, its share {max(shares)} MB at the end"


def _megabytes(file: Path, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", file.read_text(), re.MULTILINE)
    return int(found[1]) // 1000 if found else 0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--assets", type=Path)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--applications", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        if asked.assets:
            (Path(folder) / "assets").symlink_to(asked.assets.resolve(), target_is_directory=True)
        server = Served(Path(folder))
        try:
            server.start()
            browser = playwright.chromium.launch(executable_path=browser_path(), args=BROWSER_ARGUMENTS)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            if asked.applications:
                applications(page, server, asked.times)
                return
            at_rest_at = lambda address: (page.goto(f"{server.url}/lab?{address}"), at_rest(page))  # noqa: E731
            at_rest_at("")
            store = server.store()
            began = time.perf_counter()
            done = lambda: "encode" in {job.kind for job in store.jobs(states=["done"])}  # noqa: E731
            wait_for(done, "the pair is encoded", 600)
            print(f"the default pair fetched and encoded {time.perf_counter() - began:.1f} s after the page was there")
            dots, answers = [], []
            for n in range(asked.times + 1):
                at_rest_at(f"seed={1000 * (n + 1)}")
                first, full = default_study(page)
                dots.append(first)
                answers.append(full)
            print(f"default study: first dot {said(dots)}, full answer {said(answers)}", flush=True)
            for name, address in CASES.items():
                taken = []
                for n in range(asked.times + 1):
                    at_rest_at(f"{address}&seed={1000 * (n + 1) + 500}")
                    taken.append(first_point(page))
                    wait_for(lambda: not store.runs(["queued", "running"]), "all runs ended", 600)
                print(f"{name}: Train → first point {said(taken)}", flush=True)
        finally:
            server.stop()


def said(seconds: list[float]) -> str:
    """The median without the first, and the range."""
    warm = seconds[1:]
    return f"{statistics.median(warm):.2f} s ({min(warm):.2f} to {max(warm):.2f}; the first click {seconds[0]:.2f})"


if __name__ == "__main__":
    main()
