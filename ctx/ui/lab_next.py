"""Below the answer: what to try next, another method, Weigh and Freeze, all settings, the last runs."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ctx.config import RunConfig
from ctx.i18n import t
from ctx.lab import link, words
from ctx.lab.history import past
from ctx.lab.link import View
from ctx.lab.presets import presets
from ctx.study import default_draws
from ctx.ui import lab_controls, lab_layers, lab_methods, page, state

OPEN = "opened below"  # a name of `_panels`, or None


def show(view: View) -> None:
    """All of it; a method, Weigh and Freeze open after the first result."""
    if view.study is not None:
        _try_next(view)
    with st.expander(t("All settings"), key="all settings", on_change="rerun") as opened:
        if opened.open:
            if view.study is not None:  # before the first, it stands beside the empty answer
                lab_controls.what_it_does(view)
            lab_controls.everything(view)
    _last_runs(view)


def _panels() -> dict[str, tuple[str, Callable[[View], None]]]:
    """What can be opened: its title, and what it shows."""
    return {
        "method": (t("Another method"), lab_methods.show),
        "weigh": (t("Weigh: λ"), lab_controls.weigh),
        "freeze": (t("Freeze: layers"), lab_layers.freeze),
    }


def _try_next(view: View) -> None:
    panels = _panels()
    st.subheader(t("Try next"), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", key="try next"):
        for preset in presets(view.config):
            draws = default_draws(preset.config)
            time = state.seconds(preset.config, draws)
            st.button(
                f"{preset.title} · {time}",
                help=preset.why,
                key=f"next {preset.name}",
                on_click=_try,
                args=(preset.config,),
            )
        for name, (title, _) in panels.items():
            kind = "primary" if st.session_state.get(OPEN) == name else "secondary"
            st.button(title, key=f"open {name}", on_click=_open, args=(name,), type=kind)  # type: ignore[arg-type]
        st.page_link(
            "pages/map.py",
            label=t("Map all"),
            icon=":material/grid_on:",
            query_params={"study": view.study.id, **link.parameters(view.config, view.base)} if view.study else {},
            help=t("Several values of λ, of the layers that are frozen, of the labels: every combination, as a map."),
        )
    if opened := panels.get(st.session_state.get(OPEN, "")):
        with st.container(border=True):
            opened[1](view)
            lab_controls.what_it_does(view)
            if view.changed:
                st.button(
                    t("Train and compare · {time}", time=state.seconds(view.config, view.draws)),
                    type="primary",
                    key="train below",
                    on_click=state.train,
                    args=(view.config, view.draws, None),
                )


def _try(config: RunConfig) -> None:
    st.session_state[state.GUESS] = None
    state.train(config, default_draws(config), None)


def _open(name: str) -> None:
    st.session_state[OPEN] = None if st.session_state.get(OPEN) == name else name


def _last_runs(view: View) -> None:
    with st.expander(t("Last runs, differences only"), key="last runs", on_change="rerun") as opened:
        if not opened.open:
            return
        found = past(page.store())
        if not found:
            st.caption(t("None yet. Every study that you train is kept here."))
        for one in found:
            here = view.study is not None and one.study.id == view.study.id
            left, middle, right = st.columns([4, 3, 5], vertical_alignment="center")
            left.button(
                page.literal(one.about),
                key=f"past {one.study.id}",
                on_click=_go,
                args=(one.study.id,),
                disabled=here,
                width="stretch",
            )
            middle.caption(
                t("the first of its kind")
                if one.differs is None
                else page.literal(one.differs) or t("settings as before")
            )
            right.caption(page.literal(words.headline(one.answer)))


def _go(study: str) -> None:
    st.session_state[state.GUESS] = None
    st.query_params.from_dict({"study": study})
