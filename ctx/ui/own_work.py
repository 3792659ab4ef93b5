"""The jobs behind one's own data: queued once, followed while they run, their trouble said with a way on."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import streamlit as st

from ctx.dispatch import LEASE, ensure
from ctx.errors import BadInput, CtxError
from ctx.i18n import t
from ctx.imports.findings import Meaning
from ctx.imports.tables import Reading
from ctx.imports.take import About
from ctx.imports.trial import KIND, payload
from ctx.manifest import slots
from ctx.records import WAITING, Job
from ctx.registry import OWNER
from ctx.ui import page, state

UPLOAD, ADDING, ADDED = "own upload", "own adding", "own added"  # keys in the session
FAST, SLOW = 0.4, 1.5  # seconds between two looks
EARLY, LONG = 5.0, 15.0  # seconds of fast looks; until somebody should have taken a job


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
    every = _every(job)
    st.fragment(_follow, run_every=every)(job.id, every, ready)


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
    except BadInput:
        del st.session_state[ADDING]
    except CtxError:
        pass  # the store is busy: it is asked again
    return None


def progress(job: Job) -> None:
    """How far the taking in is, or why it failed."""
    if job.state in WAITING:
        every = _every(job)
        st.fragment(_advance, run_every=every)(job.id, every)
        return
    if job.state == "done" and job.result:
        st.rerun()  # it was done a moment ago
    st.error(page.literal(job.error or t("The worker left nothing behind.")))
    del st.session_state[ADDING]


def _queue(told: dict[str, Any]) -> Job:
    job = page.store().add_job(KIND, told, OWNER)
    ensure(page.store().url)
    return job


def _again(told: dict[str, Any]) -> None:
    state.attempt(lambda: (_queue(told), None)[1])


def _every(job: Job) -> float:
    """Seconds between two looks: most work is done within a few."""
    return FAST if time.time() - job.created < EARLY else SLOW


def _looked_up(job_id: str, every: float, ready: Callable[[], bool]) -> Job | None:
    """The job as it stands while it lasts, otherwise the whole page is drawn again; None where it can't be read now.

    Where nobody takes it for long, a dispatcher is started once more.
    """
    try:
        job, done = page.store().job(job_id), ready()
    except BadInput:
        st.rerun()  # the upload is gone, which the page says
    except CtxError as error:
        st.caption(page.literal(str(error)))
        return None
    if done or job.state not in WAITING or every != _every(job):
        st.rerun()
    if job.state == "queued" and time.time() - job.created > LONG:
        with suppress(CtxError):
            ensure(page.store().url)
    return job


def _follow(job_id: str, every: float, ready: Callable[[], bool]) -> None:
    job = _looked_up(job_id, every, ready)
    if job is None:
        return
    if job.done:
        st.caption(t("Reading: {n} rows so far …", n=f"{job.done:,.0f}"))
    elif job.state == "queued":
        st.caption(_waiting())
    else:
        st.caption(t("Reading …"))


def _waiting() -> str:
    """Why a job isn't begun yet."""
    with suppress(CtxError):
        if slots() == 0 and not page.store().lease_holder(LEASE):
            return t("No worker runs here (CTX_WORKERS=0): the server has to be started with workers.")
    return t("Waiting for a worker: it reads one file at a time …")


def _advance(job_id: str, every: float) -> None:
    job = _looked_up(job_id, every, lambda: False)
    if job is None:
        return
    total = st.session_state[ADDING]["rows"]
    values = {"done": f"{job.done or 0:,.0f}", "total": f"{total:,}"}
    st.progress(min((job.done or 0) / max(1, total), 1.0), text=t("Adding: row {done} of {total}", **values))
    st.caption(_waiting() if job.state == "queued" else t("You may close this page: it goes on."))
