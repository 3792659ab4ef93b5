"""What holds for every page: a cold deep link, a phone, nonsense, and names that are markup."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE
from tests.browser.looking import no_trace_of_an_error, plain
from tests.served import Served

Visit = Callable[..., Page]
PAGES = ("lab", "map", "compare", "contexts", "run")
MARKUP = "<b>x</b> $a$ **b** :tada: <img src=x onerror=alert(1)> [l](javascript:alert(1))"
SHOWN = """text => {
    const fields = [...document.querySelectorAll("main input, main textarea")].map(field => field.value);
    return [document.querySelector("main").innerText, ...fields].some(shown =>
        shown.replaceAll("\\u2060", "").includes(text));
}"""


@pytest.mark.parametrize("name", PAGES)
def test_a_deep_link_to_a_cold_server_opens_its_page(serve: Callable[..., Served], visit: Visit, name: str) -> None:
    page = visit(f"{serve().url}/{name}")
    expect(page.get_by_role("navigation", name="App pages").get_by_role("link")).to_have_count(len(PAGES))
    assert page.url.endswith(f"/{name}")
    no_trace_of_an_error(page)


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_wider_than_a_phone(shared_server: Served, visit: Visit, lesson_study: str, name: str) -> None:
    page = visit(f"{shared_server.url}/{name}?{address_of(shared_server, lesson_study, name)}", viewport=PHONE)
    page.wait_for_timeout(500)
    wide = page.evaluate(
        """() => [...document.querySelectorAll("[data-testid=stMain], html")]
                 .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => [e.tagName, e.scrollWidth, e.clientWidth])"""
    )
    assert wide == []
    no_trace_of_an_error(page)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("run?run=nonsense", "nonsense"),
        ("run?run=%3Cb%3Ex", "<b>x"),
        ("compare?runs=nonsense,more&sort=%3Cb%3Ex", "nonsense"),
        ("compare?study=nothing", "nothing"),
        ("compare?context=moon", "moon"),
        ("contexts?context=%3Cb%3Ex", "<b>x"),
    ],
)
def test_nonsense_in_the_address_gets_a_sentence(
    shared_server: Served, visit: Visit, lesson_study: str, address: str, said: str
) -> None:
    page = visit(f"{shared_server.url}/{address}")
    expect(page.get_by_test_id("stAlert").first).to_be_visible()
    assert any(said in plain(alert.inner_text()) for alert in page.get_by_test_id("stAlert").all())
    no_trace_of_an_error(page)


@pytest.mark.parametrize("name", PAGES)
def test_names_that_are_markup_are_shown_as_they_are(
    shared_server: Served, visit: Visit, lesson_study: str, name: str
) -> None:
    store = shared_server.store()
    for _, _, run in store.study_runs(lesson_study):
        store.rename(run.id, name=MARKUP, note=MARKUP)
    page = visit(f"{shared_server.url}/{name}?{address_of(shared_server, lesson_study, name)}")
    assert page.locator("main b:text-is('x'), main strong:text-is('b'), main img[src='x'], main .katex").count() == 0
    if name == "run":
        page.wait_for_function(SHOWN, arg=MARKUP)
    no_trace_of_an_error(page)


def address_of(server: Served, study: str, page: str) -> str:
    """The address of something to see on a page."""
    if page == "contexts":
        return "context=lesson/base&with=lesson/relative"
    return f"run={server.store().study_runs(study)[0][2].id}" if page == "run" else f"study={study}"
