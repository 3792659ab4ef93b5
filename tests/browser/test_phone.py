"""The Lab on a phone: one swipes from the sentences to the curves, and nothing is wider than the screen."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE
from tests.served import Served

PLACE = """key => { const box = document.querySelector(key).getBoundingClientRect();
    return box.left >= -2 && box.right <= innerWidth + 2 }"""


def test_one_swipes_from_the_sentences_to_the_curves(
    shared_server: Served, visit: Callable[..., Page], lesson_study: str
) -> None:
    page = visit(f"{shared_server.url}/lab?study={lesson_study}", viewport=PHONE)
    expect(page.locator(".st-key-swipe")).to_be_visible()
    sentences, curves = (f".st-key-result > :nth-child({n})" for n in (2, 3))
    assert [page.evaluate(PLACE, key) for key in (sentences, curves)] == [True, False]
    page.evaluate("document.querySelector('.st-key-result').scrollTo({left: 1000})")
    page.wait_for_function(PLACE, arg=curves)
    assert not page.evaluate(PLACE, sentences)
    answer = page.evaluate(PLACE, ".st-key-result > :nth-child(1)")
    assert answer, "the answer stays where it is"
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_every_application_can_be_pressed(shared_server: Served, visit: Callable[..., Page]) -> None:
    page = visit(f"{shared_server.url}/lab", viewport=PHONE)
    for name in ("Sentiment", "Names in texts", "Translation", "Summaries", "First lesson"):
        box = page.get_by_role("radio", name=name).or_(page.get_by_role("button", name=name, exact=True)).bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= PHONE["width"]
