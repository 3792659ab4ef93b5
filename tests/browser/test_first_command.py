"""What the README's first command leads to: on real text with a real encoder, and from an installed wheel."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ctx.lab import data
from tests.browser.looking import dots, finished, no_trace_of_an_error, train
from tests.served import Served
from tests.wheels import build, unpack

Visit = Callable[..., Page]


@pytest.mark.network
def test_a_stranger_gets_to_a_finished_study_on_real_text(
    serve: Callable[..., Served], visit: Visit, fetched: Callable[..., None]
) -> None:
    fetched(*data.archives(data.needed(data.default("sentiment"))))  # whether they can be had at all
    server = serve(CTX_OFFLINE="0")
    page = visit(server.url)
    ready = page.get_by_role("button", name=re.compile("^Train"))
    expect(ready).to_be_enabled(timeout=300_000)  # the server fetches what it lacks by itself, and the page follows
    train(page, guess="helps")
    finished(page, seconds=300)
    assert dots(page) >= 3 * 10
    expect(page.locator("h4").first).to_contain_text(re.compile(r"^\W*(\w+ )?Helped in (9|10) of 10 draws"))
    expect(page.locator("body")).to_contain_text("always one answer")
    no_trace_of_an_error(page)


def test_the_wheel_serves_the_same_pages_and_asks_nobody_outside(
    tmp_path: Path, browser: Browser, visit: Visit
) -> None:
    server = Served(tmp_path / "home", code=unpack(build(tmp_path)), CTX_OFFLINE="1")
    try:
        page = visit(server.start().url)
        expect(page.get_by_role("button", name=re.compile("^Train"))).to_be_visible()
        no_trace_of_an_error(page)
        page.wait_for_load_state("networkidle")  # all that it asks for is there, before nobody answers any more
        page.close()
    finally:
        server.stop()
