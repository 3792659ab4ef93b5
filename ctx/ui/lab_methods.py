"""The methods as a row of pills: one click sets the settings, which stay visible below."""

from __future__ import annotations

import streamlit as st

from ctx.config import check
from ctx.i18n import t
from ctx.lab.link import View
from ctx.lab.methods import chosen, methods
from ctx.ui import page, state

KEY = "method"


def show(view: View) -> None:
    """The row, what the chosen one does, and why some are not offered here."""
    there = methods(view.config)
    offered = {one.name: one for one in there if not one.why_not}
    name = chosen(view.config, there)
    st.session_state[KEY] = name or None
    st.pills(
        t("Method"),
        list(offered),
        format_func=lambda one: offered[one].title,
        key=KEY,
        on_change=_choose,
        help=t("Sets schedule, tuning, penalties and balancer; all of them can be changed below."),
    )
    if name in offered:
        one = offered[name]
        paper = f" ({page.literal(one.paper)})" if one.paper else ""
        st.caption(f"{page.literal(one.said)} `{one.formula}`{paper}")
    missing = [one for one in there if one.why_not]
    if missing:
        with st.popover(t("{n} methods are not offered here", n=len(missing)), type="tertiary"):
            for one in missing:
                st.write(f"**{page.literal(one.title)}**: {page.literal(one.why_not)}")


def _choose() -> None:
    name = st.session_state[KEY]

    def act() -> None:
        view = state.current()
        found = next((one for one in methods(view.config) if one.name == name), None)
        if found is not None:
            state.go(view, check(found.config))

    state.attempt(act)
