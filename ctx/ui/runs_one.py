"""The head of the Run page: which run, how it stands, its name and note, and what can be done with it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import streamlit as st

from ctx.config import RunConfig
from ctx.dispatch import ensure
from ctx.errors import BadInput, CtxError
from ctx.i18n import t
from ctx.lab import data, link
from ctx.labels import pair, piece, written
from ctx.records import WAITING, Run
from ctx.store import Store
from ctx.ui.page import literal
from ctx.ui.runs_address import digest

LISTED = 100  # runs in the picker
LONGEST_NAME, LONGEST_NOTE = 120, 4000


def states() -> dict[str, str]:
    """What the states are called."""
    return {
        "queued": t("waiting"),
        "running": t("running"),
        "done": t("done"),
        "stopped": t("stopped"),
        "failed": t("failed"),
    }


def pick(store: Store) -> Run | None:
    """The run that the address names, with a list to choose another; None where there is none to show."""
    latest = store.runs(limit=LISTED)
    asked = st.query_params.get("run", "")
    found, problem = None, ""
    if asked:
        try:
            found = store.run(asked)
        except BadInput as error:
            problem = str(error)
    named = {run.id: run for run in [*latest, *([found] if found else [])]}
    if not named:
        st.info(t("There are no runs yet. Open the Lab, choose two contexts and press Train; they appear here."))
        return None
    titles = {run.id: title(run) for run in named.values()}
    key = f"run_picked_{digest([titles, asked])}"  # titles change with a run's state, and a box remembers its title

    def changed() -> None:
        st.query_params.clear()
        st.query_params["run"] = st.session_state[key]

    st.selectbox(
        t("Run"),
        list(named),
        index=list(named).index(found.id) if found else None,
        format_func=lambda run: titles[run],
        key=key,
        on_change=changed,
        placeholder=t("Choose a run: type a part of its name or settings"),
        label_visibility="collapsed",
    )
    if problem:
        st.error(literal(problem))
    elif not found:
        st.info(t("Choose one of the {n} latest runs above, or open one from Compare or the Lab.", n=len(named)))
    return found


def title(run: Run) -> str:
    """A run in a line, as plain text."""
    settings = run.settings
    contexts: dict[Hashable, object] = {
        f"source.{n}" if n > 1 else "source": one["id"] for n, one in enumerate(settings.get("sources") or [], 1)
    }
    contexts["target"] = (settings.get("target") or {}).get("id")
    parts = [_spoken(settings.get(name) or {}) for name in ("schedule", "tuning", "backbone")]
    said = f"{pair(contexts)}, {', '.join(parts)}, {t('draw {n}', n=settings.get('seed', 0) + 1)}"
    name = f"{run.name}: " if run.name else ""
    return f"{name}{said} · {states().get(run.state, run.state)} · {run.id[:8]}"


def _spoken(choice: Mapping[str, Any]) -> str:
    knobs = [piece(f".{name}", value) for name, value in (choice.get("knobs") or {}).items()]
    return " ".join([written(choice.get("name")), *knobs])


def standing(store: Store, run: Run) -> None:
    """The state in words: progress, what went wrong, how many runs are ahead."""
    word = states().get(run.state, run.state)
    if run.state == "queued":
        ahead = store.position([run.id])
        place = t("{n} runs are ahead of it", n=ahead) if ahead else t("it is next")
        st.info(t("{state}: {place}. You may close this page; it goes on.", state=word.capitalize(), place=place))
    elif run.state == "running":
        share = min(run.step / run.steps, 1.0) if run.steps else 0.0
        words = t(
            "Update {step} of {steps}. You may close this page; it goes on.", step=run.step, steps=run.steps or "…"
        )
        st.progress(share, text=t("Stopping …") if run.stop_requested else words)
    elif run.state == "stopped":
        st.warning(t("Stopped at update {step}. Resume goes on from its checkpoint.", step=run.step))
    if run.error:
        (st.error if run.state == "failed" else st.warning)(literal(run.error))
    if run.deleted:
        st.warning(t("This run is deleted: it is listed nowhere, and ctx gc removes it for good."))


def describe(store: Store, run: Run) -> None:
    """Name and note, saved when the field is left."""

    def rename() -> None:
        store.rename(run.id, name=st.session_state[f"run_name_{run.id}"].strip())

    def annotate() -> None:
        store.rename(run.id, note=st.session_state[f"run_note_{run.id}"].strip())

    left, right = st.columns([1, 2])
    left.text_input(
        t("Name"), run.name, LONGEST_NAME, key=f"run_name_{run.id}", on_change=rename, placeholder=t("give it a name")
    )
    right.text_area(
        t("Note"),
        run.note,
        68,
        LONGEST_NOTE,
        key=f"run_note_{run.id}",
        on_change=annotate,
        placeholder=t("what you tried, what you saw"),
    )


def actions(store: Store, run: Run) -> None:
    """What can be done with it now."""

    def act(change: str) -> None:
        try:
            if change == "resume":
                store.resume(run.id)
                ensure(store.url)
            else:
                getattr(store, change)([run.id])
        except CtxError as error:
            st.session_state["run_problem"] = str(error)

    with st.container(horizontal=True):
        if st.button(
            t("Clone in the Lab"), icon=":material/content_copy:", help=t("Open the Lab with these settings.")
        ):
            st.switch_page("pages/lab.py", query_params=address_of(run.config))
        if run.study and st.button(t("Compare its study"), icon=":material/stacked_line_chart:"):
            st.switch_page("pages/compare.py", query_params={"study": run.study})
        if run.state in WAITING:
            st.button(
                t("Stop"), icon=":material/stop:", on_click=act, args=("request_stop",), disabled=run.stop_requested
            )
        if run.state in ("stopped", "failed"):
            st.button(t("Resume"), icon=":material/play_arrow:", on_click=act, args=("resume",))
        if run.deleted:
            st.button(t("Undo delete"), icon=":material/undo:", on_click=act, args=("undelete",), type="primary")
        else:
            st.button(t("Delete"), icon=":material/delete:", on_click=act, args=("delete",))
    if problem := st.session_state.pop("run_problem", ""):
        st.error(literal(problem))


def address_of(config: RunConfig) -> dict[str, str]:
    """The address of the Lab with these settings."""
    application = config.task().applications[0]
    return {"app": application} | link.parameters(config, data.default(application))
