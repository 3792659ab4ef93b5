"""How far a map is, on its page: a bar, pause and go on, what is done before the first cell, why runs failed."""

from __future__ import annotations

import streamlit as st

from ctx.dispatch import ensure
from ctx.i18n import t
from ctx.records import ENDED, Row, Study
from ctx.sweeps.plan import Sweep
from ctx.sweeps.search import begin, enough
from ctx.ui import maps_search, page, state

MOST_ERRORS = 3


def over(study: Study, rows: list[Row]) -> bool:
    """Whether all runs have ended, and a search chooses no more or is paused."""
    if not all(run.state in ENDED for _, _, run in rows):
        return False
    return not study.is_search or maps_search.at_rest(study, rows)


def before_cells(study: Study) -> str:
    """What is done before the first run ends."""
    job = page.store().study_job("encode", study.id)
    if job is not None and job.state == "running" and job.total:
        share = f"{(job.done or 0) / job.total:.0%}"
        return t("The encoder reads all texts first: {share} done. You may close this page.", share=share)
    return t("The first cells appear here in a moment. You may close this page: the runs go on.")


def told(study: Study, sweep: Sweep, rows: list[Row]) -> None:
    """The bar, what can be done about it, and what went wrong."""
    runs = {run.id: run for _, _, run in rows}
    states = [run.state for run in runs.values()]
    ended = sum(one in ENDED for one in states)
    if study.is_search and not enough(sweep, rows):
        most = sweep.most_runs
        st.progress(ended / most, t("{n} runs, of {all} at most", n=ended, all=most))
    else:
        st.progress(ended / max(len(states), 1), t("{n} of {all} runs", n=ended, all=len(states)))
    waiting = [run.id for run in runs.values() if run.state not in ENDED]
    stopped = [run.id for run in runs.values() if run.state in ("stopped", "failed")]
    with st.container(horizontal=True, vertical_alignment="center"):
        if waiting or not over(study, rows):
            st.button(t("Pause"), icon=":material/pause:", key="map pause", on_click=_pause, args=(study, waiting))
        if stopped or (study.is_search and not waiting and maps_search.held(study, sweep, rows)):
            st.button(
                t("Go on"), icon=":material/play_arrow:", key="map resume", on_click=_resume, args=(study, stopped)
            )
        st.page_link(
            "pages/compare.py",
            label=t("All runs in Compare"),
            icon=":material/table_rows:",
            query_params={"study": study.id},
        )
    failed = dict.fromkeys(run.error for run in runs.values() if run.state == "failed" and run.error)
    for sentence in list(failed)[:MOST_ERRORS]:
        st.error(page.literal(sentence))


def _pause(study: Study, ids: list[str]) -> None:
    state.attempt(lambda: page.store().request_stop(maps_search.hold(study) if study.is_search else ids))


def _resume(study: Study, ids: list[str]) -> None:
    def act() -> None:
        if study.is_search:
            begin(page.store(), study)
        for run in page.store().runs(["stopped", "failed"], ids=ids, limit=None):
            page.store().resume(run.id)
        ensure(page.store().url)

    state.attempt(act)
