"""The part of the Run page that follows a run while it waits and trains, and stands still once it has ended."""

from __future__ import annotations

import streamlit as st

from ctx.errors import BadInput
from ctx.i18n import t
from ctx.records import WAITING, Run
from ctx.store import Store
from ctx.ui import runs_detail, runs_learned, runs_one, stack
from ctx.ui.page import literal


def follow(store: Store, run: Run) -> None:
    """State, actions, results, curves and what learns; looks again every second until the run has ended."""
    try:
        _ = run.config
    except BadInput as error:
        st.error(literal(str(error)))
        st.json(run.settings, expanded=False)
        st.stop()
    if run.state in WAITING:
        st.fragment(_look, run_every=1.0)(store, run.id)
    else:
        _draw(store, run)


def _look(store: Store, run_id: str) -> None:
    run = store.run(run_id)
    if run.state not in WAITING:
        st.rerun()
    _draw(store, run)


def _draw(store: Store, run: Run) -> None:
    runs_one.standing(store, run)
    runs_one.actions(store, run)
    runs_detail.results(run)
    st.markdown(f"**{t('How it learned')}**")
    runs_learned.curves(run)
    stack.of_run(run)
