"""Map in a real browser: what varies is chosen, the cells fill, a click on one leads to its runs."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.looking import at_rest, no_trace_of_an_error
from tests.served import Served

Visit = Callable[..., Page]
FEW = (
    "source=sentiment/sample-gadgets-en&source.size=40&target=sentiment/sample-cafes-en&target.size=20&backbone=tiny"
    "&optim.epochs=1&axis.schedule.lam=0,1&axis.target.size=10,20&draws=2"
)


def test_a_map_fills_and_a_cell_leads_to_its_runs(shared_server: Served, visit: Visit) -> None:
    page = visit(f"{shared_server.url}/map?{FEW}")
    at_rest(page)
    page.get_by_role("button", name=re.compile("^Train")).click()
    expect(page.get_by_text(re.compile(r"^10 of 10 runs$"))).to_be_visible(timeout=90_000)
    at_rest(page)
    assert "map=" in page.url
    cells = page.locator(".js-plotly-plot").first.locator(".scatterlayer .points path")
    expect(cells).to_have_count(4)
    cells.first.click(force=True)
    expect(page.get_by_role("link", name=re.compile("draw 2"))).to_be_visible()
    page.get_by_role("link", name=re.compile("draw 1")).click()
    expect(page.get_by_role("heading", name="Run")).to_be_visible()
    no_trace_of_an_error(page)


def test_a_search_goes_on_while_nobody_looks(shared_server: Served, visit: Visit) -> None:
    page = visit(f"{shared_server.url}/map?{FEW.replace('axis.schedule.lam=0,1', 'axis.schedule.lam=0.1,0.5,2')}")
    at_rest(page)
    page.get_by_role("radio", name="Some, by search").or_(
        page.get_by_role("button", name="Some, by search", exact=True)
    ).first.click()
    page.get_by_label("Cells at most").fill("3")
    page.get_by_label("Cells at most").press("Enter")
    page.get_by_role("button", name=re.compile("^Search, with 12 runs at most")).click()
    page.wait_for_url(re.compile("map="), timeout=20_000)
    address = page.url
    page.close()
    page = visit(address)
    expect(page.get_by_text(re.compile("3 of 6 cells were tried"))).to_be_visible(timeout=90_000)
    expect(page.get_by_role("button", name="Pause")).to_have_count(0, timeout=90_000)
    cells = page.locator(".js-plotly-plot").first.locator(".scatterlayer .points path")
    expect(cells).to_have_count(3)
    no_trace_of_an_error(page)
