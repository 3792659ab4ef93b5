"""The jobs behind one's own data: queued once, followed while they run, their trouble said with a way on."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import streamlit as st

from ctx.dispatch import ensure
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.imports.findings import Meaning
from ctx.imports.tables import Reading
from ctx.imports.take import About
from ctx.imports.trial import KIND, payload
from ctx.records import WAITING, Job
from ctx.registry import OWNER
from ctx.ui import page, state

UPLOAD, ADDING, ADDED = "own upload", "own adding", "own added"  # keys in the session
EVERY, LONG = 0.4, 15.0  # seconds: between two looks; until somebody should have taken a job


def wait(token: str, reading: Reading, meaning: Meaning | None, ready: Callable[[], bool]) -> None:
    """See that a worker looks at the upload, and follow it until ``ready``, then draw the whole page again."""
    told = payload(token, reading, meaning)
    job = next((job for job in page.store().jobs(states=None, kind=KIND) if job.payload == told), None)
    if job is not None and job.state not in WAITING:
        st.error(page.literal(job.error or t("The worker left nothing behind.")))
        st.button(t("Try again"), on_click=_again, args=(told,))
        return
    try:
        job = job or _queue(told)
    except CtxError as error:
        st.error(page.literal(str(error)))
        return
    st.fragment(_follow, run_every=EVERY)(job.id, ready)


def add(token: str, reading: Reading, meaning: Meaning, about: About, rows: int) -> None:
    """Queue the taking in of all rows."""

    def act() -> None:
        job = _queue(payload(token, reading, meaning, about))
        st.session_state[ADDING] = {"job": job.id, "rows": rows}

    state.attempt(act)


def adding() -> Job | None:
    """The job that takes this session's data in, if there is one."""
    held = st.session_state.get(ADDING)
    try:
        return page.store().job(held["job"]) if held else None
    except CtxError:
        del st.session_state[ADDING]
        return None


def progress(job: Job) -> None:
    """How far the taking in is, or why it failed."""
    if job.state in WAITING:
        st.fragment(_advance, run_every=EVERY)(job.id)
        return
    st.error(page.literal(job.error or t("The worker left nothing behind.")))
    del st.session_state[ADDING]


def _queue(told: dict[str, Any]) -> Job:
    job = page.store().add_job(KIND, told, OWNER)
    ensure(page.store().url)
    return job


def _again(told: dict[str, Any]) -> None:
    state.attempt(lambda: (_queue(told), None)[1])


def _looked_up(job_id: str) -> Job:
    """The job as it stands; where nobody takes it for long, a dispatcher is started once more."""
    job = page.store().job(job_id)
    if job.state == "queued" and time.time() - job.created > LONG:
        with suppress(CtxError):
            ensure(page.store().url)
    return job


def _follow(job_id: str, ready: Callable[[], bool]) -> None:
    job = _looked_up(job_id)
    if ready() or job.state not in WAITING:
        st.rerun()
    if job.done:
        st.caption(t("Reading: {n} rows so far …", n=f"{job.done:,.0f}"))
    elif job.state == "queued":
        st.caption(t("Waiting for a worker: it reads one file at a time …"))
    else:
        st.caption(t("Reading …"))


def _advance(job_id: str) -> None:
    job = _looked_up(job_id)
    if job.state not in WAITING:
        st.rerun()
    total = st.session_state[ADDING]["rows"]
    values = {"done": f"{job.done or 0:,.0f}", "total": f"{total:,}"}
    st.progress(min((job.done or 0) / max(1, total), 1.0), text=t("Adding: row {done} of {total}", **values))
    st.caption(t("You may close this page: it goes on."))
