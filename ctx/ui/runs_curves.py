"""Curves of several runs beside each other: what is drawn is chosen here, a panel for each context."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from ctx.charts_runs import MOST_BANDS, camera, overlay_figure
from ctx.compare import Arm, roles
from ctx.i18n import t
from ctx.overlay import MOST_DRAWS, Quantity, overlay
from ctx.results import metrics_of
from ctx.store import Store
from ctx.ui import runs_address as address


def quantities(arms: Sequence[Arm]) -> dict[str, Quantity]:
    """What curves may show for these arms, by the name that the address carries."""
    contexts = {str(arm.runs[role].iloc[0]) for arm in arms for role in roles(arm.runs)} - {"nan"}
    metrics = {metric.name: metric for context in sorted(contexts) for metric in metrics_of(context)}
    found = {"loss": Quantity("validation/{role}/loss", t("validation loss, % of a constant guess"), percent=True)}
    for name, metric in metrics.items():
        found[f"validation-{name}"] = Quantity(
            f"validation/{{role}}/{name}",
            t("validation {metric}", metric=metric.label),
            rises=metric.higher_is_better,
        )
    found["training"] = Quantity("loss/{role}", t("training loss, % of a constant guess"), percent=True)
    found["training-raw"] = Quantity("loss/{role}", t("training loss"))
    found["gradient"] = Quantity("grad_norm", t("gradient norm"))
    return found


def overlaid(store: Store, arms: Sequence[Arm], order: Sequence[str], baseline: str) -> None:
    """The chosen quantity of every arm over training."""
    st.markdown(f"**{t('How they learned')}**")
    offered = quantities(arms)
    address.one("curve", "compare_curve", list(offered), "loss")
    name = st.selectbox(
        t("Curves of"),
        list(offered),
        format_func=lambda name: offered[name].title,
        key="compare_curve",
        width=420,
        label_visibility="collapsed",
    )
    address.keep("curve", name, "loss")
    quantity = offered[name]
    there = {role for arm in arms for role in roles(arm.runs) if arm.runs[role].notna().any()}
    panels = sorted(there, key=lambda role: (role != "target", role)) if quantity.by_context else [""]
    folded = False
    for place, (role, column) in enumerate(zip(panels, st.columns(len(panels)), strict=True)):
        found = overlay(store, arms, quantity, role)
        folded |= found.draws.empty and any(len(arm.runs) > 1 for arm in arms)
        with column:
            if role:
                st.caption(f"{_role(role)}: {_contexts(arms, role)}")
            axis = t("examples seen, all contexts"), quantity.title
            figure = overlay_figure(found, order, axis, baseline, rises=quantity.rises)
            figure.update_layout(showlegend=place == 0 or len(panels) < 2)
            st.plotly_chart(
                figure, key=f"compare_curves_{place}", config=camera("ctx-curves"), alt=t("Curves of every arm.")
            )
    _said(found.arms, found.asked, folded)


def _said(drawn: int, asked: int, folded: bool) -> None:
    words = [t("Bold: the mean over draws.")]
    if folded and drawn <= MOST_BANDS:
        words.append(t("Bands: from the lowest to the highest draw."))
    elif not folded:
        words.append(t("Thin: single draws (up to {n}).", n=MOST_DRAWS))
    if drawn < asked:
        words.append(t("The first {n} of {all} arms are drawn; the table has all.", n=drawn, all=asked))
    st.caption(" ".join(words))


def _role(role: str) -> str:
    return t("Target") if role == "target" else t("Source")


def _contexts(arms: Sequence[Arm], role: str) -> str:
    found = pd.unique(pd.Series([arm.runs[role].iloc[0] for arm in arms if role in arm.runs]).dropna())
    return ", ".join(str(name).rpartition("/")[2] for name in found)
