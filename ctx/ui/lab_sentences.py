"""Which test sentences the source fixed, broke, or never changed, each as it was written."""

from __future__ import annotations

from html import escape

import pandas as pd
import streamlit as st

from ctx import charts
from ctx.i18n import t
from ctx.lab import sentences
from ctx.lab.answer import Answer, has_classes
from ctx.ui import lab_own, page

SHOWN = 4  # sentences at a time


def show(found: Answer) -> None:
    """Compare target only with the chosen arm, sentence by sentence, for one draw."""
    if found.config.task().inputs == "numbers":
        _lesson()
        return
    st.subheader(t("Sentences that changed"), anchor=False)
    done = sorted(set(found.results("target-only")) & set(found.results(found.chosen)))
    if found.chosen == "target-only" or not done:
        st.caption(t("When the first draw is complete, you read here what the source changed."))
        return
    draw = done[0]
    if len(done) > 1:
        draw = st.selectbox(
            t("Draw"), done, format_func=lambda n: t("draw {n}", n=n + 1), key="sentences draw", width=140
        )
    runs = {arm: run.id for arm, n, run in found.rows if n == draw}
    compared = _compared(found, runs["target-only"], runs[found.chosen], draw)
    if compared is not None:
        _list(compared, has_classes(found.config))
        if found.over:
            lab_own.show([runs["target-only"], runs[found.chosen]])


def _compared(found: Answer, _alone: str, _now: str, draw: int) -> pd.DataFrame | None:
    held = st.session_state.setdefault("sentences compared", {})
    if (_alone, _now) not in held:
        held.clear()
        held[_alone, _now] = sentences.compare(found, page.store(), draw)
    compared: pd.DataFrame | None = held[_alone, _now]
    return compared


def _list(compared: pd.DataFrame, right_or_wrong: bool) -> None:
    counts = sentences.counts(compared)
    graded = {
        "fixed": t("better {n}", n=counts["fixed"]),
        "broken": t("worse {n}", n=counts["broken"]),
        "right both times": t("still good {n}", n=counts["right both times"]),
        "wrong both times": t("still poor {n}", n=counts["wrong both times"]),
    }
    exact = {
        "fixed": t("fixed {n}", n=counts["fixed"]),
        "broken": t("broken {n}", n=counts["broken"]),
        "right both times": t("still right {n}", n=counts["right both times"]),
        "wrong both times": t("still wrong {n}", n=counts["wrong both times"]),
    }
    titles = exact if right_or_wrong else graded
    most = "broken" if counts["broken"] > counts["fixed"] else "fixed"
    kind = st.segmented_control(
        t("What the source changed"),
        sentences.KINDS,
        default=most,
        format_func=lambda name: titles[name],
        key="sentences kind",
        label_visibility="collapsed",
    )
    rows = compared[compared["kind"] == (kind or most)]
    if rows.empty:
        st.caption(t("None of the {n} test sentences.", n=len(compared)))
        return
    start = 0
    if len(rows) > SHOWN:
        pages = -(-len(rows) // SHOWN)
        start = SHOWN * (
            int(st.number_input(t("Page of {n}", n=pages), 1, pages, 1, key=f"page {kind}", width=140)) - 1
        )
    for row in rows.iloc[start : start + SHOWN].itertuples():
        _sentence(row)


def _sentence(row: object) -> None:
    text, label, alone, now = (escape(str(getattr(row, name))) for name in ("text", "label", "alone", "now"))
    right = charts.BOTH if row.kind in ("fixed", "right both times") else charts.TARGET  # type: ignore[attr-defined]
    st.html(
        f'<div style="border-left:4px solid {right};padding:.1em .7em;overflow-wrap:anywhere;font-size:.95em">“{text}”'
        f'<div style="opacity:.75;font-size:.85em">{escape(t("people"))}: {label} · {escape(t("without source"))}: '
        f"{alone} → {escape(t('now'))}: <b>{now}</b></div></div>"
    )


def _lesson() -> None:
    st.subheader(t("What this lesson repairs"), anchor=False)
    st.markdown(
        t(
            "The textbook listing of this lesson trains a network on the source, then builds a *new* one for the "
            "target and never copies the weights: nothing is transferred. It also lets a target of shape `(10,)` "
            "broadcast against an output of `(10, 10)`, so that every answer is compared with every row.\n\n"
            "Here the weights are copied and the shapes are checked. Press *Forget to copy the weights* below to see "
            "what the listing really measured."
        )
    )
