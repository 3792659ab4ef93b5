"""What a run answered to every test example, beside what people answered; for named entities the scores by type."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from ctx import data
from ctx.config import ContextChoice, RunConfig
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.records import Run
from ctx.ui.page import literal, store


def show(run: Run) -> None:
    """A table for each context, the poorest answers first."""
    if not run.final:
        st.caption(t("Answers are here once the run is done."))
        return
    shown = False
    contexts = run.config.contexts()
    for key in sorted(contexts, key=lambda key: (key != "target", key)):
        frame = answers(run, key, contexts[key])
        if frame is None:
            continue
        shown = True
        st.markdown(f"**{literal(contexts[key].id)}** ({key})")
        _by_type(run, key)
        st.dataframe(frame, hide_index=True, height=320, alt=t("Every answer on the test split."))
    if not shown:
        st.caption(t("This task answers with a label or with numbers: its classes and results say all."))


def answers(run: Run, key: str, choice: ContextChoice) -> pd.DataFrame | None:
    """Columns text, people, answer, score; None where the run has kept no texts."""
    said, scores = (store().output(run.id, f"{name}/{key}") for name in ("said", "score"))
    config: RunConfig = run.config
    if said is None or scores is None:
        return None
    try:
        test = data.spread(data.splits(choice).test, config.task().tested)
    except CtxError as error:
        st.warning(literal(str(error)))
        return None
    if len(test) != len(said):
        return None
    written = [config.task().written(example) for example in test]
    columns = {
        t("text"): [text for text, _ in written],
        t("people"): [truth for _, truth in written],
        t("answer"): said,
        t("score"): scores.round(2),
    }
    return pd.DataFrame(columns).sort_values(t("score"), kind="stable")


def _by_type(run: Run, key: str) -> None:
    """Span scores of each type, for named entities."""
    spans = ((run.final or {}).get("spans") or {}).get(key)
    if not spans:
        return
    rows = [
        {
            t("type"): name,
            t("precision"): f"{one['precision']:.3f}",
            t("recall"): f"{one['recall']:.3f}",
            "F1": f"{one['f1']:.3f}",
            t("in the texts"): one["true"],
            t("answered"): one["answered"],
        }
        for name, one in spans.items()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt=t("Scores of each type of name."))
