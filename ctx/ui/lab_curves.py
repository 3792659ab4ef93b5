"""How it learned: both contexts' curves, live; one draw or all folded; the steps of a run that has several phases."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st
from plotly.graph_objects import Figure

from ctx import charts
from ctx.i18n import t
from ctx.lab import curve, learned
from ctx.lab.answer import Answer
from ctx.lab.effect import phases
from ctx.lab.mixture import often
from ctx.lab.names import short
from ctx.plan import Phase
from ctx.readings import Curves
from ctx.records import Run, Told
from ctx.ui import page, stack

ALL = -1  # stands for all draws, folded


def show(found: Answer) -> None:
    """Draw the curves of the chosen arm, and the strip of its steps."""
    runs = {draw: run for arm, draw, run in found.rows if arm == found.chosen and run.state != "queued"}
    _strip(found, runs)
    if not runs:
        return
    with st.expander(t("How it learned"), expanded=True):
        _unfreezing(found, runs)
        draw, how = _controls(found, runs)
        chosen = [run for n, run in runs.items() if draw in (ALL, n)]
        alone = [run for arm, n, run in found.rows if arm == "target-only" and draw in (ALL, n)]
        read = page.readings().curves
        points = [read(run, curve.BRIEF if draw == ALL else curve.NAMES) for run in chosen]
        baseline = [read(run, curve.BRIEF) for run in alone] if found.chosen != "target-only" else []
        contexts = list(found.config.contexts())
        for row in (contexts[place : place + 2] for place in range(0, len(contexts), 2)):
            for column, context in zip(st.columns(2), row, strict=False):
                with column:
                    _one(found, points, baseline, context, how)


def _one(found: Answer, runs: list[Curves], alone: list[Curves], context: str, how: curve.How) -> None:
    name = short(found.config.contexts()[context].id)
    alone = alone if context == "target" and how.own else []
    titles = curve.titles(found.config, context, how)
    what = repr((name, context, how, titles, [one.revision for one in runs], [one.revision for one in alone]))
    figure = page.shared_figure(what, partial(_figure, name, context, how, titles, _told(runs), _told(alone)))
    if figure is None:
        st.caption(t("{name}: the first point comes when its first run starts.", name=page.literal(name)))
    else:
        page.plot(figure, f"curve {context}", t("Loss on {name} over training.", name=name))


def _figure(
    name: str, context: str, how: curve.How, titles: tuple[str, str], runs: list[Told], alone: list[Told]
) -> Figure | None:
    names = {
        "training": t("{name}, training", name=name),
        "validation": t("{name}, validation", name=name) if len(runs) == 1 else t("{name}, mean of draws", name=name),
        "draw": t("{name}, each draw", name=name),
    }
    drawn = curve.lines(runs, context, how, names) + curve.reference(alone, context, how, t("without the source"))
    if not drawn:
        return None
    return charts.curves(drawn, titles, curve.marks(runs, context, how), revision=f"{context} {how}")


def _told(read: list[Curves]) -> list[Told]:
    return [one.told for one in read]


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


def _strip(found: Answer, runs: dict[int, Run]) -> None:
    """Choose ▸ train source ▸ transfer ▸ train target, the running one lit; for runs of several phases."""
    plan = phases(found.config)
    if len(plan) < 2:
        return
    names = [t("choose")]
    for phase in plan:
        names += [t("transfer")] * (len(names) > 1) + [t("train {name}", name=_trained(found, phase))]
    at = len(names)
    active = next((run for run in runs.values() if run.state == "running"), None)
    if not found.over:
        at = 0 if active is None and not runs else 1 if active is None else _place(plan, active.step)
    shown = [f":blue-background[**{page.literal(n)}**]" if i == at else page.literal(n) for i, n in enumerate(names)]
    st.markdown(" ▸ ".join(shown))


def _place(plan: Sequence[Phase], step: int) -> int:
    """Where in the strip a run stands after so many steps: in a phase, or between two."""
    for number, phase in enumerate(plan):
        length = phase.epochs * phase.updates
        if step < length or number == len(plan) - 1:
            return 1 + 2 * number - (number > 0 and step == 0)
        step -= length
    return 0


def _trained(found: Answer, phase: Phase) -> str:
    """What a phase trains on; how often, where that is not in every step."""
    contexts = found.config.contexts()
    return " + ".join(
        short(contexts[key].id) + (f" ({often(phase.shares[key])})" if key in phase.shares else "")
        for key in sorted(phase.weights, key=lambda key: key in phase.shares)
    )


def _unfreezing(found: Answer, runs: dict[int, Run]) -> None:
    """Which layers learn in which epoch, where that changes; the running one is framed."""
    if len(learned.stretches(found.config)) < 2:
        return
    active = next((run for run in runs.values() if run.state == "running"), None)
    epoch = None if active is None else stack.epoch_of(active)
    st.caption(t("What learns, epoch by epoch") + ("" if epoch is None else t(": now epoch {n}", n=epoch + 1)))
    stack.show(found.config, epoch)
