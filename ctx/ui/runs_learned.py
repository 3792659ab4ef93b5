"""The curves of one run, which follow it while it trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from ctx import charts
from ctx.charts import Mark
from ctx.charts_runs import ROOM, camera
from ctx.i18n import t
from ctx.overlay import Series, evenly, series
from ctx.records import Run
from ctx.results import metrics_of
from ctx.store import Store

TRAINING, VALIDATION = "training", "validation"
NAMES = ("loss/", "validation/", "constant/", "grad_norm", "phase", "kept")


def points(store: Store, run: Run) -> pd.DataFrame:
    """All that is stored of its curves; while it runs only what is new is read."""
    kept = st.session_state.get("run_points")
    before = kept[1] if kept and kept[0] == (run.id, run.attempt) else None
    last = -1 if before is None or before.empty else int(before["step"].max()) - 1  # the last step may be told again
    found = store.points([run.id], NAMES, after=max(last, -1))
    if before is not None:
        both = pd.concat([before, found]) if len(found) else before
        found = both.drop_duplicates(["name", "step"], keep="last").sort_values(["name", "step"])
    st.session_state["run_points"] = ((run.id, run.attempt), found)
    return found


def curves(store: Store, run: Run) -> None:
    """Losses of all contexts, the headline metric on validation, the gradient's norm."""
    found = points(store, run)
    if found.empty:
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
    metric = metrics_of(first.id)[0]
    loss = [(f"loss/{key}", key, TRAINING) for key in contexts] + [
        (f"validation/{key}/loss", key, VALIDATION) for key in contexts
    ]
    wanted = {
        t("loss, % of a constant guess") if percent else t("loss"): loss,
        t("{metric} on validation", metric=metric.label): [
            (f"validation/{key}/{metric.name}", key, VALIDATION) for key in contexts
        ],
        t("gradient norm"): [("grad_norm", "all", TRAINING)],
    }
    told, marks = series(found)[run.id], _marks(found)
    for place, ((title, names), column) in enumerate(zip(wanted.items(), st.columns(3), strict=True)):
        lines = _lines(told, names, percent and place == 0)
        if not lines:
            continue
        figure = charts.curves(lines, (t("updates"), title), marks, revision=f"{run.id}{title}", height=300)
        figure.update_layout(margin_t=ROOM, showlegend=place < 2)
        column.plotly_chart(figure, key=f"run_curves_{place}", config=camera(f"ctx-run-{run.id}"), alt=title)


def _lines(told: Mapping[str, Series], names: Sequence[tuple[str, str, str]], percent: bool) -> list[charts.Line]:
    """``names``: metric, context and part of each curve; ``percent``: of the context's constant guess."""
    found = []
    for name, key, part in names:
        guess = told.get(f"constant/{key}")
        if name not in told or (percent and guess is None):
            continue
        steps, values = told[name]
        kept = evenly(len(steps))
        y = 100 * values / guess[1][0] if percent and guess is not None else values
        found.append(charts.Line(f"{key} · {part}", steps[kept], y[kept], _colour(key), bold=part == VALIDATION))
    return found


def _colour(key: str) -> str:
    if key == "all":
        return charts.REFERENCE
    if key in charts.COLOURS:
        return charts.COLOURS[key]
    return charts.MORE[int(key.rpartition(".")[2]) % len(charts.MORE)]


def _marks(found: pd.DataFrame) -> list[Mark]:
    """Where a later phase began, and where the kept weights were reached."""
    phases = found[(found["name"] == "phase") & (found["value"] > 0)]
    kept = found[(found["name"] == "kept") & (found["value"] > 0)]
    marks = [Mark(float(step), t("hand-over")) for step in phases["step"]]
    return marks + ([Mark(float(kept["step"].max()), t("kept"))] if len(kept) else [])
