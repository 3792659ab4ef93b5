"""Refreshed, closed, killed and restarted while a run trains: nothing is lost, and nobody has to do anything."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched
from tests.browser.looking import finished, no_trace_of_an_error
from tests.browser.studies import SLOW, study
from tests.browser.studies import wait_for as wait
from tests.served import Served

Visit = Callable[..., Page]


def whole(server: Served, study_id: str) -> None:
    """Every run is done in its first attempt, with a point for every step."""
    store = server.store()
    wait(lambda: {run.state for _, _, run in store.study_runs(study_id)} == {"done"}, "all runs done")
    for arm, _, run in store.study_runs(study_id):
        points = store.points([run.id], ["total"])
        assert run.attempt == 1, f"{arm} was started {run.attempt} times"
        assert sorted(points["step"]) == list(range(1, run.final["steps"] + 1)), f"{arm}: steps lost or doubled"


def test_a_refresh_and_a_closed_browser_in_mid_run_lose_nothing(serve: Callable[..., Served], visit: Visit) -> None:
    server = serve()
    made = study(server, SLOW, draws=2, wait=False)
    page = visit(f"{server.url}/lab?study={made}")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.context.close()
    whole(server, made)
    later = visit(f"{server.url}/lab?study={made}")
    finished(later)
    no_trace_of_an_error(later)


def test_a_killed_and_restarted_web_server_loses_nothing(
    serve: Callable[..., Served], visit: Visit, watched: Watched
) -> None:
    watched.forgiven += [
        "WebSocket",
        "_stcore",
        "ERR_CONNECTION",
        "disconnected from server",
        "Is Streamlit still running?",
    ]
    server = serve()
    made = study(server, SLOW, draws=2, wait=False)
    page = visit(f"{server.url}/lab?study={made}")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    page.wait_for_load_state("networkidle")  # a script cut in its middle would be an error of the killing's own
    server.kill()
    server.start()
    whole(server, made)
    finished(page)
    assert f"study={made}" in page.url
    no_trace_of_an_error(page)


def test_a_second_tab_sees_the_same_queue_and_can_stop_it(serve: Callable[..., Served], visit: Visit) -> None:
    server = serve()
    made = study(server, SLOW, draws=4, wait=False)
    first, second = visit(f"{server.url}/lab?study={made}"), visit(f"{server.url}/lab?study={made}")
    expect(first.get_by_role("button", name="Stop")).to_be_visible()
    second.get_by_role("button", name="Stop").click()
    store = server.store()
    wait(lambda: not {run.state for _, _, run in store.study_runs(made)} & {"queued", "running"}, "all runs ended")
    assert "stopped" in {run.state for _, _, run in store.study_runs(made)}
    expect(first.get_by_role("button", name=re.compile("Go on with"))).to_be_visible()
