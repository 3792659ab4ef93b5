"""The methods as a row of pills: one click sets the settings, which stay visible below."""

from __future__ import annotations

import streamlit as st

from ctx.config import check
from ctx.i18n import t
from ctx.lab.link import View
from ctx.lab.methods import changed, methods
from ctx.recipes import made_by
from ctx.ui import page, state

KEY, SAID = "method", "methods said"


def show(view: View) -> None:
    """The row, what the chosen one does and how it was changed, and what each does, or why it isn't offered here."""
    there = methods(view.config)
    offered = {one.name: one for one in there if not one.why_not}
    name = made_by(view.config)
    st.session_state[KEY] = name or None
    st.pills(
        t("Method"),
        list(offered),
        format_func=lambda one: offered[one].title,
        key=KEY,
        on_change=_choose,
        wrap=True,
        help=t("Sets schedule, tuning, penalties and balancer; all of them can be changed in “All settings”."),
    )
    if name in offered:
        one = offered[name]
        other = changed(view.config, one)
        altered = t("Changed: {what}.", what=other) if other else ""
        st.caption(page.literal(f"{one.said} {altered}".strip()))
    with st.popover(t("What each method does"), type="tertiary", key=SAID, on_change="rerun") as said:
        for one in there if said.open else ():
            st.write(f"**{page.literal(one.title)}**: {page.literal(one.said)}")
            if one.why_not:
                st.caption(page.literal(t("Not offered here: {why}", why=one.why_not)))


def _choose() -> None:
    name = st.session_state[KEY]

    def act() -> None:
        view = state.current()
        found = next((one for one in methods(view.config) if one.name == name), None)
        if found is not None:
            state.go(view, check(found.config))

    state.attempt(act)
