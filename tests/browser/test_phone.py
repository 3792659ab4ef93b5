"""The Lab on a phone: one swipes from the sentences to the curves, and nothing is wider than the screen."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE
from tests.served import Served

ON_SCREEN = """([parts, wanted]) => {
    const seen = key => { const box = document.querySelector(key)?.getBoundingClientRect();
        return box !== undefined && box.left >= -2 && box.right <= innerWidth + 2 };
    return parts.every((part, n) => seen(`.st-key-result > :nth-child(${part})`) === wanted[n]) }"""
ANSWER, SENTENCES, CURVES = 1, 2, 3


def test_one_swipes_from_the_sentences_to_the_curves(
    shared_server: Served, visit: Callable[..., Page], lesson_study: str
) -> None:
    page = visit(f"{shared_server.url}/lab?study={lesson_study}", viewport=PHONE)
    expect(page.locator(".st-key-swipe")).to_be_visible()
    expect(page.locator(".st-key-result .js-plotly-plot").first).to_be_attached()
    page.wait_for_function(ON_SCREEN, arg=[[ANSWER, SENTENCES, CURVES], [True, True, False]])
    page.evaluate("document.querySelector('.st-key-result').scrollTo({left: 1000})")
    page.wait_for_function(ON_SCREEN, arg=[[ANSWER, SENTENCES, CURVES], [True, False, True]])
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_every_application_can_be_pressed(shared_server: Served, visit: Callable[..., Page]) -> None:
    page = visit(f"{shared_server.url}/lab", viewport=PHONE)
    for name in ("Sentiment", "Names in texts", "Translation", "Summaries", "First lesson"):
        box = page.get_by_role("radio", name=name).or_(page.get_by_role("button", name=name, exact=True)).bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= PHONE["width"]
