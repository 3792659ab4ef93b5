"""What the Map page says of a search: how many cells were tried, which did best on validation, what is in its way."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ctx.charts import number
from ctx.charts_maps import written
from ctx.i18n import t
from ctx.lab.history import label
from ctx.records import UNFINISHED, WAITING, Job, Row, Study
from ctx.sweeps.plan import Sweep, metric
from ctx.sweeps.search import caution, enough, sentence, summary
from ctx.ui import page


def told(study: Study, sweep: Sweep, rows: list[Row]) -> None:
    """How far the search is, and its best cell by validation; why it can't go on, if that is so."""
    job = page.store().search_job(study.id)
    if job is not None and job.state == "failed":
        st.error(page.literal(t("The search can't go on: {why}", why=job.error or "")))
    states = sorted((run.id, run.state) for _, _, run in rows)
    trials = _summary(f"{study.id} {states}", sweep, rows)
    words = [sentence(trials)]
    if best := trials["best"]:
        cell = ", ".join(f"{label(name)} {written(value)}" for name, value in best["cell"].items())
        judged, score = metric(sweep).label, number(best["validation"])
        words.append(t("Best on validation: {cell} ({metric} {score}).", cell=cell, metric=judged, score=score))
    st.write(page.literal(" ".join(words)))
    tested = t("What the map shows are results on the test split, which the search never saw.")
    st.caption(page.literal(f"{tested} {caution()}"))


@st.cache_resource(show_spinner=False, max_entries=100, ttl=60)
def _summary(what: str, _sweep: Sweep, _rows: list[Row]) -> dict[str, Any]:
    """Read once for all who look: ``what`` names the runs and how they stand."""
    return summary(page.store(), _sweep, _rows)


def at_rest(study: Study, rows: list[Row]) -> bool:
    """Whether no more cells are chosen, or none before somebody lets it go on."""
    paused = any(run.state in UNFINISHED and run.deleted is None for _, _, run in rows)
    return paused or not _waits(page.store().search_job(study.id))


def held(study: Study, sweep: Sweep, rows: list[Row]) -> bool:
    """Whether the search was paused, or ended by a fault, before enough cells were tried."""
    return not enough(sweep, rows) and not _waits(page.store().search_job(study.id))


def hold(study: Study) -> list[str]:
    """Choose no more cells; the ids of the runs that wait or train."""
    page.store().hold_search(study.id)
    return [run.id for _, _, run in page.store().study_runs(study.id) if run.state in WAITING]


def _waits(job: Job | None) -> bool:
    return job is not None and job.state in WAITING
