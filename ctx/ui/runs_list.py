"""The list of all runs on Compare: search, filters, order, and ticks that say which are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from ctx import compare
from ctx.compare import Filter
from ctx.i18n import t
from ctx.labels import pair, written
from ctx.results import headlines
from ctx.store import Store
from ctx.ui import runs_address as address

MOST_CHOSEN = 200  # runs that are compared at once; their names go into the address
MOST_FIRST = 60  # runs of the newest study that are ticked before anybody has ticked any
NEWEST = "created"


def listed(table: pd.DataFrame) -> pd.DataFrame:
    """The controls above the list, and the rows that they leave, folded and in order."""
    first, second = st.columns([2, 3], vertical_alignment="bottom")
    if "compare_search" not in st.session_state:
        st.session_state["compare_search"] = st.query_params.get("search", "")
    search = first.text_input(
        t("Search runs"), key="compare_search", placeholder=t("words in names, notes, contexts, settings: lam=0.1")
    )
    with second.container(horizontal=True, vertical_alignment="bottom"):
        wanted = _filters(table, search)
        by, rising = _order(table)
        if "compare_fold" not in st.session_state:
            st.session_state["compare_fold"] = st.query_params.get("each") != "run"
        draws = st.toggle(t("Fold draws"), key="compare_fold", help=t("One row for runs that differ in the seed only."))
    address.keep("search", search)
    address.keep("each", "" if draws else "run")
    found = compare.folded(compare.matching(table, wanted), draws)
    return compare.ordered(found, by, not rising).reset_index(drop=True)


def _filters(table: pd.DataFrame, search: str) -> Filter:
    titles = {
        "contexts": t("Context"),
        "states": t("State"),
        "schedules": t("Schedule"),
        "tunings": t("Tuning"),
        "backbones": t("Backbone"),
        "owners": t("Owner"),
    }
    picked: dict[str, list[str]] = {}
    place = st.popover(t("Filter"), icon=":material/filter_list:")
    for name, title in titles.items():
        options = compare.choices(table, name)
        key = f"compare_{name}"
        address.several(name.removesuffix("s"), key, options)
        st.session_state[key] = [value for value in st.session_state[key] if value in options]
        picked[name] = place.multiselect(title, options, key=key)
        address.keep(name.removesuffix("s"), picked[name])
    return Filter(search, **picked)


def _order(table: pd.DataFrame) -> tuple[str, bool]:
    """What to sort by, and whether the smallest comes first."""
    varying = [name for name in compare.settings(table) if table[name].map(written).nunique() > 1]
    options = [NEWEST, *sorted(compare.results(table)), *varying]
    address.one("sort", "compare_sort", options, NEWEST)
    by = st.selectbox(t("Sort by"), options, key="compare_sort", format_func=_sort_title, width=220)
    if "compare_rising" not in st.session_state:
        st.session_state["compare_rising"] = st.query_params.get("order") == "rising"
    rising = st.toggle(t("Smallest first"), key="compare_rising")
    address.keep("sort", by, NEWEST)
    address.keep("order", "rising" if rising else "")
    return by, rising


def _sort_title(name: str) -> str:
    return t("time") if name == NEWEST else name


def chosen(table: pd.DataFrame, store: Store) -> list[str]:
    """The ids that the address names; without any, those of the newest study that has something to compare."""
    if "runs" in st.query_params:
        tokens = [token for token in st.query_params["runs"].split(",") if token and token != "none"]
        found, unknown = compare.named(table, tokens)
        address.unknown("runs", unknown, [run[: compare.SHORT] for run in table["id"].iloc[:3]])
        return found
    newest = [study.id for study in store.studies(limit=3)]
    wanted = [st.query_params["study"]] if "study" in st.query_params else newest
    there = set(table["id"])
    for study in wanted:
        ids = list(dict.fromkeys(run.id for _, _, run in store.study_runs(study) if run.id in there))
        if len(ids) > 1:
            return ids[:MOST_FIRST]
    if "study" in st.query_params:
        address.unknown("study", wanted, newest)
    return []


def choose(ids: Sequence[str]) -> None:
    """Put runs into the address."""
    st.query_params.pop("study", None)
    st.query_params["runs"] = ",".join(run[: compare.SHORT] for run in ids[:MOST_CHOSEN]) or "none"
    if len(ids) > MOST_CHOSEN:
        st.session_state["compare_cut"] = len(ids)


def pick(rows: pd.DataFrame, ids: list[str]) -> None:
    """The list itself. Ticking a row adds its runs, unticking takes them away; hidden ones stay."""
    own = [list(one) for one in rows["ids"]]
    before = {row for row, one in enumerate(own) if set(one) & set(ids)}
    key = f"compare_list_{address.digest([own, sorted(before)])}"

    def changed() -> None:
        now = set(st.session_state[key]["selection"]["rows"])
        choose(compare.toggled(ids, own, before, now))

    shown = _columns(rows)
    st.dataframe(
        shown,
        hide_index=True,
        height="content" if len(rows) < 8 else 290,
        key=key,
        on_select=changed,
        selection_mode="multi-row",
        selection_default={"selection": {"rows": sorted(before)}},
        column_config=_formats(shown),
        placeholder="",
        alt=t("All runs that the filters leave, one row each, with a box to tick."),
    )
    if cut := st.session_state.pop("compare_cut", 0):
        st.warning(t("{n} runs were ticked; {most} are compared at once.", n=cut, most=MOST_CHOSEN))


def said(table: pd.DataFrame, rows: pd.DataFrame, chosen: pd.DataFrame) -> None:
    """How many runs there are, are listed, are ticked; and a way to untick them."""
    there = {run for one in rows["ids"] for run in one}
    hidden = len(set(chosen["id"]) - there)
    words = [t("{n} of {all} runs listed", n=len(there), all=len(table)), t("{n} ticked", n=len(chosen))]
    words += [t("{n} of them hidden by the filters", n=hidden)] if hidden else []
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(", ".join(words) + ".", width="content")
        if len(chosen):
            st.button(t("Untick all"), on_click=choose, args=([],), type="tertiary")


def _columns(rows: pd.DataFrame) -> pd.DataFrame:
    """What the list shows: what a person tells runs apart by, the results, and what it is sorted by."""
    records = rows.to_dict("records")
    found: dict[str, Any] = {}
    if (rows["name"] != "").any():
        found[t("Name")] = rows["name"]
    found[t("Contexts")] = [pair(row) for row in records]
    for name, title in (("schedule", t("Schedule")), ("schedule.lam", "λ"), ("tuning", t("Tuning"))):
        if name in rows:
            found[title] = rows[name]
    found[t("Backbone")] = rows["backbone"]
    if "target.size" in rows:
        found[t("Target labels")] = rows["target.size"]
    found[t("Draws")] = rows["draws"]
    found[t("State")] = rows["states"]
    measures, results = headlines(rows)
    several = {metric.name: metric for metric in measures if metric}
    if results and len(several) > 1:
        found[t("Measured by")] = [metric.label if metric else "" for metric in measures]
    for role, values in results.items():
        title = t("result") if len(several) > 1 else next(iter(several.values())).label
        found[f"{title} ({role})"] = values
    by = st.session_state["compare_sort"]
    told = {f"{role}/{name}" for role in results for name in several}
    if by not in (NEWEST, "schedule", "schedule.lam", "tuning", "backbone", "target.size", "source", "target", *told):
        found[by] = rows[by]
    found[t("Made")] = pd.to_datetime(rows["created"], unit="s", utc=True)
    found[t("Open")] = [f"run?run={ids[-1]}" for ids in rows["ids"]]  # of several draws the first
    return pd.DataFrame(found)


def _formats(shown: pd.DataFrame) -> dict[str, Any]:
    formats: dict[str, Any] = {
        name: st.column_config.NumberColumn(format="%.3f")
        for name in shown.columns
        if "/" in str(name) or str(name).endswith(("(target)", "(source)"))
    }
    link = st.column_config.LinkColumn(
        display_text=":material/open_in_new:", help=t("The run (of several draws the first).")
    )
    formats[t("State")] = st.column_config.TextColumn(width=140)
    return formats | {t("Made"): st.column_config.DatetimeColumn(format="calendar"), t("Open"): link}
