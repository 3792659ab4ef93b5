"""How it learned: both contexts' curves, live; one draw or all folded; the steps of a run that has several phases."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from ctx import charts
from ctx.i18n import t
from ctx.lab import curve
from ctx.lab.answer import Answer
from ctx.lab.effect import phases
from ctx.lab.names import short
from ctx.records import WAITING, Run
from ctx.ui import page

ALL = -1  # stands for all draws, folded
KEPT = "points of runs that have ended"


def show(found: Answer) -> None:
    """Draw the curves of the chosen arm, and the strip of its steps."""
    runs = {draw: run for arm, draw, run in found.rows if arm == found.chosen and run.state != "queued"}
    _strip(found, runs)
    if not runs:
        return
    with st.expander(t("How it learned"), expanded=True):
        draw, how = _controls(found, runs)
        chosen = [run.id for run in runs.values()] if draw == ALL else [runs[draw].id]
        baselines = [run.id for arm, n, run in found.rows if arm == "target-only" and draw in (ALL, n)]
        alone = baselines if found.chosen != "target-only" else []
        points = _points({run.id: run for _, _, run in found.rows}, [*chosen, *alone], brief=draw == ALL)
        columns = st.columns(2)
        for column, context in zip(columns, ("source", "target"), strict=True):
            if context in found.config.contexts():
                with column:
                    _one(found, points, chosen, alone, context, how)


def _one(found: Answer, points: pd.DataFrame, runs: list[str], alone: list[str], context: str, how: curve.How) -> None:
    name = short(found.config.contexts()[context].id)
    names = {
        "training": t("{name}, training", name=name),
        "validation": t("{name}, validation", name=name) if len(runs) == 1 else t("{name}, mean of draws", name=name),
        "draw": t("{name}, each draw", name=name),
    }
    drawn = curve.lines(points, runs, context, how, names)
    if context == "target" and how.own and alone:
        grey = curve.reference(points, alone, context, how, t("without the source"))
        drawn = pd.concat([drawn, grey]) if len(grey) else drawn
    if drawn.empty:
        st.caption(t("{name}: the first point comes when its first run starts.", name=page.literal(name)))
        return
    marks = curve.marks(points, runs[0], context, how)
    figure = charts.curves(drawn, curve.titles(found.config, context, how), marks, revision=f"{context} {how}")
    page.plot(figure, f"curve {context}", t("Loss on {name} over training.", name=name))


def _controls(found: Answer, runs: dict[int, Run]) -> tuple[int, curve.How]:
    several = len(phases(found.config)) > 1
    with st.container(horizontal=True, vertical_alignment="bottom"):
        options = [ALL, *sorted(runs)] if len(runs) > 1 else sorted(runs)
        draw = st.selectbox(
            t("Draw"),
            options,
            index=0 if found.over else len(options) - 1,
            format_func=lambda n: t("all, folded") if n == ALL else t("draw {n}", n=n + 1),
            key=f"draw {'over' if found.over else 'live'}",
            width=140,
        )
        raw = st.toggle(t("raw loss"), key="raw loss", help=t("Raw losses of two contexts can't be compared."))
        every = st.toggle(
            t("x: all examples"),
            value=several,
            key=f"all examples {several}",
            help=t("Count the examples of all contexts, so that both pictures share a clock."),
        )
    return int(draw if draw is not None else options[0]), curve.How(not raw, not every)


def _points(runs: dict[str, Run], ids: list[str], brief: bool) -> pd.DataFrame:
    """The points of these runs: what has ended is read once a session, of the others only what is new."""
    held: dict[tuple[str, bool], pd.DataFrame] = st.session_state.setdefault(KEPT, {})
    wanted = curve.BRIEF if brief else curve.NAMES
    for run_id in ids:
        place, run = (run_id, brief), runs[run_id]
        if place in held and run.state not in WAITING and len(held[place]) and held[place].attrs.get("whole"):
            continue
        before = held.get(place)
        again = before is None or before.attrs.get("attempt") != run.attempt
        after = -1 if again or before is None or before.empty else int(before["step"].max()) - 1
        new = page.store().points([run_id], wanted, after=after)
        merged = new if again or before is None else pd.concat([before[before["step"] <= after], new])
        merged.attrs = {"attempt": run.attempt, "whole": run.state not in WAITING}
        held[place] = merged
    return pd.concat([held[run_id, brief] for run_id in ids]) if ids else pd.DataFrame(columns=["run"])


def _strip(found: Answer, runs: dict[int, Run]) -> None:
    """Choose ▸ train source ▸ transfer ▸ train target, the running one lit; for runs of several phases."""
    plan = phases(found.config)
    if len(plan) < 2:
        return
    names = [t("choose"), t("train {name}", name=_context(found, "source"))]
    names += [t("transfer"), t("train {name}", name=_context(found, "target"))]
    at = len(names)
    active = next((run for run in runs.values() if run.state == "running"), None)
    if not found.over:
        first = plan[0].epochs * plan[0].updates
        at = 0 if active is None and not runs else 1 if active is None or active.step < first else 3
        at = 2 if active is not None and active.step == first else at
    shown = [f":blue-background[**{page.literal(n)}**]" if i == at else page.literal(n) for i, n in enumerate(names)]
    st.markdown(" ▸ ".join(shown))


def _context(found: Answer, key: str) -> str:
    return short(found.config.contexts()[key].id)
