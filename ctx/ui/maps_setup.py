"""The Map page's upper half: which settings vary, over which values, how often; what it will take; the button."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from ctx.dispatch import ensure
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.lab.data import needed
from ctx.lab.history import about, label
from ctx.lab.settings import change
from ctx.manifest import slots
from ctx.sweeps import asked as addresses
from ctx.sweeps.asked import MOST_DRAWS, Asked
from ctx.sweeps.cost import Cost, cost, cost_of_search
from ctx.sweeps.plan import MOST_AXES, MOST_CELLS, Sweep, checked, rows, spec
from ctx.sweeps.search import begin, check_installed
from ctx.ui import page, state

NAMES, DRAWS, BASELINE, PART, FEW = "map names", "map draws", "map baseline", "map part", "map few"
ALL = "all"


def show(found: Asked) -> None:
    """The form. Each change goes into the address, which is what the page is drawn from."""
    for note in found.notes:
        st.warning(page.literal(note))
    _around(found)
    settings = {one.name: one for one in addresses.offered(found.base)}
    st.session_state[NAMES] = list(found.texts)
    st.multiselect(
        t("What varies"),
        list(settings),
        format_func=lambda name: label(name),
        key=NAMES,
        max_selections=MOST_AXES,
        on_change=_change,
        help=t(
            "Every combination of the values below becomes a cell of the map. Settings without effect aren't offered."
        ),
    )
    for name, text in found.texts.items():
        box = f"map values {name}"
        st.session_state[box] = text
        st.text_input(
            t("{setting}: values", setting=label(name)),
            key=box,
            on_change=_change,
            help=t("With commas between them, or low..high:n for n values between two."),
        )
    _which(found)
    _how_often(found)
    _button(found)


def _around(found: Asked) -> None:
    """The settings that stay as they are."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(page.literal(t("Around: {about}.", about=about(found.base))), width="content")
        start = {name: value for name, value in st.query_params.to_dict().items() if name not in addresses.OWN}
        start = {name: value for name, value in start.items() if not name.startswith(addresses.AXIS)}
        st.page_link("pages/lab.py", label=t("Change it in the Lab"), icon=":material/science:", query_params=start)


def _which(found: Asked) -> None:
    """All cells of the grid, or some, and how they are chosen."""
    titles = {ALL: t("All"), "random": t("Some, at random"), "search": t("Some, by search")}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.session_state[PART] = found.part or ALL
        st.segmented_control(
            t("Which cells"),
            list(titles),
            format_func=titles.__getitem__,
            key=PART,
            on_change=_change,
            required=True,
            width="content",
            help=t(
                "By search: Optuna chooses one cell after the other by the validation score on the target, the mean "
                "over the draws. It never sees the test split, nor target only beside a cell."
            ),
        )
        if found.part:
            st.session_state[FEW] = found.few
            st.number_input(t("Cells at most"), 1, MOST_CELLS, key=FEW, on_change=_change, width=160)
    if found.part == "search":
        st.caption(t("Optuna chooses one cell after the other by the validation score; the map shows test results."))


def _how_often(found: Asked) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.session_state[DRAWS] = found.draws
        st.number_input(
            t("Draws of every cell"),
            1,
            MOST_DRAWS,
            key=DRAWS,
            on_change=_change,
            width=160,
            help=t("Each draws its own labels, start and order: without several nobody knows what is luck."),
        )
        st.session_state[BASELINE] = found.baseline
        st.toggle(
            t("Target only beside every cell"),
            key=BASELINE,
            on_change=_change,
            help=t("What the same labels reach without the source: then the map can show the gain."),
        )


def _button(found: Asked) -> None:
    try:
        sweep = found.sweep()
        if sweep.search:
            check_installed()
        lacks = _lacks(sweep)
        sweep = sweep if lacks else checked(sweep)
        planned = _cost(sweep) if not lacks else None
    except CtxError as error:
        st.warning(page.literal(str(error)))
        return
    if planned is None:
        st.info(page.literal(t("{names} must be fetched first: the Lab does that.", names=", ".join(lacks))))
        st.page_link("pages/lab.py", label=t("Open the Lab"), icon=":material/science:")
        return
    st.caption(page.literal(planned.sentence))
    left = planned.runs - planned.held
    train = t("Search, with {n} runs at most", n=left) if sweep.search else t("Train {n} runs", n=left)
    st.button(
        train if left else t("Show the map"),
        type="primary",
        key="map train",
        on_click=_train,
        args=(sweep,),
    )


def _lacks(sweep: Sweep) -> list[str]:
    """What has to be fetched for it, other sources along an axis included."""
    cells = [{axis.name: value} for axis in sweep.axes for value in axis.values if axis.name == "source"]
    found = [
        name
        for config in (sweep.base, *(change(sweep.base, *pair) for cell in cells for pair in cell.items()))
        for name in needed(config)
    ]
    return list(dict.fromkeys(found))


@st.cache_data(show_spinner=False, ttl=20)
def _cost_of(sweep: str) -> Cost:
    asked = Sweep.model_validate_json(sweep)
    done = page.store().runs(["done"], limit=None)
    if asked.search:
        return cost_of_search(asked, done[:200], slots())
    return cost(rows(asked), [run.key for run in done], done[:200], slots())


def _cost(sweep: Sweep) -> Cost:
    return _cost_of(sweep.model_dump_json())


def _change() -> None:
    """A control was changed: the address follows."""
    start = st.query_params.to_dict()
    found = addresses.asked(start, page.store())
    texts = {
        name: st.session_state.get(f"map values {name}", found.texts.get(name) or addresses.values(found.base, name))
        for name in st.session_state[NAMES]
    }
    part = st.session_state[PART]
    changed = replace(
        found,
        texts=texts,
        draws=int(st.session_state[DRAWS]),
        baseline=bool(st.session_state[BASELINE]),
        part="" if part == ALL else part,
        few=int(st.session_state.get(FEW, found.few)),
    )
    st.query_params.from_dict(addresses.address(changed, start))


def _train(sweep: Sweep) -> None:
    def act() -> None:
        study = page.store().add_study(_name(sweep), spec(sweep), [] if sweep.search else rows(sweep), ahead=True)
        if sweep.search:
            begin(page.store(), study)
        ensure(page.store().url)
        st.query_params.from_dict({"map": study.id})

    state.attempt(act)


def _name(sweep: Sweep) -> str:
    names = " × ".join(label(axis.name) for axis in sweep.axes)
    return t("{about}: map of {names}", about=about(sweep.around), names=names)
