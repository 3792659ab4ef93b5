"""An upload before it is added: what was understood, what becomes of its rows, what it is called."""

from __future__ import annotations

import streamlit as st

from ctx.i18n import t
from ctx.imports import findings, uploads
from ctx.imports.findings import Meaning, Seen
from ctx.imports.tables import Reading
from ctx.imports.take import About
from ctx.ui import own_controls as controls
from ctx.ui import own_report as report
from ctx.ui import own_work as work
from ctx.ui import page


def show(token: str) -> None:
    """The draft, as far as it is known. Raises BadInput where the upload is gone."""
    job = work.adding()
    if job is not None:
        work.progress(job)
        if work.adding() is not None:
            controls.leave(token, t("Stop"))
            return
    uploads.touch(token)
    reading = controls.reading(token)
    seen = findings.seen(token, reading)
    if seen is None:
        work.wait(token, reading, None, lambda: findings.seen(token, reading) is not None)
        _ways_out(token, None)
    elif seen.error:
        st.error(page.literal(seen.error))
        _ways_out(token, None)
    else:
        _draft(token, reading, seen)


def _draft(token: str, reading: Reading, seen: Seen) -> None:
    report.understood(seen)
    _ways_out(token, seen)
    report.first_rows(seen)
    st.markdown(f"**{t('What the columns mean')}**")
    meaning = controls.meaning(token, reading, seen)
    if problem := controls.missing(meaning):
        st.info(problem)
        return
    tried = findings.tried(token, reading, meaning)
    if tried is None:
        asked = None if meaning == seen.guess else meaning
        work.wait(token, reading, asked, lambda: findings.tried(token, reading, meaning) is not None)
        return
    report.rows(tried, seen, lambda: findings.listing(token, reading, meaning).read_bytes())
    if tried.error:
        return
    st.markdown(f"**{t('What it is called')}**")
    about = controls.about(token, seen)
    _add(token, reading, meaning, about, tried.rows)


def _add(token: str, reading: Reading, meaning: Meaning, about: About, rows: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            t("Add it"),
            type="primary",
            icon=":material/add:",
            key="own add",
            on_click=work.add,
            args=(token, reading, meaning, about, rows),
        )
        st.caption(t("Then it is a context like any other, here and in the Lab."), width="content")


def _ways_out(token: str, seen: Seen | None) -> None:
    with st.container(horizontal=True):
        controls.read_otherwise(token, seen)
        controls.leave(token, t("Other files"))
