"""The Lab, part by part, from the top of the page."""

from __future__ import annotations

import random
import time

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ctx.i18n import t
from ctx.lab.answer import Answer
from ctx.lab.link import View
from ctx.ui import lab_answer, lab_curves, lab_data, lab_next, lab_sentences, lab_setup, page, runs_inside, state

SPREAD = 0.8, 1.2  # so that a class that pressed Train together doesn't come back together for ever
AT_EASE, GONE_SECONDS = 10, 60.0  # viewers that are served at full pace; seconds after which one counts as gone
FRESH_SECONDS, FAST, SLOW = 6.0, 0.4, 1.0  # how often a study that runs is looked at: often while it is young


def setup(view: View) -> None:
    """The question, the examples, the guess and the button."""
    page.style()
    lab_setup.show(view)


def data_state(view: View) -> None:
    """What is being fetched, or which data stands in."""
    lab_data.show(view)


def result(view: View) -> None:
    """The answer and what belongs to it: in a fragment that looks again by itself while runs are at work."""
    with st.container(key="answer"):
        _result(view)
    if st.session_state.pop(state.LOOK, False):
        page.bring_up("answer")


def _result(view: View) -> None:
    study = view.study
    if study is None:
        lab_answer.empty(view)
        return
    found = _answer(view, now=True)
    if found.over:
        _draw(view, found)
        return
    fast = time.time() - study.created < FRESH_SECONDS

    def follow() -> None:
        now = _answer(view)
        _draw(view, now)
        if now.over or (fast and time.time() - study.created >= FRESH_SECONDS):
            st.rerun()

    st.fragment(follow, run_every=_pace(FAST if fast else SLOW))()


def _pace(seconds: float) -> float:
    """How long to wait between two looks: longer, the more people are looking on, so that the server stays quick."""
    watching, now = _watching(), time.time()
    watching[_session()] = now
    for session in [session for session, seen in watching.items() if now - seen > GONE_SECONDS]:
        watching.pop(session, None)
    return seconds * max(1.0, len(watching) / AT_EASE) * random.uniform(*SPREAD)


@st.cache_resource(show_spinner=False)
def _watching() -> dict[str, float]:
    """When each session last began to watch runs at work."""
    return {}


def _session() -> str:
    context = get_script_run_ctx()
    return context.session_id if context else ""


def _answer(view: View, now: bool = False) -> Answer:
    assert view.study is not None
    rows = page.readings().study(view.study.id, now)
    return Answer(view.base, rows, view.study.config.get("guess"))


def _draw(view: View, found: Answer) -> None:
    with st.container(key="result"):  # laid out by page.STYLE: on a phone one swipes from sentences to curves
        with st.container():
            lab_answer.show(view, found)
            with st.container(key="swipe"):
                st.caption(t("Swipe below: sentences | how it learned"))
        with st.container():
            lab_sentences.show(found)
        with st.container():
            lab_curves.show(found)
            runs_inside.of_study(found)


def more(view: View) -> None:
    """Try next, all settings, last runs."""
    lab_next.show(view)
