"""The top of the Lab: the question, a real example of each context, the guess, the button."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ctx import charts
from ctx.config import check
from ctx.i18n import t
from ctx.lab import answer, data, effect, presets
from ctx.lab.applications import amount, applications
from ctx.lab.link import View
from ctx.lab.names import joined, short, title
from ctx.lab.settings import setting
from ctx.ui import page, state

OPEN = "set-up open"  # on a phone the set-up is one line until it is opened


def show(view: View) -> None:
    """Draw it; the settings are those of the view."""
    _head(view)
    for note in view.notes:
        st.warning(page.literal(note))
    if view.a_map:
        words, asked = t("Open the map"), {"map": view.a_map}
        st.page_link("pages/map.py", label=words, icon=":material/arrow_forward:", query_params=asked)
    if trouble := st.session_state.pop(state.TROUBLE, None):
        st.error(page.literal(trouble))
    _line(view)
    with st.container(key="setup-open" if st.session_state.get(OPEN) else "setup-closed"):
        _question(view)
        _further(view)
        _examples(view)
    with st.container(key="train-bar"):
        _guess_and_train(view)


def _head(view: View) -> None:
    there = applications()
    with st.container(horizontal=True, vertical_alignment="center", key="head"):
        key = "application"
        st.session_state[key] = view.application
        st.segmented_control(
            t("Application"),
            list(there),
            format_func=lambda name: there[name].title,
            key=key,
            on_change=_change_application,
            label_visibility="collapsed",
            wrap=True,
        )
        st.space("stretch")
        page.share()


def _change_application() -> None:
    if st.session_state["application"]:
        st.query_params.from_dict({"app": st.session_state["application"]})


def _line(view: View) -> None:
    """The set-up in one line, for narrow screens."""
    size = view.config.target.size if view.config.target else None
    source = joined(view.config.sources) or "–"
    target = short(view.config.target.id) if view.config.target else "–"
    with st.container(horizontal=True, vertical_alignment="center", key="setup-line"):
        st.html(
            f'<b><span style="color:{charts.SOURCE}">{source}</span> → '
            f'<span style="color:{charts.TARGET}">{target}</span></b> · {amount(view.application, size)}'
        )
        st.button(t("Close") if st.session_state.get(OPEN) else t("Change"), on_click=_toggle, key="toggle set-up")


def _toggle() -> None:
    st.session_state[OPEN] = not st.session_state.get(OPEN)


def _question(view: View) -> None:
    config = view.config
    if not config.sources or config.target is None:
        return
    columns = st.columns([4, 1, 4, 3], vertical_alignment="bottom")
    options = setting(config, "source").options
    asked = applications()[view.application]
    with columns[0]:
        st.selectbox(
            t("Can this source …"),
            options,
            format_func=title,
            help=t("The source context: learnt from first, or beside the target. It has many labels."),
            **_side("source", config.sources[0].id),
        )
    with columns[1]:
        st.button("⇄", on_click=_swap, key="swap", help=t("Swap source and target."), width="stretch")
    with columns[2]:
        st.selectbox(
            asked.question,
            options,
            format_func=title,
            help=t("The target context: what is to be learnt well, from few labels."),
            **_side("target", config.target.id),
        )
    with columns[3]:
        most = setting(config, "target.size").high
        value = config.target.size
        arguments = state.widget("target.size", value)
        st.number_input(
            asked.amount,
            min_value=1,
            max_value=int(most) if most else None,
            step=10,
            placeholder=t("all"),
            help=t("Labelled examples of the target that may be used, selection included. Empty: all there are."),
            **arguments,
        )


def _further(view: View) -> None:
    """The sources beside the first, which stand in all settings."""
    further = view.config.sources[1:]
    if further and "source" in effect.schedule_of(view.config).uses:
        named = [short(one.id) + (f" ({t('weight')} {one.weight:g})" if one.weight != 1 else "") for one in further]
        st.caption(
            page.literal(t("Further sources: {names}. They are set under “All settings”.", names=", ".join(named)))
        )


def _side(name: str, value: str) -> dict[str, Any]:
    key = f"set {name}"
    st.session_state[key] = value
    return {"key": key, "on_change": _choose, "args": (name, key)}


def _choose(name: str, key: str) -> None:
    """A context was chosen; choosing the other side's swaps them."""
    view = state.current()
    value = st.session_state[key]
    other = "target" if name == "source" else "source"
    taken = view.config.target.id if other == "target" and view.config.target else view.config.sources[0].id
    if value == taken:
        _swap()
    else:
        state.change_setting(name, key)


def _swap() -> None:
    def act() -> None:
        view = state.current()
        state.go(view, check(presets.swapped(view.config)))

    state.attempt(act)


def _examples(view: View) -> None:
    columns = st.columns([4, 1, 4, 3])
    sides = {"source": (columns[0], charts.SOURCE), "target": (columns[2], charts.TARGET)}
    for key, (column, colour) in sides.items():
        choice = view.config.contexts().get(key)
        shown = data.example(choice) if choice else None
        with column:
            if shown is not None and shown.label:
                says = t("people say: {label}") if view.config.task().looks is None else t("people wrote: {label}")
                page.quote(shown.text, colour, says.format(label=shown.label))
            elif shown is not None:
                page.numbers(shown.text, colour)


def _guess_and_train(view: View) -> None:
    draws, config = view.draws, view.config
    labels = {"helps": t("helps"), "no difference": t("no difference"), "hurts": t("hurts")}
    with st.container(horizontal=True, vertical_alignment="bottom", key="guess-row"):
        guess = st.segmented_control(
            t("First guess: the source …"), answer.GUESSES, format_func=lambda name: labels[name], key=state.GUESS
        )
        missing = data.needed(config)
        same = view.study is not None and not view.changed
        why = (
            t("The data isn't here yet.") if missing else t("The answer to these settings is below.") if same else None
        )
        st.button(
            t("Train and compare · {time}", time=state.seconds(config, draws)),
            type="primary",
            key="train",
            on_click=state.train,
            args=(config, draws, guess),
            disabled=bool(missing) or same,
            help=why,
        )
