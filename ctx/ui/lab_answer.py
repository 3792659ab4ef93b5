"""The answer: rows of dots as draws finish, the verdict in one sentence, what the labels added, the price."""

from __future__ import annotations

import time
from functools import partial

import pandas as pd
import streamlit as st

from ctx import charts
from ctx.dispatch import ensure
from ctx.i18n import t
from ctx.lab import cost, data, words
from ctx.lab.answer import Answer
from ctx.lab.history import changes
from ctx.lab.link import View, asked_draws
from ctx.lab.names import short
from ctx.records import WAITING, Run, Study
from ctx.ui import lab_controls, lab_methods, page, state

PATIENCE = 4.0  # seconds after which a start is worth an explanation
EMPTY, REACH = 0.5, 0.2  # how much of the results' axis is shown at least, before and during training


def empty(view: View) -> None:
    """Before training: the floor is known already where the data is here, the rest waits."""
    shown = Answer(view.config, [])
    named = shown.label("target-only"), shown.label("source-only"), shown.label("chosen")
    floor = data.floor(view.config, view.draws)
    if not floor:
        _will_do(view, len(named))
        return
    left, right = st.columns([3, 2], gap="large")
    values, rows = shown.frame(floor)
    colours = (charts.TARGET, charts.SOURCE, charts.BOTH)
    rows += list(zip(named, colours, strict=True))
    with left:
        st.subheader(t("Answer"), anchor=False)
        _dots(shown, values, rows, floor, EMPTY)
        lowest = t(view.config.task().floor_name)
        st.caption(t("“{floor}” scores this much. Guess, then train: the other rows fill in.", floor=lowest))
    with right:
        _will_do(view, len(named))


def _will_do(view: View, rows: int) -> None:
    """The methods, one of which may be clicked, and what the settings come to."""
    st.subheader(t("What Train will do"), anchor=False)
    text = t("Train {rows} rows {draws} times, each time with other labels and another start, and test every one.")
    st.markdown(page.literal(text.format(rows=rows, draws=view.draws)))
    lab_methods.show(view)
    lab_controls.what_it_does(view)


def show(view: View, found: Answer) -> None:
    """The study's answer as far as it has come."""
    target = short(found.config.target.id) if found.config.target else ""
    st.subheader(
        page.literal(t("Answer on {target} it never saw, {n} draws", target=target, n=found.draws)), anchor=False
    )
    if view.study is not None:
        _progress(found, view.study)
    floor = data.floor(found.config, found.draws)
    values, rows = found.frame(floor)
    _dots(found, values, rows, floor)
    _verdict(found, floor)
    _notes(view, found)


def _dots(
    found: Answer, values: pd.DataFrame, rows: list[tuple[str, str]], floor: dict[int, float], reach: float = REACH
) -> None:
    mean = sum(floor.values()) / len(floor) if floor else None
    axis = t("{metric} on the target's test set", metric=found.metric.label)
    what = repr((values.to_dict("split"), rows, axis, mean, reach))
    figure = page.shared_figure(
        what, partial(charts.dots, values, rows, axis, mean, reach=reach * found.metric.perfect)
    )
    if figure is not None:
        page.plot(figure, "dots", words.headline(found))


def _progress(found: Answer, study: Study) -> None:
    """How far it is, what it waits for, how long it will take; Stop. Nothing once all has ended."""
    since = study.created
    runs = {run.id: run for _, _, run in found.rows if not run.ended or run.ended > since}
    waiting = [run for run in runs.values() if run.state in WAITING]
    if not waiting:
        return
    done = sum(1.0 if run.state not in WAITING else run.step / run.steps if run.steps else 0.0 for run in runs.values())
    share = done / len(runs)
    with st.container(horizontal=True, vertical_alignment="center", key="progress"):
        st.progress(min(share, 1.0), text=_so_far(found, waiting, share, since))
        ids = [run.id for run in waiting]
        st.button(t("Stop"), key="stop", on_click=_stop, args=(ids, study.id), icon=":material/stop:")


def _so_far(found: Answer, waiting: list[Run], share: float, since: float) -> str:
    running = [run for run in waiting if run.state == "running"]
    if share == 0:
        ahead = page.store().position([run.id for run in waiting]) if not running else 0
        if ahead:
            return t("Waiting: {n} runs ahead. You may close this page: the work goes on.", n=ahead)
        job = data.encoding(page.store(), found.config)
        if job is not None and job.total:
            text = t("The encoder reads all texts once: {done} of {total}. After that a draw takes seconds.")
            return text.format(done=f"{job.done or 0:,.0f}", total=f"{job.total:,.0f}")
        if running and time.time() - since > PATIENCE:
            return t("The encoder reads all texts once; after that a draw takes seconds. You may close this page.")
        return t("Starting. You may close this page: the work goes on.")
    if share > 0.05:
        left = (time.time() - since) * (1 - share) / share
    else:
        left = cost.study_seconds(found.config, found.draws)
    return t("{n} runs to go, about {time}", n=len(waiting), time=cost.duration(left))


def _stop(ids: list[str], study: str) -> None:
    page.store().request_stop(ids)
    page.readings().study(study, now=True)  # so that the part of the page that follows sees it at once


def _verdict(found: Answer, floor: dict[int, float]) -> None:
    text = words.headline(found)
    icons = {
        "helped": ":green[:material/trending_up:]",
        "hurt": ":red[:material/trending_down:]",
        "can't tell": ":gray[:material/question_mark:]",
    }
    icon = icons[found.verdict.answer] if found.over and found.verdict and found.verdict.difference.draws > 1 else ""
    st.markdown(f"#### {icon} {page.literal(text)}")
    more = [words.labels_added(found), words.against_floor(found, floor), words.against_guess(found)]
    for text in filter(None, more):
        st.markdown(page.literal(text))
    st.caption(" · ".join(page.literal(part) for part in (words.price(found), words.labels_used(found)) if part))


def _notes(view: View, found: Answer) -> None:
    for error in found.failures():
        st.error(page.literal(t("A run failed. {error}", error=error)))
    stopped = [run.id for _, _, run in found.rows if run.state in ("stopped", "failed")]
    if stopped and found.over:
        st.button(
            t("Go on with {n} stopped runs", n=len(set(stopped))), on_click=_resume, args=(set(stopped),), key="resume"
        )
    if view.study is not None:
        before = {run.id for _, _, run in found.rows if run.ended and run.ended < view.study.created}
        every = {run.id for _, _, run in found.rows}
        if before:
            st.caption(t("Found in the store: {n} of {all} runs were trained before.", n=len(before), all=len(every)))
    if view.changed and view.study is not None:
        differs = changes(view.base, view.config) or t("draws {a} → {b}", a=asked_draws(view.study), b=view.draws)
        st.info(page.literal(t("You changed {what}. This is the answer from before: press Train.", what=differs)))


def _resume(ids: set[str]) -> None:
    def act() -> None:
        for run_id in ids:
            page.store().resume(run_id)
        ensure(page.store().url)

    state.attempt(act)
