"""Facts as lines and shares as bars, in plain HTML: texts of data are escaped, and lines break on a phone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

import streamlit as st

from ctx import charts
from ctx.i18n import t

MOST_BARS = 12
TURNS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])  # of directions
LINE = '<div style="display:flex;flex-wrap:wrap;gap:0 1em;padding:.15em 0;overflow-wrap:anywhere">{inside}</div>'
TITLE = '<div style="flex:0 0 {width};opacity:.7">{text}</div>'
VALUE = '<div style="flex:1 1 12em;min-width:0">{text}</div>'
BAR = (
    '<div style="flex:1 1 8em;display:flex;align-items:center;gap:.6em">'
    '<div style="height:.8em;width:{width:.1f}%;max-width:80%;background:{colour};border-radius:2px"></div>'
    "<div>{share:.0%}</div></div>"
)


def steady(text: str) -> str:
    """Text without the signs that turn the direction of what stands around it."""
    return text.translate(TURNS)


def lines(rows: Iterable[tuple[str, str]]) -> None:
    """A title and a value a line; empty values are left out."""
    found = [
        LINE.format(inside=_title(title) + VALUE.format(text=escape(steady(value)))) for title, value in rows if value
    ]
    st.html("".join(found))


def said(rows: Iterable[tuple[str, str, str]]) -> None:
    """What it is, its value, and a sentence, one after another."""
    found = []
    for title, value, sentence in rows:
        text = f"<b>{escape(value)}</b><br>{escape(sentence)}" if value else escape(sentence)
        found.append(LINE.format(inside=_title(title, "13em") + VALUE.format(text=text)))
    if found:
        st.html("".join(found))


def bars(shares: Mapping[str, float]) -> None:
    """Each label with its share as a bar."""
    shown = list(shares.items())[:MOST_BARS]
    largest = max((share for _, share in shown), default=1.0) or 1.0
    rows = [
        LINE.format(inside=_title(label) + BAR.format(width=70 * share / largest, colour=charts.BOTH, share=share))
        for label, share in shown
    ]
    st.html("".join(rows))
    if len(shares) > MOST_BARS:
        st.caption(t("… and {n} more.", n=len(shares) - MOST_BARS))


def _title(text: str, width: str = "7em") -> str:
    return TITLE.format(width=width, text=escape(steady(text)))
