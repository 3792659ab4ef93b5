"""What tests look for on a page."""

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
