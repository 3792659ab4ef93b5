"""What happens inside the updates of one draw: shares of the loss, whether gradients agree, norms, rates, weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import streamlit as st

from ctx import charts, charts_inside
from ctx.i18n import t
from ctx.lab import inside
from ctx.lab.answer import Answer
from ctx.lab.names import short
from ctx.readings import Curves
from ctx.records import Series
from ctx.ui import page

COLOURS = (charts.BOTH, *charts.MORE, charts.REFERENCE)


def show(found: Answer) -> None:
    """Of the chosen arm's latest draw that has begun."""
    runs = [(draw, run) for arm, draw, run in found.rows if arm == found.chosen and run.state != "queued"]
    if not runs:
        return
    draw, run = max(runs, key=lambda one: (one[1].state == "running", -one[0]))
    with st.expander(t("What happens inside"), key="inside", on_change="rerun") as opened:
        if not opened.open:
            return
        read = page.readings().curves(run, inside.NAMES)
        st.caption(t("Draw {n}, update by update; gradients are compared every 30 updates or more.", n=draw + 1))
        columns = st.columns(2)
        names = {key: short(choice.id) for key, choice in found.config.contexts().items()}
        with columns[0]:
            _shares(read, names)
            _lines(read, inside.norms(read.told), t("length of the gradient"), names, "norms")
        with columns[1]:
            _agreement(read, names)
            _lines(read, inside.rates(read.told), t("learning rate"), _layers(read), "rates")
        for part, curves in _parts(inside.told(read.told)).items():
            _lines(read, curves, part, names, f"told {part}")


def _layers(read: Curves) -> dict[str, str]:
    return {name: inside.layer(name) for name in inside.rates(read.told)}


def _parts(curves: Mapping[str, Series]) -> dict[str, dict[str, Series]]:
    """Curves by the part that told them."""
    found: dict[str, dict[str, Series]] = {}
    for name, curve in curves.items():
        part, _, own = name.partition("/")
        found.setdefault(part if own else t("λ in use"), {})[own or part] = curve
    return found


def _shares(read: Curves, names: Mapping[str, str]) -> None:
    parts = inside.shares(read.told)
    if not parts:
        return
    st.markdown(f"**{t('Shares of the loss')}**")
    shown = {part: names.get(part, part) for part in parts}
    title = t("examples seen, all contexts")
    figure = page.shared_figure(
        repr(("shares", read.revision, shown, title)), lambda: charts_inside.stacked(parts, shown, title)
    )
    page.plot(figure, "inside shares", t("What each loss and each penalty is of the whole."))


def _agreement(read: Curves, names: Mapping[str, str]) -> None:
    for source, name in names.items():
        found = inside.agreement(read.told, source)
        if source == "target" or found is None:
            continue
        st.markdown(f"**{t('Do the gradients agree?')}**")
        titles = t("examples seen, all contexts"), t("cosine of the gradients")
        label = t("{source} and {target}", source=name, target=names.get("target", ""))
        layers = [(inside.layer(block), series) for block, series in found.layers.items()]
        what = repr(("cosines", read.revision, source, label, titles))
        figure = page.shared_figure(what, partial(charts_inside.cosines, found.whole, layers, label, titles))
        page.plot(figure, f"inside cosine {source}", t("The cosine of the two contexts' gradients, layer by layer."))
        st.caption(page.literal(inside.conflict(found)))


def _lines(read: Curves, curves: Mapping[str, Series], title: str, names: Mapping[str, str], key: str) -> None:
    if not curves:
        return
    others = iter(COLOURS * len(curves))
    lines = [
        charts.Line(names.get(name, name), *series, inside.COLOURS.get(name) or next(others), bold=True)
        for name, series in curves.items()
    ]
    st.markdown(f"**{page.literal(title)}**")
    titles = t("examples seen, all contexts"), title
    figure = page.shared_figure(
        repr((key, read.revision, titles, [line.name for line in lines])),
        lambda: charts.curves(lines, titles, revision=key, height=240, rises=True),
    )
    page.plot(figure, f"inside {key}", title)
