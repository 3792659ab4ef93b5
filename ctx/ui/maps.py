"""The Map page: a map that is there, or the form of a new one."""

from __future__ import annotations

import streamlit as st

from ctx.errors import CtxError
from ctx.i18n import t
from ctx.lab import link
from ctx.lab.history import RECENT, about, label
from ctx.records import Study
from ctx.store import Store
from ctx.sweeps.asked import asked, of
from ctx.sweeps.plan import Sweep, swept
from ctx.ui import maps_found, maps_setup, page, state

MOST_MAPS = 8


def show() -> None:
    """What the address names."""
    store = page.store()
    if trouble := st.session_state.pop(state.TROUBLE, None):
        st.error(page.literal(trouble))
    name = st.query_params.get("map")
    if name:
        try:
            study = store.study(name)
            sweep = swept(study)
        except CtxError as error:
            st.warning(page.literal(str(error)))
            study, sweep = None, None
        if study is not None and sweep is not None:
            words = t("{about}; {n} draws of every cell.", about=_about(sweep), n=sweep.draws)
            st.caption(page.literal(words))
            maps_found.follow(study, sweep)
            st.button(t("Another map around this"), on_click=_another, args=(study.id,), key="map another")
            return
        if study is not None:
            st.warning(t("Study {id} is no map: the Lab shows it.", id=study.id))
            words, asked_for = t("Open it in the Lab"), {"study": study.id}
            st.page_link("pages/lab.py", label=words, icon=":material/arrow_forward:", query_params=asked_for)
    st.write(
        t(
            "Choose what varies. Every combination, or some, is trained several times over; "
            "work that is the same is done once."
        )
    )
    maps_setup.show(asked(st.query_params.to_dict(), store))
    _earlier(store)


def _earlier(store: Store) -> None:
    """The latest maps, to open."""
    there = [study for study in store.studies(limit=RECENT) if study.is_map][:MOST_MAPS]
    if there:
        st.subheader(t("Earlier maps"), anchor=False)
    for study in there:
        st.page_link("pages/map.py", label=page.literal(study.name or _named(study)), query_params={"map": study.id})


def _about(sweep: Sweep) -> str:
    """Its contexts, and what varies over how many values."""
    said = ", ".join(f"{len(axis.values)} × {label(axis.name)}" for axis in sweep.axes)
    return t("{about}: {axes}", about=about(sweep.around), axes=said)


def _named(study: Study) -> str:
    """A map that nobody gave a name; its id where this version can't read it."""
    try:
        sweep = swept(study)
    except CtxError:
        sweep = None
    return _about(sweep) if sweep else study.id


def _another(study_id: str) -> None:
    def act() -> None:
        sweep = swept(page.store().study(study_id))
        assert sweep is not None
        application = sweep.base.task().applications[0]
        view = link.view({"app": application}, page.store())
        st.query_params.from_dict(link.address(view, sweep.base) | {"app": application} | of(sweep))

    state.attempt(act)
