"""Behind the λ slider: what every λ, or every number of labels, would give, drawn before anything is trained."""

from __future__ import annotations

from functools import partial

import streamlit as st
from plotly.graph_objects import Figure

from ctx import charts_paths, preview
from ctx.dispatch import ensure
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.lab import data, path
from ctx.lab.link import View
from ctx.lab.names import short
from ctx.preview import TOLERANCE, Asked, Preview
from ctx.records import WAITING, Job, Row, Told
from ctx.ui import page, state

AXIS = "path along"  # in the session: "lam" or "size"
SECONDS = 0.4  # between two looks at a preview that is being solved


def show(view: View) -> None:
    """The path, or why there is none; nothing where none is to be expected."""
    reason = preview.why_not(view.config)
    if reason:
        st.caption(page.literal(reason))
    if not preview.offered(view.config) or data.needed(view.config):
        return
    axis = _axis()
    question = preview.asked(view.config, axis, view.draws)
    try:
        found = preview.kept_one(question)
    except CtxError as error:
        st.error(page.literal(str(error)))
        return
    job = None if found else page.store().latest_job(preview.KIND, question.model_dump(mode="json"))
    if job is not None and job.result:  # the worker's disk may be full, or another machine's
        found = Preview.model_validate(job.result)
    if found is None:
        _wait(question, job)
        return
    _draw(view, question, found)


def _axis() -> preview.Axis:
    names = {"lam": t("every λ"), "size": t("every number of labels")}
    chosen = st.segmented_control(
        t("Preview of"), list(names), format_func=lambda name: names[name], key=AXIS, default="lam", required=True
    )
    return "size" if chosen == "size" else "lam"


def _wait(question: Asked, job: Job | None) -> None:
    if job is not None and job.error:
        st.error(page.literal(job.error))
        st.button(t("Try again"), on_click=_queue, args=(question,), key="preview again")
        return
    if job is None or job.state not in WAITING:
        _queue(question)
    st.fragment(_follow, run_every=SECONDS)(question)


def _queue(question: Asked) -> None:
    def act() -> None:
        page.store().add_job(preview.KIND, question.model_dump(mode="json"))
        ensure(page.store().url)

    state.attempt(act)


def _follow(question: Asked) -> None:
    """How far it is; the whole page again once it is done."""
    job = page.store().latest_job(preview.KIND, question.model_dump(mode="json"))
    if job is not None and job.state not in WAITING:
        st.rerun()
    share = min((job.done or 0) / job.total, 1.0) if job is not None and job.total else 0.0
    st.progress(share, text=t("Solving all heads at once: about a second, once the encoder has read the texts …"))


def _draw(view: View, question: Asked, found: Preview) -> None:
    """A panel for each context, what it says, and what it is."""
    contexts = [key for key in ("target", "source") if key in found.both]
    ended = _ended(view, question)
    for column, context in zip(st.columns(len(contexts)), contexts, strict=True):
        name = short(view.config.contexts()[context].id)
        what = repr(
            (question.name(), context, path.value(found, view.config), [(row[2].id, len(told)) for row, told in ended])
        )
        figure = page.shared_figure(what, partial(_figure, view, found, context, name, ended))
        if figure is not None:
            with column:
                page.plot(figure, f"path {context}", t("Score on {name} along the path.", name=name))
    if said := path.sentence(found, view.config):
        st.markdown(page.literal(said))
    st.caption(
        page.literal(
            t(
                "A linear-probe preview: {heads} heads on frozen features, each solved to the end rather than trained "
                "(to a gradient below {gradient}). "
                "On validation examples, so that you may choose by it; the answer above is on test examples. Bands: "
                "95 % over {draws} draws.",
                heads=found.heads,
                gradient=f"{max(found.gradient, TOLERANCE):f}",
                draws=question.draws,
            )
        )
    )


def _ended(view: View, question: Asked) -> list[tuple[Row, Told]]:
    """The runs of the study shown, where they lie on this path."""
    if view.study is None or not preview.offered(view.base):
        return []
    theirs = preview.asked(view.base, question.axis, question.draws)
    if theirs.config != question.config:
        return []
    rows = [row for row in page.readings().study(view.study.id) if row[2].state == "done"]
    return [(row, page.readings().curves(row[2], path.POINTS).told) for row in rows]


def _figure(view: View, found: Preview, context: str, name: str, ended: list[tuple[Row, Told]]) -> Figure:
    names = {"both": t("with the source"), "alone": t("without it")}
    x = (
        t("λ, the weight of the target\n0: source only, ∞: target only")
        if found.axis == "lam"
        else t("labels of the target")
    )
    metric = view.config.task().metrics[0].label
    return charts_paths.along(
        path.lines(found, context, names),
        path.ticks(found),
        (x, t("{metric} on {name}", metric=metric, name=name)),
        path.mark(found, view.config, context),
        path.landed(found, view.base, ended, context),
        t("runs that were trained"),
    )
