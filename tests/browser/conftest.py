"""Tests in a real browser: headless Chromium against a real server. Nothing may leave this machine."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from ctx.lab import data
from tests.browser.looking import at_rest
from tests.browser.studies import study
from tests.served import BROWSER_ARGUMENTS, Served, browser_path

LOCAL = {"localhost", "127.0.0.1", None}
HARMLESS = re.compile(
    r"404 .*/\w+/_stcore/(health|host-config)"
)  # the page tries its own address first, then its parent's
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
NO_BROWSER = "there is no Chromium on this machine: install it (Debian: apt-get install chromium)"

expect.set_options(timeout=20_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = browser_path()
    if path is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(NO_BROWSER)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=BROWSER_ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Served]:
    """One server for all tests that leave it as it is; offline, so with the sample sentences."""
    server = Served(tmp_path_factory.mktemp("shared"), CTX_OFFLINE="1")
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def serve(tmp_path: Path, browser: Browser) -> Iterator[Callable[..., Served]]:
    """Servers of a test's own, to kill and restart."""
    servers: list[Served] = []

    def start(**environment: str) -> Served:
        servers.append(Served(tmp_path / f"served{len(servers)}", **{"CTX_OFFLINE": "1", **environment}))
        return servers[-1].start()

    try:
        yield start
    finally:
        for server in servers:
            server.stop()


class Watched:
    """What went wrong in the pages of a test. ``forgiven``: what a test provokes itself."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.outside: list[str] = []
        self.forgiven: list[str] = []

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._error(str(error)))
        page.on("request", lambda request: self._request(request.url))
        page.on("websocket", lambda socket: self._request(socket.url))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._error(f"{message.text} ({message.location['url']})")

    def _error(self, text: str) -> None:
        if not HARMLESS.search(text):
            self.errors.append(text)

    def _request(self, url: str) -> None:
        if urlsplit(url).hostname not in LOCAL:
            self.outside.append(url)

    def check(self) -> None:
        assert not self.outside, f"requests that leave this machine: {self.outside}"
        bad = [error for error in self.errors if not any(piece in error for piece in self.forgiven)]
        assert not bad, f"errors in the browser's console: {bad}"


@pytest.fixture
def watched() -> Iterator[Watched]:
    found = Watched()
    yield found
    found.check()


@pytest.fixture
def visit(browser: Browser, watched: Watched) -> Iterator[Callable[..., Page]]:
    """Open an address as a new visitor, with a browser profile of their own; the page has come to rest."""
    visitors: list[BrowserContext] = []

    def go(url: str, viewport: dict[str, int] = DESK) -> Page:
        visitors.append(browser.new_context(viewport=viewport, locale="en-US"))
        page = visitors[-1].new_page()
        watched.watch(page)
        page.goto(url)
        return at_rest(page)

    yield go
    for visitor in visitors:
        visitor.close()


@pytest.fixture(scope="session")
def lesson_study(shared_server: Served) -> str:
    """The id of a finished study of the first lesson."""
    return study(shared_server, data.default("lesson"), draws=3)
