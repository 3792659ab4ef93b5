"""The curves of one run, which follow it while it trains."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st
from plotly.graph_objects import Figure

from ctx import charts
from ctx.charts import Mark
from ctx.charts_runs import ROOM, camera
from ctx.curves import NOTHING, evenly, metric
from ctx.i18n import t
from ctx.readings import Curves
from ctx.records import Run, Told
from ctx.results import metrics_of
from ctx.ui.page import readings, shared_figure

TRAINING, VALIDATION = "training", "validation"
NAMES = ("loss/", "validation/", "constant/", "grad_norm", "phase", "kept")


def curves(run: Run) -> None:
    """Losses of all contexts, the headline metric on validation, the gradient's norm."""
    read = readings().curves(run, NAMES)
    if not read.told:
        st.caption(t("Curves appear with the first update."))
        return
    percent = st.toggle(
        t("Loss as % of a constant guess"),
        True,
        key="run_percent",
        help=t(
            "Losses of two contexts can't be compared as they are; as a share of the constant guess's loss they can."
        ),
    )
    contexts = run.config.contexts()
    first = next(iter(contexts.values()))
    headline = metrics_of(first.id)[0]
    loss = [(f"loss/{key}", key, TRAINING) for key in contexts] + [
        (f"validation/{key}/loss", key, VALIDATION) for key in contexts
    ]
    wanted = {
        t("loss, % of a constant guess") if percent else t("loss"): loss,
        t("{metric} on validation", metric=headline.label): [
            (f"validation/{key}/{headline.name}", key, VALIDATION) for key in contexts
        ],
        t("gradient norm"): [("grad_norm", "all", TRAINING)],
    }
    for place, ((title, names), column) in enumerate(zip(wanted.items(), st.columns(3), strict=True)):
        shares = percent and place == 0
        what = repr((read.revision, title, names, shares, place))
        rises = place == 1 and headline.higher_is_better
        figure = shared_figure(what, partial(_figure, read, title, names, shares, legend=place < 2, rises=rises))
        if figure is not None:
            column.plotly_chart(figure, key=f"run_curves_{place}", config=camera(f"ctx-run-{run.id}"), alt=title)


def _figure(
    read: Curves, title: str, names: Sequence[tuple[str, str, str]], percent: bool, legend: bool, rises: bool
) -> Figure | None:
    lines = _lines(read.told, names, percent)
    if not lines:
        return None
    revision = f"{read.run}{title}"
    axis = t("updates"), title
    figure = charts.curves(lines, axis, _marks(read.told), revision=revision, height=300, rises=rises)
    return figure.update_layout(margin_t=ROOM, showlegend=legend)


def _lines(told: Told, names: Sequence[tuple[str, str, str]], percent: bool) -> list[charts.Line]:
    """``names``: metric, context and part of each curve; ``percent``: of the context's constant guess."""
    found = []
    for name, key, part in names:
        steps, values = metric(told, name, key if percent else None)
        if len(steps):
            kept = evenly(len(steps))
            found.append(charts.Line(f"{key} · {part}", steps[kept], values[kept], _colour(key), part == VALIDATION))
    return found


def _colour(key: str) -> str:
    if key == "all":
        return charts.REFERENCE
    if key in charts.COLOURS:
        return charts.COLOURS[key]
    return charts.MORE[int(key.rpartition(".")[2]) % len(charts.MORE)]


def _marks(told: Told) -> list[Mark]:
    """Where a later phase began, and where the kept weights were reached."""
    phases, kept = told.get("phase", NOTHING)[0], told.get("kept", NOTHING)[0]
    found = [Mark(float(step), t("hand-over")) for step in phases[phases > 0]]
    return found + [Mark(float(step), t("kept")) for step in kept[-1:]]
