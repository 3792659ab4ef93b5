"""A sentence of one's own, judged without the source and with it."""

from __future__ import annotations

from html import escape

import streamlit as st

from ctx import charts, labels
from ctx.dispatch import ensure
from ctx.i18n import t
from ctx.lab.data import judged
from ctx.lab.names import title
from ctx.records import WAITING
from ctx.ui import page, state

LONGEST = 300  # characters
JOB = "own sentence"
FIELD, CONTEXT = "own text", "own text of"


def show(runs: list[str]) -> None:
    """A field, and below it what the two runs, target only and the chosen arm, say of what was written.

    Where each context has a module, it is asked which one the text belongs to.
    """
    st.text_input(
        t("Try your own sentence"),
        key=FIELD,
        max_chars=LONGEST,
        placeholder=t("Write one and press Enter"),
        on_change=_ask,
        args=(runs,),
    )
    answering = page.store().run(runs[-1])
    if (answering.final or {}).get("modules"):
        st.selectbox(
            t("A text of"),
            judged(answering.config),
            format_func=title,
            key=CONTEXT,
            on_change=_ask,
            args=(runs,),
            help=t("Each context has a module of its own. For one that nothing was learnt from, others answer."),
        )
    held = st.session_state.get(JOB)
    if not held or held["runs"] != runs:
        return
    job = page.store().job(held["job"])
    if job.state in WAITING:
        st.fragment(_follow, run_every=0.5)(held["job"])
    elif job.error:
        st.error(page.literal(job.error))
    elif job.result:
        alone, now = (job.result[run] for run in runs)
        st.html(
            f'<div style="border-left:4px solid {charts.BOTH};padding:.1em .7em;overflow-wrap:anywhere">'
            f"“{escape(job.payload['text'])}”"
            f'<div style="opacity:.75;font-size:.85em">{escape(t("without source"))}: {_said(alone["answer"])} → '
            f"{escape(t('now'))}: <b>{_said(now['answer'])}</b></div></div>"
        )
        if module := labels.answering(now["modules"], job.payload["of"] or answering.settings["target"]["id"], title):
            st.caption(page.literal(module))


def _said(shares: dict[str, float] | str) -> str:
    if isinstance(shares, str):
        return escape(shares)
    label = max(shares, key=lambda name: shares[name])
    return escape(f"{label} {shares[label]:.0%}")


def _ask(runs: list[str]) -> None:
    text = st.session_state[FIELD].strip()
    if not text:
        st.session_state.pop(JOB, None)
        return

    def act() -> None:
        of = st.session_state.get(CONTEXT) or ""
        job = page.store().add_job("predict", {"runs": runs, "text": text, "of": of})
        st.session_state[JOB] = {"runs": runs, "job": job.id}
        ensure(page.store().url)

    state.attempt(act)


def _follow(job_id: str) -> None:
    """Say that it is being judged; the whole page again once it has been."""
    if page.store().job(job_id).state in WAITING:
        st.caption(t("Both models are reading it …"))
    else:
        st.rerun()
