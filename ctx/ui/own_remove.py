"""Imported data removed again: a button, and a question that says first which runs used it."""

from __future__ import annotations

import streamlit as st

from ctx import cards
from ctx.config import ContextChoice
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.imports import stored
from ctx.imports.context import Imported, contexts
from ctx.records import WAITING, Run
from ctx.registry import OWNER
from ctx.ui import page

ASK, TROUBLE = "own remove ask", "own remove trouble"  # keys in the session


def show(context_id: str) -> None:
    """A button for data of one's own; nothing for other contexts."""
    cls = contexts(OWNER).get(context_id)
    if cls is None or cls.owner != OWNER:
        return
    st.button(t("Delete this data"), icon=":material/delete:", key="own remove", on_click=_wanted, args=(context_id,))
    if st.session_state.pop(ASK, "") == context_id:
        st.dialog(t("Delete this data?"))(_ask)(cls)


def _wanted(context_id: str) -> None:
    st.session_state[ASK] = context_id
    st.session_state.pop(TROUBLE, None)  # it was another dialog's


def _ask(cls: type[Imported]) -> None:
    if cls.name not in contexts(OWNER):
        st.rerun()  # it is gone
    if said := st.session_state.pop(TROUBLE, None):
        st.error(page.literal(said))
    examples = f"{cls.meta.examples:,}"
    st.markdown(page.literal(t("The {n} examples of “{title}” are deleted for good.", n=examples, title=cls.title)))
    st.markdown(page.literal(_used(_runs(cls.name))))
    with st.container(horizontal=True):
        st.button(t("Delete for good"), type="primary", key="own remove now", on_click=_forget, args=(cls.name,))
        if st.button(t("Keep it"), key="own keep"):
            st.rerun()


def _forget(context_id: str) -> None:
    try:
        cards.drop(ContextChoice(id=context_id))  # it shows examples
        stored.forget(context_id, OWNER)
    except CtxError as error:
        st.session_state[TROUBLE] = str(error)
        return
    for name in ("context", "with"):
        st.query_params.pop(name, None)


def _runs(context_id: str) -> list[Run]:
    found = page.store().runs(search=context_id, limit=None)
    return [run for run in found if context_id in _contexts(run)]


def _contexts(run: Run) -> set[str]:
    chosen = [*(run.settings.get("sources") or []), run.settings.get("target") or {}]
    return {str(one.get("id")) for one in chosen}


def _used(runs: list[Run]) -> str:
    if not runs:
        return t("No run used it.")
    waiting = sum(run.state in WAITING for run in runs)
    named = ", ".join(run.name or run.id[:8] for run in runs[:3]) + (" …" if len(runs) > 3 else "")
    if len(runs) == 1:
        words = t("1 run used it ({names}): its results stay, but can't be repeated.", names=named)
        return words + (" " + t("It waits or trains now, and may fail.") if waiting else "")
    words = t("{n} runs used it ({names}): their results stay, but can't be repeated.", n=len(runs), names=named)
    return words + (" " + t("Not done yet, and may fail: {n}.", n=waiting) if waiting else "")
