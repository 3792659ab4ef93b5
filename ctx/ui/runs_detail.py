"""The body of the Run page: results, curves, classes and confusions, settings, batches, how to repeat it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from ctx import charts, data
from ctx.charts import number
from ctx.charts_runs import camera, confusion_figure
from ctx.config import ContextChoice
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.lab.settings import Setting, settings
from ctx.labels import whose, written
from ctx.records import Run
from ctx.repeat import command
from ctx.results import metrics_of, per_class_rows
from ctx.ui import runs_address as address
from ctx.ui import runs_answers, runs_seen
from ctx.ui.page import literal


def results(run: Run) -> None:
    """Test results of each context beside the constant answer, with what it took."""
    final = run.final or {}
    rows = []
    for key, choice in sorted(_contexts(run).items(), key=lambda one: one[0] != "target"):
        values = (final.get("metrics") or {}).get(key)
        if not values:
            continue
        counts = {t("labels used"): "labels_used", t("updates"): "updates"}
        if run.config.augment:
            counts |= {t("examples seen"): "seen", t("augmented"): "changed"}
        taken = {title: written((final.get(name) or {}).get(key)) for title, name in counts.items()}
        rows.append({t("Tested on"): f"{choice.id} ({key})"} | _numbers(choice.id, values) | taken)
        floors = (final.get("floor") or {}).get(key) or {}
        rows.append({t("Tested on"): f"    {t(run.config.task().floor_name)}"} | _numbers(choice.id, floors))
    if rows:
        st.dataframe(pd.DataFrame(rows).fillna(""), hide_index=True, alt=t("Test results by context."))
        counts, n = final.get("parameters") or {}, final.get("taken_over")
        st.caption(
            t(
                "{learn} of {total} parameters learnt in {seconds} s. One draw alone: Compare folds several.",
                learn=f"{counts.get('learn', 0):,}",
                total=f"{counts.get('total', 0):,}",
                seconds=f"{final.get('train_seconds') or 0:.1f}",
            )
        )
        for sentence in filter(None, (whose(final, key, choice.id) for key, choice in _contexts(run).items())):
            st.caption(literal(sentence))
        if n:
            st.caption(
                t("Its first {n} updates are those of a run with the same source: they were not made twice.", n=n)
            )


def _numbers(context: str, values: Mapping[str, float | None]) -> dict[str, str]:
    """A context's results as text, by their titles."""
    found = {metric.label: values.get(metric.name) for metric in metrics_of(context)}
    return {label: "" if value is None else number(value) for label, value in found.items()}


def _contexts(run: Run) -> dict[str, ContextChoice]:
    return run.config.contexts()


def sections(run: Run) -> None:
    """One of the further views, chosen above it; the address carries which."""
    views: dict[str, tuple[str, Callable[[Run], None]]] = {
        "classes": (t("Classes"), classes),
        "answers": (t("Answers"), runs_answers.show),
        "settings": (t("Settings"), show_settings),
        "batches": (t("Batches it saw"), runs_seen.show),
        "repeat": (t("Repeat it"), repeat),
    }
    if run.final and not run.final.get("confusion"):
        del views["classes"]  # a number or a text has none
    first = next(iter(views))
    address.one("show", "run_show", list(views), first)
    chosen = st.segmented_control(
        t("More"),
        list(views),
        format_func=lambda name: views[name][0],
        key="run_show",
        required=True,
        label_visibility="collapsed",
    )
    address.keep("show", chosen or "", first)
    views[chosen or first][1](run)


def classes(run: Run) -> None:
    """Precision, recall and F1 of each class, and the confusion counts, of each context's test split."""
    confusions = (run.final or {}).get("confusion") or {}
    if not confusions:
        st.caption(t("Classes are counted once the run is done."))
        return
    order = sorted(confusions, key=lambda key: (key != "target", key))
    for key, column in zip(order, st.columns(len(order)), strict=True):
        choice = _contexts(run)[key]
        labels = data.context(choice).labels
        with column:
            st.markdown(f"**{literal(choice.id)}** ({key})")
            st.dataframe(
                pd.DataFrame(per_class_rows(confusions[key], labels)),
                hide_index=True,
                column_config={
                    name: st.column_config.NumberColumn(format="%.3f") for name in ("precision", "recall", "f1")
                }
                | {"f1": st.column_config.NumberColumn("F1", format="%.3f")},
                alt=t("Precision, recall and F1 of each class."),
            )
            shade = charts.TARGET if key == "target" else charts.SOURCE
            st.plotly_chart(
                confusion_figure(confusions[key], labels, shade),
                key=f"run_confusion_{key}",
                config=camera(f"ctx-confusion-{key}"),
                alt=t("How often each true label got each answer."),
            )


def show_settings(run: Run) -> None:
    """Every setting by group; those at their default are grey."""
    rows = [
        {
            t("Group"): one.group,
            t("Setting"): one.name,
            t("Value"): _value(one),
            t("Default"): "" if one.default is None else written(one.default),
            t("What it does"): one.off or one.help,
        }
        for one in settings(run.config)
    ]
    changed = [one.value != one.default and not one.off for one in settings(run.config)]
    frame = pd.DataFrame(rows)

    def shade(row: pd.Series) -> list[str]:
        return [""] * len(row) if changed[int(str(row.name))] else ["color: #8a8a8a"] * len(row)

    st.dataframe(
        frame.style.apply(shade, axis=1),
        hide_index=True,
        height="content",
        alt=t("All settings; those at their default are grey."),
    )
    st.caption(t("Grey: at its default, or without effect here."))


def _value(one: Setting) -> str:
    if one.value is None:
        return t("all") if one.name.endswith(".size") else t("automatic")
    return written(one.value)


def repeat(run: Run) -> None:
    """The command that trains it again, and what it was trained with."""
    st.markdown(t("This command trains the same again, to the bit on the same machine and thread count:"))
    try:
        st.code(f"{command(run.config)} --again", language="bash", wrap_lines=True)
    except CtxError as error:
        st.warning(literal(str(error)))
    st.markdown(f"**{t('Trained with')}**")
    rows = [(name, written(value)) for name, value in _manifest(run).items() if value is not None]
    st.dataframe(
        pd.DataFrame(rows, columns=[t("What"), t("Version or value")]),
        hide_index=True,
        height="content",
        alt=t("Versions and threads."),
    )


def _manifest(run: Run) -> dict[str, Any]:
    told = dict(run.manifest)
    libraries = told.pop("libraries", None) or {}
    own = {"run": run.id, "key": run.key, "owner": run.owner, "attempt": run.attempt, "threads": run.threads}
    return own | told | libraries
