"""A context or a backbone that isn't on this machine: what it would take, a button, and how far it is."""

from __future__ import annotations

import streamlit as st

from ctx.dispatch import ensure
from ctx.i18n import t
from ctx.imports.context import described
from ctx.lab import data
from ctx.records import WAITING, Job
from ctx.registry import fetchable
from ctx.ui import page, state


def show(name: str) -> None:
    """Say what is to be fetched, or follow the fetch."""
    job = _latest(name)
    if job is not None and job.state in WAITING:
        st.fragment(_follow, run_every=1.0)(name)
        return
    if job is not None and job.error:
        st.error(page.literal(job.error))
    archives = ", ".join(f"{a.filename} ({a.megabytes:g} MB, {a.licence})" for a in data.archives([name]))
    title = fetchable(name).title
    if not archives and described(name):
        st.error(page.literal(t("The file of {title} is gone: delete this data, then add it again.", title=title)))
        return
    if not archives:
        st.info(page.literal(t("{title} is read from a library that isn't installed here.", title=title)))
        return
    st.markdown(page.literal(t("{title} is not on this machine yet. To fetch: {what}.", title=title, what=archives)))
    if data.offline():
        st.caption(page.literal(t("The network is forbidden here (CTX_OFFLINE).")))
    st.button(t("Fetch"), key=f"fetch {name}", on_click=_fetch, args=(name,), disabled=data.offline())


def trouble() -> None:
    """What went wrong with the last click, once."""
    if said := st.session_state.pop(state.TROUBLE, None):
        st.error(page.literal(said))


def _latest(name: str) -> Job | None:
    for job in page.store().jobs(states=None, kind="fetch"):
        if name in job.payload.get("names", ()):
            return job
    return None


def _fetch(name: str) -> None:
    def act() -> None:
        page.store().add_job("fetch", {"names": [name]})
        ensure(page.store().url)

    state.attempt(act)


def _follow(name: str) -> None:
    """The progress of a fetch; the whole page again once it has ended."""
    job = _latest(name)
    if job is None or job.state not in WAITING:
        st.rerun()
    total = job.total or sum(asset.megabytes for asset in data.archives([name]))
    share = min((job.done or 0.0) / total, 1.0) if total else 0.0
    text = t("Fetching: {done} of {total} MB", done=f"{job.done or 0:.0f}", total=f"{total:.0f}")
    st.progress(share, text=page.literal(text))
    st.caption(t("Once only. You may close this page."))
