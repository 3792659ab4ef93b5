"""The batches that a run saw, worked out again from its settings: which examples each update learnt from."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from ctx import charts
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.parts import Example
from ctx.records import Run
from ctx.replay import Replay
from ctx.ui.page import literal, quote

LISTED = 8  # examples shown as sentences; all are in the table


def show(run: Run) -> None:
    """One update's batches, and a control for which."""
    try:
        replay = Replay(run.config)
    except CtxError as error:
        st.warning(literal(str(error)))
        return
    asked = st.query_params.get("update", "1")
    start = int(asked) if asked.isascii() and asked.isdigit() and 1 <= int(asked) <= replay.steps else 1
    if "update" in st.query_params and str(start) != asked:
        st.warning(
            t(
                "“update={value}” in the address is left out: there are 1 to {n}.",
                value=literal(asked[:40]),
                n=replay.steps,
            )
        )
    number = int(
        st.number_input(
            t("Update"), 1, replay.steps, start, key=f"run_update_{run.id}", help=t("From 1 on."), width=200
        )
    )
    st.query_params["update"] = str(number)
    step = replay.step(number)
    done = t("not reached yet") if run.state != "done" and number > run.step else t("learnt from")
    st.caption(
        t("Update {n} of {all}, phase “{phase}”: {done}.", n=number, all=replay.steps, phase=step.phase, done=done)
    )
    if run.config.augment:
        st.caption(t("As they stand in the context: what the run's augmentations made of them is not kept."))
    for (key, batch), column in zip(step.batches.items(), st.columns(len(step.batches)), strict=True):
        with column:
            st.markdown(f"**{literal(run.config.contexts()[key].id)}** ({key}): {t('{n} examples', n=len(batch))}")
            _examples(batch, charts.TARGET if key == "target" else charts.SOURCE)


def _examples(batch: list[Example], colour: str) -> None:
    for example in batch[:LISTED]:
        if isinstance(example.input, str):
            quote(example.input, colour, str(example.output))
    with st.expander(t("All {n} in a table", n=len(batch)), expanded=not isinstance(batch[0].input, str)):
        frame = pd.DataFrame([_row(example) for example in batch])
        st.dataframe(frame, hide_index=True, height=290, alt=t("All examples of this batch."))


def _row(example: Example) -> dict[str, str]:
    if isinstance(example.input, str):
        return {t("id"): example.id, t("label"): str(example.output), t("text"): example.input}
    numbers = [" ".join(f"{value:.2f}" for value in side) for side in (example.input, example.output)]
    return {t("id"): example.id, t("inputs"): numbers[0], t("outputs"): numbers[1]}
