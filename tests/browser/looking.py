"""What tests look for on a page."""

import re

from playwright.sync_api import Page, expect


def at_rest(page: Page) -> Page:
    """Wait until the script has run to its end and something is on the page."""
    page.wait_for_selector("[data-testid=stApp][data-test-connection-state=CONNECTED]", timeout=60_000)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=60_000)
    page.wait_for_selector("[data-testid=stMain] [data-testid=stElementContainer]", timeout=60_000)
    return page


def no_trace_of_an_error(page: Page) -> None:
    """No exception box and no traceback anywhere."""
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert "Traceback" not in page.inner_text("body")


def train(page: Page, guess: str) -> None:
    """Guess, press Train, and wait until the study is in the address."""
    page.get_by_role("radio", name=guess).or_(page.get_by_role("button", name=guess, exact=True)).first.click()
    at_rest(page)
    page.get_by_role("button", name=re.compile("^Train")).click()
    page.wait_for_url(re.compile("study="), timeout=20_000)


def finished(page: Page, seconds: float = 90) -> None:
    """Wait until the answer is there and nothing is left to stop."""
    page.wait_for_function(
        """() => document.querySelector("h4") && !document.querySelector("[class*=st-key-stop]")""",
        timeout=seconds * 1000,
    )
    at_rest(page)


def dots(page: Page) -> int:
    """How many dots the chart of the answer shows, means included."""
    chart = page.get_by_test_id("stPlotlyChart").first
    expect(chart.locator(".scatterlayer path.point").first).to_be_visible()
    return chart.locator(".scatterlayer path.point").count()


def plain(text: str) -> str:
    """Text as a person reads it, without the signs that join words invisibly."""
    return text.replace("\u2060", "")
