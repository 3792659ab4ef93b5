"""Compare and Run in a real browser: ticks and links, files, deleting and undoing, cloning, following a run."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.looking import at_rest, no_trace_of_an_error
from tests.browser.studies import SLOW, study, wait_for
from tests.served import Served

Visit = Callable[..., Page]
ROW = 34  # pixels of a row of the list, its header too


def tick(page: Page, row: int) -> None:
    box = page.get_by_test_id("stDataFrame").first.locator("canvas").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 18, box["y"] + ROW * (row + 1.5))


def said(page: Page) -> str:
    return page.get_by_text(re.compile(r"runs listed, \d+ ticked")).inner_text()


def test_a_tick_goes_into_the_address_and_the_link_opens_the_same_view(
    shared_server: Served, visit: Visit, lesson_study: str
) -> None:
    page = visit(f"{shared_server.url}/compare?study={lesson_study}")
    expect(page.locator(".st-key-compare_dots .js-plotly-plot")).to_be_visible()
    before = said(page)
    tick(page, 0)
    page.wait_for_url(re.compile("runs="))
    expect(page.get_by_text(before)).to_have_count(0)
    at_rest(page)
    other = visit(page.url)
    assert said(other) == said(page)
    no_trace_of_an_error(other)


def test_results_come_as_csv_and_charts_as_png(
    shared_server: Served, visit: Visit, lesson_study: str, tmp_path: Path
) -> None:
    page = visit(f"{shared_server.url}/compare?study={lesson_study}")
    with page.expect_download() as table:
        page.get_by_role("button", name="Results (CSV)").click()
    table.value.save_as(tmp_path / "results.csv")
    rows = list(csv.DictReader((tmp_path / "results.csv").open(encoding="utf-8")))
    assert {row["draws"] for row in rows} == {"3"}
    assert {row["metric"] for row in rows} == {"r2", "mse"}
    chart = page.locator(".st-key-compare_dots")
    chart.hover()
    with page.expect_download() as picture:
        chart.locator(".modebar-btn").first.click()
    picture.value.save_as(tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_a_deleted_run_comes_back_and_a_clone_opens_in_the_lab(
    shared_server: Served, visit: Visit, lesson_study: str
) -> None:
    store = shared_server.store()
    run = store.study_runs(lesson_study)[0][2]
    page = visit(f"{shared_server.url}/run?run={run.id}")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Undo delete").click()
    expect(page.get_by_role("button", name="Undo delete")).to_have_count(0)
    assert store.run(run.id).deleted is None
    page.get_by_role("button", name="Clone in the Lab").click()
    page.wait_for_url(re.compile(r"/lab\?.*app=lesson"))
    at_rest(page)
    no_trace_of_an_error(page)


def test_a_run_is_followed_while_it_trains_and_can_be_stopped(serve: Callable[..., Served], visit: Visit) -> None:
    server = serve()
    longer = SLOW.model_copy(update={"optim": SLOW.optim.model_copy(update={"epochs": 200})})
    store = server.store()
    run = store.study_runs(study(server, longer, draws=1, wait=False))[0][2]
    page = visit(f"{server.url}/run?run={run.id}")
    expect(page.get_by_test_id("stProgress")).to_contain_text("Update", timeout=90_000)
    curves = page.locator(".st-key-run_curves_0 .js-plotly-plot")  # for a moment two, while one takes the other's place
    expect(curves.first).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Stop").click()
    wait_for(lambda: store.run(run.id).state == "stopped", "the run stops")
    expect(page.get_by_text("Resume goes on from its checkpoint")).to_be_visible()
    no_trace_of_an_error(page)
