"""What every page needs: the guard in its first line, the store, literal text, the link that opens the same view."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from urllib.parse import urlencode

import streamlit as st
from plotly.graph_objects import Figure
from streamlit.navigation.page import StreamlitPage

from ctx import charts
from ctx.errors import StoreError
from ctx.home import project, store_url
from ctx.i18n import t
from ctx.readings import Readings
from ctx.store import Store, open_store
from ctx.ui import facts

STARTED = "started by app.py"  # in the session while app.py runs a page
MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&@^=])")
STYLE = """<style>
.stMainBlockContainer {padding-top: 4.2rem; padding-bottom: 3rem;}
.st-key-setup-line {display: none;}
.st-key-answer {scroll-margin-top: 4rem;}
.st-key-result {display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); column-gap: 3rem;}
.st-key-result > :nth-child(3) {grid-column: 1 / 3;}
.st-key-swipe {display: none;}
@media (max-width: 640px) {
  .st-key-result {grid-template-columns: 100% 100%; column-gap: 0; overflow-x: auto; scroll-snap-type: x mandatory;}
  .st-key-result > * {scroll-snap-align: start;}
  .st-key-result > :nth-child(1) {grid-column: 1 / 3; width: calc(100vw - 1.6rem); position: sticky; left: 0;}
  .st-key-result > :nth-child(2) {grid-column: 1; padding-right: .8rem;}
  .st-key-result > :nth-child(3) {grid-column: 2;}
  .st-key-swipe {display: flex;}
  .stMainBlockContainer {padding: 4.4rem .8rem 5rem;}
  .st-key-setup-line {display: flex;}
  .st-key-setup-closed {display: none;}
  .st-key-train:has(button:enabled), .st-key-stop {position: fixed; bottom: .8rem; right: .8rem; z-index: 100;}
}
</style>"""
FIGURES = 1000  # drawn ones that are kept for a minute
JOINER = "\u2060"  # shows nothing; keeps what stands around it from being read as an emoji, a link or an arrow


def navigation() -> StreamlitPage:
    """The pages of the app; gives the one that the address names. The bare address leads to the Lab."""
    pages = {"lab": t("Lab"), "map": t("Map"), "compare": t("Compare"), "contexts": t("Contexts"), "run": t("Run")}
    there = [
        st.Page(f"pages/{name}.py", title=title, url_path=name)  # no icon: it would be fetched from outside
        for name, title in pages.items()
        if (project() / "pages" / f"{name}.py").is_file()
    ]
    home = st.Page(lambda: _home(there[0]), title="ctx", url_path="home", default=True, visibility="hidden")
    return st.navigation([home, *there], position="top")


def _home(lab: StreamlitPage) -> None:
    st.switch_page(lab, query_params=st.query_params.to_dict())


def guard() -> None:
    """First line of every page: where a cold deep link came past `app.py`, start over through it."""
    if not st.session_state.get(STARTED):
        navigation()
        st.rerun()


def store() -> Store:
    """The store, opened once for all sessions; where it can't be, one sentence and the end of the page."""
    try:
        return _opened(store_url())
    except StoreError as error:
        st.error(literal(str(error)))
        st.stop()


@st.cache_resource(show_spinner=False)
def _opened(url: str) -> Store:
    return open_store(url, migrate=False)


def readings() -> Readings:
    """Runs at work and their curves, read once for all sessions."""
    opened = store()
    return _readings(opened.url, opened)


@st.cache_resource(show_spinner=False)
def _readings(url: str, _store: Store) -> Readings:
    return Readings(_store)


@st.cache_resource(show_spinner=False, max_entries=FIGURES, ttl=60)
def shared_figure(what: str, _draw: Callable[[], Figure | None]) -> Figure | None:
    """A figure, drawn once for all sessions that show the same: ``what`` names all that it is made of.

    Building and checking a figure takes most of a refresh. Nobody changes one that has been drawn.
    """
    return _draw()


def literal(text: str) -> str:
    """Text of data, to put into markdown: shown as it is, no markup, no HTML, no formula, no :shortcode:."""
    return MARKS.sub(rf"\\\1{JOINER}", " ".join(facts.steady(text).split("\n")))


def quote(text: str, colour: str, note: str = "") -> None:
    """A sentence of the data, as it is, with a bar in its context's colour; ``note`` stands small beneath it."""
    beneath = f'<div style="opacity:.7;font-size:.85em">{escape(facts.steady(note))}</div>' if note else ""
    st.html(
        f'<div style="border-left:4px solid {colour};padding:.1em .7em;overflow-wrap:anywhere">'
        f"“{escape(text)}”{beneath}</div>"
    )


def numbers(text: str, colour: str) -> None:
    """A row of numbers, in a type of equal widths, with a bar in its context's colour."""
    st.html(
        f'<div style="border-left:4px solid {colour};padding:.1em .7em;font-family:monospace;font-size:.8em">'
        f"{escape(text)}</div>"
    )


def style() -> None:
    """The few rules that Streamlit has no option for: less air at the top; on a phone one line of set-up first."""
    st.html(STYLE)


def bring_up(key: str) -> None:
    """Scroll the container of this key into sight, once."""
    script = f"document.querySelector('.st-key-{key}')?.scrollIntoView({{behavior: 'smooth', block: 'start'}})"
    st.html(f"<script>{script}</script>", unsafe_allow_javascript=True)


def plot(figure: Figure, key: str, alt: str) -> None:
    """Draw a figure in the page's theme, with words for those who can't see it."""
    st.plotly_chart(figure, key=key, alt=alt, config=charts.CONFIG)


def share() -> None:
    """A button that shows the address of this very view, to copy."""
    with st.popover(t("Share link"), icon=":material/link:", help=t("A link that opens what you see now.")):
        parameters = urlencode(
            [(name, value) for name in st.query_params for value in st.query_params.get_all(name)], safe="/:,"
        )
        st.code(
            f"{st.context.url}?{parameters}" if parameters else st.context.url or "", language=None, wrap_lines=True
        )
        st.caption(t("For anyone who can reach this server."))
