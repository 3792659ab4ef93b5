"""What happens inside the updates of one run: shares of the loss, whether gradients agree, lengths, rates, weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st
from plotly.graph_objects import Figure

from ctx import charts, charts_inside
from ctx.config import RunConfig
from ctx.i18n import t
from ctx.lab import best_lam, inside
from ctx.lab.answer import Answer
from ctx.lab.names import short
from ctx.plan import LOOK_EVERY
from ctx.readings import Curves
from ctx.records import Run, Series
from ctx.registry import part
from ctx.store import Store
from ctx.ui import page

COLOURS = (charts.BOTH, *charts.MORE, charts.REFERENCE)
SECONDS = 30  # that a list of runs is kept for


def of_study(found: Answer) -> None:
    """Of the chosen arm's latest draw that has begun."""
    runs = [(draw, run) for arm, draw, run in found.rows if arm == found.chosen and run.state != "queued"]
    if not runs:
        return
    draw, run = max(runs, key=lambda one: (one[1].state == "running", -one[0]))
    show(run, t("Draw {n}, update by update.", n=draw + 1))


def show(run: Run, what: str) -> None:
    """Of one run, in a part of the page that can be opened; ``what``: a sentence that says of which."""
    with st.expander(t("What happens inside"), key="inside", on_change="rerun") as opened:
        if not opened.open:
            return
        read = page.readings().curves(run, inside.NAMES)
        said = t("Gradients and rates are looked at every {every} updates or more.", every=LOOK_EVERY)
        st.caption(f"{what} {said}")
        names = {key: short(choice.id) for key, choice in run.config.contexts().items()}
        for why in (inside.why_none(run.config, read.told), inside.why_uncompared(run.config, read.told)):
            if why:
                st.caption(page.literal(why))
        left, right = st.columns(2)
        with left:
            _shares(read, names)
            _norms(read, names)
        with right:
            _agreement(read, names)
            _rates(read)
        _lam(read, run.config, names)
        _terms(read)
        _penalties(read)


def _shares(read: Curves, names: Mapping[str, str]) -> None:
    parts = inside.shares(read.told)
    if not parts:
        return
    shown = inside.share_names(parts, names)
    means = t("What each context's loss, as it is weighed, and each penalty's term is of their sum.")
    draw = partial(charts_inside.stacked, parts, shown, _examples())
    _chart(t("Shares of the loss"), means, "shares", (read.revision, shown), draw, inside.ends(parts, shown))


def _norms(read: Curves, names: Mapping[str, str]) -> None:
    means = t(
        "How long the gradient of each context's loss is on the layers that learn, before it is weighed: the longer, "
        "the more it moves them."
    )
    _lines(
        read,
        "norms",
        (t("Lengths of the gradients"), t("length of the gradient")),
        means,
        inside.norms(read.told),
        names,
    )


def _rates(read: Curves) -> None:
    curves = inside.rates(read.told)
    means = t(
        "The learning rate of each layer: it warms up and then falls. A layer that does not learn has none; light is "
        "low, dark is high."
    )
    colours = {name: charts_inside.shade(i, len(curves)) for i, name in enumerate(curves)}
    names = {name: inside.layer(name) for name in curves}
    _lines(read, "rates", (t("Learning rates"), t("learning rate")), means, curves, names, colours)


def _agreement(read: Curves, names: Mapping[str, str]) -> None:
    for source, name in names.items():
        found = inside.agreement(read.told, source)
        if source == "target" or found is None:
            continue
        titles = _examples(), t("cosine of the gradients"), t("they point apart")
        label = t("{source} and {target}", source=name, target=names.get("target", ""))
        layers = [(inside.layer(block), series) for block, series in found.layers.items()]
        means = t(
            "One batch of each context a look, on the layers that both reach: 1 is the same direction, 0 none in "
            "common; below, shaded, they point apart. It says what a very small step would do, not what training came "
            "to."
        )
        draw = partial(charts_inside.cosines, found.whole, layers, label, titles)
        said = f"{inside.conflict(found)} {means}"
        alt = inside.ends({label: found.whole, **dict(layers)}, {})
        _chart(t("Do the gradients agree?"), said, f"cosine {source}", (read.revision, label, titles), draw, alt)


def _lam(read: Curves, config: RunConfig, names: Mapping[str, str]) -> None:
    curves = inside.effect(read.told, config)
    if not curves:
        return
    cls = part("balancers", config.balancer.name)
    means = t("What the target's loss weighed for one of the source's.")
    if not cls.plain:
        means = f"{means} {t(cls.title)}: {inside.meant(cls)}"
    shown = {key: t("λ in effect") if len(curves) == 1 else names.get(key, key) for key in curves}
    fixed = [] if cls.plain else _fixed(config.model_dump_json(), page.store().url, page.store())
    means = f"{means} {best_lam.sentence(fixed, best_lam.headline(config))}".strip()
    titles = t("λ in effect"), t("λ, weight of the target / weight of the source")
    _lines(
        read, "lam", titles, means, curves, shown, more=_across(curves, best_lam.best(fixed, best_lam.headline(config)))
    )


@st.cache_data(show_spinner=False, max_entries=100, ttl=SECONDS)
def _fixed(config: str, url: str, _store: Store) -> list[best_lam.Tried]:
    """Of every fixed λ that the store at ``url`` has with a run's settings, its score."""
    asked = RunConfig.model_validate_json(config)
    runs = _store.runs(("done",), search=best_lam.words(asked), limit=best_lam.MOST_RUNS)
    return best_lam.tried(asked, runs, _store)


def _across(curves: Mapping[str, Series], best: best_lam.Tried | None) -> list[charts.Line]:
    """A dashed line at a fixed λ, as long as the curves are."""
    if best is None:
        return []
    last = max(float(x[-1]) for x, _ in curves.values())
    name = t("the best fixed λ")
    return [charts.Line(name, [0.0, last], [best.lam, best.lam], charts.REFERENCE, bold=True, dash="dash")]


def _terms(read: Curves) -> None:
    curves = inside.terms(read.told)
    colours = charts_inside.colours(list(inside.parts_of(read.told)))
    means = t("What each penalty adds to the loss that an update minimises, as it is weighed.")
    titles = t("Terms of the penalties"), t("term")
    _lines(read, "terms", titles, means, curves, inside.share_names(curves, {}), colours)


def _penalties(read: Curves) -> None:
    for penalty, curves in inside.told(read.told).items():
        means = inside.meant(part("penalties", penalty))
        names = {name: inside.said(penalty, name) for name in curves}
        _lines(read, f"told {penalty}", (inside.titled(penalty), t("value")), means, curves, names)


def _lines(
    read: Curves,
    key: str,
    titles: tuple[str, str],
    means: str,
    curves: Mapping[str, Series],
    names: Mapping[str, str],
    colours: Mapping[str, str] = inside.COLOURS,
    more: Sequence[charts.Line] = (),
) -> None:
    """A chart of bold lines. ``titles``: its own, and the y axis's; ``more``: lines that are no curves."""
    if not curves:
        return
    others = iter(COLOURS * len(curves))
    lines = [
        charts.Line(names.get(name, name), *series, colours.get(name) or next(others), bold=True)
        for name, series in curves.items()
    ]
    lines += more
    axes = _examples(), titles[1]
    draw = partial(charts.curves, lines, axes, revision=key, rises=True)
    made_of = read.revision, axes, [(line.name, line.dash) for line in lines], [list(line.y) for line in more]
    _chart(titles[0], means, key, made_of, draw, inside.ends(curves, names))


def _chart(title: str, means: str, key: str, made_of: object, draw: partial[Figure], ends: str) -> None:
    """A chart with its title and what its curves mean, both also for those who can't see it."""
    st.markdown(f"**{page.literal(title)}**")
    figure = page.shared_figure(repr((key, made_of)), draw)
    page.plot(figure, f"inside {key}", f"{title}. {means} {ends}")
    st.caption(page.literal(means))


def _examples() -> str:
    return t("examples seen, all contexts")
