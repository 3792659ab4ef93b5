"""The list of all contexts: search, filters, and one row chosen. What is shown is in the address."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from ctx import data
from ctx.config import ContextChoice
from ctx.i18n import t
from ctx.imports.context import Imported
from ctx.lab.applications import applications
from ctx.parts import Context
from ctx.registry import OWNER, contexts
from ctx.ui import runs_address as address

SEARCHED = ("name", "title", "application", "language", "domain", "culture", "licence", "citation", "origin")
CONTROLS = ("search", "application", "language")  # as the address has them


def pick() -> str | None:
    """Controls, the table, and the id of the context that the address names."""
    there = contexts(OWNER)
    found = _matching(list(there.values()))
    chosen = st.query_params.get("context", "")
    if chosen and chosen not in there:
        address.unknown("context", [chosen], list(there))
        chosen = ""
    _table(found, chosen)
    words = t("{n} of {all} contexts", n=len(found), all=len(there))
    hidden = chosen and chosen not in {cls.name for cls in found}
    st.caption(words + (t(", the chosen one hidden by the filters") if hidden else "") + ".")
    return chosen or None


def choose(context_id: str) -> None:
    """Put a context into the address; the other one of a pair stays where it still fits."""
    other = st.query_params.get("with", "")
    if not context_id:
        st.query_params.pop("context", None)
    else:
        st.query_params["context"] = context_id
    if other == context_id or other.partition("/")[0] != context_id.partition("/")[0]:
        st.query_params.pop("with", None)


def clear() -> None:
    """No search and no filters: every row is there."""
    for name in CONTROLS:
        st.query_params.pop(name, None)
        st.session_state.pop(f"contexts_{name}", None)


def _matching(every: list[type[Context]]) -> list[type[Context]]:
    first, second, third = st.columns([3, 2, 2], vertical_alignment="bottom")
    if "contexts_search" not in st.session_state:
        st.session_state["contexts_search"] = st.query_params.get("search", "")
    words = first.text_input(
        t("Search contexts"), key="contexts_search", placeholder=t("words in titles, domains, cultures, citations")
    )
    address.keep("search", words)
    titles = {name: one.title for name, one in applications().items()}
    wanted = {
        "application": [name for name in titles if any(cls.application == name for cls in every)],
        "language": sorted({cls.language for cls in every if cls.language}),
    }
    found = [cls for cls in every if _has(cls, words)]
    for place, title, (name, options) in zip(
        (second, third), (t("Application"), t("Language")), wanted.items(), strict=True
    ):
        key = f"contexts_{name}"
        address.several(name, key, options)
        picked = place.multiselect(title, options, key=key, format_func=lambda value: titles.get(value, value))
        address.keep(name, picked)
        found = [cls for cls in found if not picked or getattr(cls, name) in picked]
    order = list(titles)
    return sorted(found, key=lambda cls: (order.index(cls.application), cls.sample, cls.name))


def _has(cls: type[Context], words: str) -> bool:
    text = " ".join(str(getattr(cls, name)) for name in SEARCHED).casefold()
    return all(word in text for word in words.casefold().split())


def _table(found: list[type[Context]], chosen: str) -> None:
    ids = [cls.name for cls in found]
    key = f"contexts_list_{address.digest([ids, chosen])}"

    def changed() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        choose(ids[rows[0]] if rows else "")

    if not found:
        st.info(t("No context has all of this: take a word or a filter away."))
        return
    st.dataframe(
        _columns(found),
        hide_index=True,
        height="content" if len(found) < 8 else 330,
        key=key,
        on_select=changed,
        selection_mode="single-row",
        selection_default={"selection": {"rows": [ids.index(chosen)] if chosen in ids else []}},
        placeholder="",
        alt=t("All contexts that the search and the filters leave, one row each."),
    )


def _columns(found: list[type[Context]]) -> pd.DataFrame:
    titles = {name: one.title for name, one in applications().items()}
    counted = [sum(data.sizes(ContextChoice(id=cls.name), patient=False).values()) or None for cls in found]
    columns = {
        t("Title"): [cls.title for cls in found],
        t("Application"): [titles[cls.application] for cls in found],
        t("Language"): [cls.language for cls in found],
        t("Domain"): [cls.domain for cls in found],
        t("Examples"): pd.array(counted, dtype="Int64"),
        t("On this machine"): [_place(cls) for cls in found],
        t("Name"): [cls.name for cls in found],
        t("Licence"): [cls.licence for cls in found],
    }
    return pd.DataFrame(columns)


def _place(cls: type[Context]) -> str:
    if data.available(cls()):
        return t("yes")
    if issubclass(cls, Imported):
        return t("its file is gone")
    size = sum(asset.megabytes for asset in cls.assets)
    return t("to fetch: {size} MB", size=f"{size:g}") if size else t("not installed")
