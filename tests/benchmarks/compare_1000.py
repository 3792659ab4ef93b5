"""Compare with 1,000 finished runs in the store (100 arms of 10 draws, 1.1 million points): how long until it is open.

    python -m tests.benchmarks.compare_1000

Prints a table: the page's own time on the server (Streamlit's test client, 5 visits), and, where there is a Chromium,
from a click on Compare until its list and charts stand on the screen.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice
from ctx.parts import Choice
from ctx.schema import metrics, runs
from ctx.store import Store, open_store

ROOT = Path(__file__).resolve().parents[2]
LAMBDAS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 20.0, 50.0, 100.0)
SIZES = (5, 10, 15, 20, 30, 40, 50, 60, 80, 90)
DRAWS, STEPS, EPOCH = 10, 250, 25
LIMIT = 1.0  # seconds


def configurations() -> list[RunConfig]:
    return [
        RunConfig(
            sources=(SourceChoice(id="sentiment/sample-gadgets-en"),),
            target=ContextChoice(id="sentiment/sample-cafes-en", size=size),
            backbone=Choice(name="tiny"),
            schedule=Choice(name="joint", knobs={"lam": lam}),
            optim=Optim(epochs=STEPS // EPOCH),
            seed=seed,
        )
        for lam in LAMBDAS
        for size in SIZES
        for seed in range(DRAWS)
    ]


def fill(store: Store, configs: list[RunConfig]) -> None:
    """One study of all configurations, ended, with results and curves as a worker writes them."""
    study = store.add_study("map", {}, [("chosen", i, config) for i, config in enumerate(configs)])
    random = np.random.default_rng(0)
    rows = store.study_runs(study.id)
    with store._writing() as connection:
        for _, _, run in rows:
            final = _final(random)
            values = {"state": "done", "final": final, "step": STEPS, "steps": STEPS, "ended": run.created + 2}
            connection.execute(runs.update().where(runs.c.id == run.id).values(**values))
        for _, _, run in rows:
            connection.execute(metrics.insert(), _points(run.id, random))


def _final(random: np.random.Generator) -> dict[str, object]:
    keys = ("source", "target")
    scores = {key: dict(zip(("macro_f1", "accuracy", "loss"), random.random(3).tolist(), strict=True)) for key in keys}
    return {
        "metrics": scores,
        "floor": {key: {"macro_f1": 0.33, "accuracy": 0.5, "loss": 0.69} for key in keys},
        "confusion": {key: [[40, 10], [10, 40]] for key in keys},
        "labels_used": {"source": 300, "target": 20},
        "updates": dict.fromkeys(keys, STEPS),
        "seen": dict.fromkeys(keys, 32 * STEPS),
        "parameters": {"learn": 130, "total": 600_000},
        "kept_step": STEPS,
        "steps": STEPS,
        "train_seconds": 1.0,
    }


def _points(run: str, random: np.random.Generator) -> list[dict[str, object]]:
    every = [(name, step) for name in ("loss/source", "loss/target", "total", "grad_norm") for step in range(1, STEPS)]
    at_epochs = [
        f"validation/{key}/{name}" for key in ("source", "target") for name in ("loss", "macro_f1", "accuracy")
    ]
    every += [
        (name, step) for name in [*at_epochs, "seen/source", "seen/target"] for step in range(0, STEPS + 1, EPOCH)
    ]
    every += [("constant/source", 0), ("constant/target", 0)]
    drawn = random.random(len(every)) + 0.1
    return [
        {"run_id": run, "name": name, "step": step, "value": 32.0 * step if name.startswith("seen/") else float(value)}
        for (name, step), value in zip(every, drawn, strict=True)
    ]


def on_the_server(link: str = "", visits: int = 5) -> tuple[list[float], list[float]]:
    """Seconds of each visit to Compare, entered from another page as a person does; and of the processor alone."""
    from streamlit.testing.v1 import AppTest

    found, busy = [], []
    for _ in range(visits):
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
        app.switch_page("pages/compare.py")
        if link:
            app.query_params["runs"] = link
        began, worked = time.perf_counter(), time.process_time()
        app.run()
        found.append(time.perf_counter() - began)
        busy.append(time.process_time() - worked)
        assert not app.exception, app.exception
    return found, busy


def in_the_browser(home: Path, visits: int = 6) -> dict[str, list[float]]:
    """Seconds from the click on Compare until something stands on the screen; empty without a browser.

    The first visit, when the browser has yet to load what draws charts, stands apart.
    """
    from playwright.sync_api import sync_playwright

    from tests.served import BROWSER_ARGUMENTS, Served, browser_path

    path = browser_path()
    wanted = {"its list": "[data-testid=stDataFrame] canvas", "its charts": ".st-key-compare_curves_1 svg.main-svg"}
    found: dict[str, list[float]] = {}
    if path is None:
        return found
    server = Served(home, CTX_OFFLINE="1", CTX_WORKERS="0").start()
    try:
        with sync_playwright() as playwright:
            page = playwright.chromium.launch(executable_path=path, args=BROWSER_ARGUMENTS).new_page()
            page.goto(f"{server.url}/run", wait_until="networkidle")
            for visit in range(visits):
                began = time.perf_counter()
                page.get_by_role("link", name="Compare").first.click()
                for name, selector in wanted.items():
                    page.locator(selector).first.wait_for()
                    named = f"{name}, first visit" if visit == 0 else name
                    found.setdefault(named, []).append(time.perf_counter() - began)
                page.wait_for_load_state("networkidle")
                page.get_by_role("link", name="Run", exact=True).first.click()
                page.get_by_text("Choose one of the").wait_for()
    finally:
        server.stop()
    return found


def line(name: str, found: list[float], busy: list[float] | None = None) -> str:
    middle = statistics.median(found)
    work = f"{statistics.median(busy):.2f} s" if busy else "–"
    return f"| {name} | {middle:.2f} s | {max(found):.2f} s | {work} | {'yes' if middle < LIMIT else 'NO'} |"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"CTX_HOME": folder, "CTX_STORE": f"sqlite:///{folder}/ctx.sqlite", "CTX_OFFLINE": "1"}
        os.environ["CTX_WORKERS"] = "0"
        store = open_store()
        began = time.perf_counter()
        fill(store, configurations())
        print(f"{store.count()} runs stored in {time.perf_counter() - began:.1f} s", file=sys.stderr)
        ticked = ",".join(run.id[:8] for run in store.runs(limit=200))
        print(f"| Compare, {store.count()} runs in the store | median | slowest | processor | under {LIMIT:g} s |")
        print("|---|---|---|---|---|")
        print(line("server: as it opens (60 runs of the newest study)", *on_the_server()))
        print(line("server: 200 runs ticked", *on_the_server(ticked)))
        print(line("server: nothing ticked", *on_the_server("none")))
        shown = in_the_browser(Path(folder))
        for name, found in shown.items():
            print(line(f"browser: from the click to {name}", found))
        if not shown:
            print("No Chromium on this machine: what a person waits for was not measured.", file=sys.stderr)


if __name__ == "__main__":
    main()
