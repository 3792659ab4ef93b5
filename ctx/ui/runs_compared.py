"""What Compare says about the ticked runs: results against a baseline, dots, curves, differing settings, files."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import pandas as pd
import streamlit as st

from ctx import charts, compare
from ctx.charts import number
from ctx.charts_runs import ROOM, camera, colour, wrapped
from ctx.compare import Arm
from ctx.i18n import t
from ctx.records import WAITING
from ctx.registry import task_of
from ctx.results import Delta, Result, as_table, metrics_of, results
from ctx.store import Store
from ctx.ui import runs_address as address
from ctx.ui import runs_curves
from ctx.ui.page import literal
from ctx.ui.runs_address import digest

MOST_DOTS = 20  # arms in the chart of dots


def show(store: Store, table: pd.DataFrame, arms: list[Arm]) -> None:
    """Everything below the list; looks again every two seconds while one of the runs isn't done."""
    baseline = _baseline(arms)
    order = [arm.label for arm in arms]
    if table["state"].isin(WAITING).any():
        st.fragment(_live, run_every=2)(store, [str(run) for run in table["id"]], baseline.key if baseline else "")
    else:
        _answer(arms, baseline)
        runs_curves.overlaid(store, arms, order, baseline.label if baseline else "")
    _differences(arms)
    _files(table, arms, baseline)


def _live(store: Store, ids: list[str], pinned: str) -> None:
    table = store.table(ids)
    if not table["state"].isin(WAITING).any():
        st.rerun()
    arms = compare.baselines_first(compare.arms(table))
    baseline = next((arm for arm in arms if arm.key == pinned), None)
    st.caption(t("{states}. What is here follows by itself.", states=compare.counted(list(table["state"]))))
    _answer(arms, baseline)
    runs_curves.overlaid(store, arms, [arm.label for arm in arms], baseline.label if baseline else "")


def _baseline(arms: Sequence[Arm]) -> Arm | None:
    """The arm that is pinned; the address names it by one of its runs. At first target only, where it is alone."""
    keys = [arm.key for arm in arms]
    alone = [arm.key for arm in arms if arm.runs["schedule"].iloc[0] == "target-only"]
    usual = alone[0] if len(alone) == 1 and len(arms) > 1 else ""
    asked = st.query_params.get("baseline", usual or "none")
    within = {run[: compare.SHORT]: arm.key for arm in arms for run in arm.ids}
    if asked not in ("none", *within):
        address.unknown("baseline", [asked], keys)
    pinned = "" if asked == "none" else within.get(asked, usual)
    named = {"": t("none")} | {arm.key: arm.label for arm in arms}
    key = st.selectbox(
        t("Pin a baseline"),
        list(named),
        list(named).index(pinned),
        format_func=lambda key: named[key],
        key=f"compare_baseline_{digest(named)}",  # labels change with what is ticked, and a box remembers its label
        help=t("All others are then shown as differences from it, paired over equal draws where there are any."),
        width=420,
    )
    address.keep("baseline", key or "none", usual or "none")
    return next((arm for arm in arms if arm.key == key), None)


def _answer(arms: Sequence[Arm], baseline: Arm | None) -> None:
    st.markdown(f"**{t('Results on the test split')}**")
    found = results(arms, baseline)
    if not found:
        st.caption(t("None of these runs has finished yet: results appear as they do."))
        return
    targets = {one.context for one in found if one.role == "target"}
    if len(targets) > 1:
        names = ", ".join(sorted(targets))
        st.info(
            t("These were tested on different targets ({names}): compare within a target only.", names=literal(names))
        )
    left, right = st.columns([2, 3])
    with left:  # first on a phone
        _dots(arms, baseline)
    with right:
        _results_tables(found)


def _results_tables(found: list[Result]) -> None:
    """A table for each set of metrics: a row an arm and context."""
    sets: dict[tuple[str, ...], list[Result]] = {}
    for one in found:
        sets.setdefault(tuple(metric.name for metric in metrics_of(one.context)), []).append(one)
    for own in sets.values():
        own = sorted(own, key=lambda one: (one.role != "target", one.role))
        rows = [_row(list(group)) for _, group in groupby(own, key=lambda one: (one.role, one.arm))]
        named = list(dict.fromkeys(name for row in sorted(rows, key=len, reverse=True) for name in row))
        st.dataframe(
            pd.DataFrame(rows)[named].fillna(""),
            hide_index=True,
            height="content" if len(rows) < 14 else 460,
            alt=t("Test results of each arm and context, draws folded."),
        )
    st.caption(
        t("Mean ± standard deviation over the draws. Differences: mean and its 95 % interval over paired draws.")
    )
    if any(one.draws == 1 for one in found):
        st.caption(t("One draw says nothing about cause: train more draws before you conclude."))


def _row(group: list[Result]) -> dict[str, object]:
    first = group[0]
    row: dict[str, object] = {
        t("Arm"): first.arm,
        t("Tested on"): f"{first.context} ({first.role})",
        t("Draws"): first.draws,
    }
    for one in group:
        row[one.metric.label] = number(one.mean) + (f" ± {number(one.spread)}" if one.spread is not None else "")
        if one.delta:
            row[f"Δ {one.metric.label}"] = delta(one.delta)
    if first.floor is not None:
        lowest = task_of(first.context.partition("/")[0]).floor_name
        row[t("{floor}: {metric}", floor=t(lowest), metric=first.metric.label)] = number(first.floor)
    return row


def delta(one: Delta) -> str:
    """A difference in words: "+.135 (.099 to .170)"; "unpaired" where no draw is shared."""
    text = signed(one.mean)
    if one.paired is None:
        return f"{text} {t('unpaired')}"
    if one.paired.low is None or one.paired.high is None:
        return f"{text} {t('one draw')}"
    return f"{text} ({signed(one.paired.low)} … {signed(one.paired.high)})"


def signed(value: float) -> str:
    """A number with its sign: ``+.135``, ``−.024``."""
    return f"+{number(value)}" if value >= 0 else f"−{number(-value)}"


def _dots(arms: Sequence[Arm], baseline: Arm | None) -> None:
    role = "target" if any("target" in arm.runs and arm.runs["target"].notna().any() for arm in arms) else "source"
    contexts = [str(arm.runs[role].iloc[0]) for arm in arms if role in arm.runs]
    metrics = {metric.name: metric for context in contexts for metric in metrics_of(context)}
    address.one("metric", "compare_metric", list(metrics), next(iter(metrics)))
    name = st.segmented_control(
        t("Metric"),
        list(metrics),
        format_func=lambda name: metrics[name].label,
        key="compare_metric",
        required=True,
        label_visibility="collapsed",
    )
    address.keep("metric", name or "", next(iter(metrics)))
    column = f"{role}/{name}"
    values = [(arm.label, seed, value) for arm in arms[:MOST_DOTS] for seed, value in arm.draws(column).items()]
    if not values:
        return
    floors = [value for arm in arms for value in arm.draws(f"floor/{column}").values()]
    rows = [
        (arm.label, charts.REFERENCE if baseline is arm else colour(place))
        for place, arm in enumerate(arms[:MOST_DOTS])
        if arm.draws(column)
    ]
    line = sum(floors) / len(floors) if floors and len(set(contexts)) == 1 else None
    frame = pd.DataFrame(values, columns=["row", "draw", "value"])
    figure = charts.dots(frame, rows, f"{metrics[str(name)].label} ({role})", line)
    figure.update_layout(margin_t=ROOM).update_yaxes(ticktext=[wrapped(label) for label, _ in rows])
    st.plotly_chart(figure, key="compare_dots", config=camera("ctx-results"), alt=t("A dot for each draw of each arm."))
    drawn = t("Faint: a draw. Full: the mean, with its 95 % interval.")
    lowest = t(task_of(contexts[0].partition("/")[0]).floor_name)
    st.caption(drawn if line is None else t("{drawn} Dotted line: {floor}.", drawn=drawn, floor=lowest))
    if len(arms) > MOST_DOTS:
        st.caption(t("The first {n} of {all} arms are drawn; the table has all.", n=MOST_DOTS, all=len(arms)))


def _differences(arms: Sequence[Arm]) -> None:
    if len(arms) < 2:
        return
    st.markdown(f"**{t('Settings that differ')}**")
    found = compare.differing(arms)
    if found.empty:
        st.caption(t("They differ in nothing but their draws."))
        return
    found.columns = pd.Index([arm.label for arm in arms])
    st.dataframe(found, height="content" if len(found) < 10 else 320, alt=t("Settings in which the arms differ."))


def _files(table: pd.DataFrame, arms: Sequence[Arm], baseline: Arm | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            t("Results (CSV)"),
            lambda: as_table(results(arms, baseline)).to_csv(index=False).encode(),
            "ctx-results.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
        st.download_button(
            t("Runs with all settings (CSV)"),
            lambda: table.to_csv(index=False).encode(),
            "ctx-runs.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
        st.caption(t("A chart is saved as PNG by the camera in its upper right corner."), width="content")
