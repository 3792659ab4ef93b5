"""A stranger's path: choose, guess, train, read the answer; and come back to it by its address."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.looking import at_rest, dots, finished, no_trace_of_an_error, train
from tests.served import Served

Visit = Callable[..., Page]
SMALL = (
    "source=sentiment/sample-gadgets-en&target=sentiment/sample-cafes-en&target.size=20&backbone=tiny&tuning=full"
    "&optim.epochs=1&draws=1"
)


def test_a_stranger_gets_from_the_first_lesson_to_an_answer_with_dots(shared_server: Served, visit: Visit) -> None:
    page = visit(shared_server.url)
    page.get_by_role("button", name="First lesson").or_(page.get_by_role("radio", name="First lesson")).click()
    at_rest(page)
    train(page, guess="helps")
    finished(page)
    assert dots(page) >= 3 * 3, "three arms, three draws each"
    expect(page.get_by_text(re.compile(r"draws?\b.*\.", re.IGNORECASE)).first).to_be_visible()
    assert "study=" in page.url
    no_trace_of_an_error(page)


def test_the_samples_stand_in_where_nothing_can_be_fetched(shared_server: Served, visit: Visit) -> None:
    page = visit(shared_server.url)
    expect(page.locator("body")).to_contain_text(re.compile("sample", re.IGNORECASE))
    expect(page.get_by_role("button", name=re.compile("^Train"))).to_be_enabled()


def test_the_samples_and_the_tiny_encoder_give_an_answer(shared_server: Served, visit: Visit) -> None:
    page = visit(f"{shared_server.url}/?{SMALL}")
    train(page, guess="no difference")
    finished(page)
    assert dots(page) >= 3
    no_trace_of_an_error(page)


def test_a_studys_address_opens_the_same_view_for_another_visitor(
    shared_server: Served, visit: Visit, lesson_study: str
) -> None:
    first = visit(f"{shared_server.url}/?study={lesson_study}")
    finished(first)
    second = visit(first.url)
    finished(second)
    assert answer(second) == answer(first)
    assert dots(second) == dots(first)


def answer(page: Page) -> str:
    return page.locator("h4").first.inner_text()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("?study=nothing", "nothing"),
        ("?source=sentiment/moon", "moon"),
        ("?target.size=-5", "greater than or equal to 1"),
        ("?app=cooking", "cooking"),
        ("?schedule.lam=much&draws=x", "much"),
    ],
)
def test_nonsense_in_the_address_gets_a_sentence(shared_server: Served, visit: Visit, address: str, said: str) -> None:
    page = visit(f"{shared_server.url}/{address}")
    expect(page.get_by_test_id("stAlert").filter(has_text=said).first).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Train"))).to_be_visible()
    no_trace_of_an_error(page)


def test_weigh_draws_the_whole_path_before_anything_else_is_trained(shared_server: Served, visit: Visit) -> None:
    page = visit(f"{shared_server.url}/?{SMALL.replace('tuning=full', 'tuning=head')}")
    train(page, guess="helps")
    finished(page)
    runs = shared_server.store().count()
    page.get_by_role("button", name="Weigh: λ").click()
    expect(page.get_by_text("heads on frozen features")).to_be_visible(timeout=60_000)
    path = page.locator(".js-plotly-plot", has_text="λ, the weight of the target")
    expect(path).to_have_count(2)
    before = path.first.locator(".annotation-text").text_content() or ""
    page.get_by_role("slider").last.press("End")  # λ = 10
    expect(path.first.locator(".annotation-text")).not_to_have_text(before)
    assert shared_server.store().count() == runs
    no_trace_of_an_error(page)
