"""A file of one's own, from the computer to the Lab; and one that means harm."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.looking import at_rest, no_trace_of_an_error, plain
from tests.imported import REVIEWS, csv_text
from tests.served import Served

Visit = Callable[..., Page]
READY = 60_000  # milliseconds: the first file waits for the worker to start
EVIL = "<img src=x onerror=alert(1)> $a$ **b** :tada: [l](javascript:alert(1)) =1+1"


def given(page: Page, name: str, text: str) -> Page:
    """The page with this file chosen."""
    page.get_by_text("Add your own data").click()
    file = {"name": name, "mimeType": "text/csv", "buffer": text.encode()}
    page.locator("input[type=file]").set_input_files(files=[file])  # type: ignore[list-item]
    return page


def test_a_file_is_corrected_added_and_used_in_the_lab(serve: Callable[..., Served], visit: Visit) -> None:
    rows = [(f"{text} Visit {n}.", "3", label) for n in range(5) for text, label in REVIEWS]
    server = serve()
    page = given(
        visit(f"{server.url}/contexts"), "reviews.csv", "\ufeff" + csv_text(rows, "text,stars,mood") + '"torn","1"\n'
    )
    expect(page.get_by_text("read as CSV with 3 columns")).to_contain_text("byte order mark", timeout=READY)
    expect(page.get_by_text("Every row has the label")).to_be_visible(timeout=READY)
    page.get_by_role("combobox", name="Label").click()
    page.get_by_role("option", name="mood").click()
    expect(page.get_by_text("61 rows: 60 accepted, 0 repaired, 1 refused.")).to_be_visible()
    expect(page.get_by_text("row 62: it has 2 cells, the header has 3")).to_be_visible()
    page.get_by_role("textbox", name="Title").fill("Cafés of ours")
    page.get_by_role("textbox", name="Title").press("Enter")
    at_rest(page)
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_text("Added: 60 examples")).to_be_visible()
    assert "context=sentiment" in page.url
    assert not list((Path(server.folder) / "uploads").iterdir())
    at_rest(page)
    page.get_by_role("link", name="… as target").click()
    page.wait_for_url("**/lab?**")
    at_rest(page)
    expect(page.get_by_text("Visit ").first).to_be_visible()
    expect(page.get_by_role("combobox", name="judge this target")).to_have_value("Cafés of ours")
    no_trace_of_an_error(page)


def test_a_file_that_means_harm_is_shown_as_it_is(shared_server: Served, visit: Visit) -> None:
    rows = [(f"{EVIL} {n}", EVIL[:30] if n % 2 else "good") for n in range(30)]
    page = given(visit(f"{shared_server.url}/contexts"), f"{EVIL}\u202e.csv", csv_text(rows, f"{EVIL[:40]},label"))
    expect(page.get_by_text("30 rows: 30 accepted")).to_be_visible(timeout=READY)
    assert EVIL in plain(page.locator("main").inner_text())
    assert (
        page.locator("main img[src='x'], main strong:text-is('b'), main .katex, main a[href^=javascript]").count() == 0
    )
    assert "\u202e" not in page.locator("main").inner_text()
    page.get_by_role("button", name="Other files").click()
    expect(page.locator("input[type=file]")).to_be_attached()
    assert not list((shared_server.folder / "uploads").iterdir())
    no_trace_of_an_error(page)
