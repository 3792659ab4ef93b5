"""The Map page's lower half: the map as it fills, curves along each setting, what each explains, the runs of a cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha1
from typing import Any

import pandas as pd
import streamlit as st
from plotly.graph_objects import Figure

from ctx import charts_maps
from ctx.charts import REFERENCE, SOURCE, TARGET
from ctx.charts_runs import CAMERA
from ctx.i18n import t
from ctx.lab.history import label
from ctx.records import Row, Study
from ctx.sweeps import found as sweeps
from ctx.sweeps.found import SOURCE as ON_SOURCE
from ctx.sweeps.found import TARGET as ON_TARGET
from ctx.sweeps.plan import Axis, Sweep, metric, varied
from ctx.ui import maps_search, maps_standing, page

SECONDS, MOST_LINKS, MOST_COMPARED = 1.0, 12, 60


def follow(study: Study, sweep: Sweep) -> None:
    """All of it; looks again every second until every run has ended."""
    rows = page.readings().study(study.id, now=True)
    if maps_standing.over(study, rows):
        _draw(study, sweep, rows)
        return

    def look() -> None:
        now = page.readings().study(study.id)
        _draw(study, sweep, now)
        if maps_standing.over(study, now):
            st.rerun()

    st.fragment(look, run_every=SECONDS)()


@dataclass(frozen=True)
class _Seen:
    """A map as it stands. ``shown``: the column of the table that is drawn; ``what`` names all that it is made of."""

    study: Study
    sweep: Sweep
    table: pd.DataFrame
    shown: str
    what: str

    @property
    def varying(self) -> list[Axis]:
        """The axes of more than one value."""
        return [axis for axis in self.sweep.axes if len(axis.values) > 1] or list(self.sweep.axes)

    @property
    def title(self) -> str:
        """What the numbers are."""
        return t("gain over target only") if self.shown == "gain" else metric(self.sweep).label

    def figure(self, name: str, draw: Callable[[], Figure]) -> Figure:
        """Drawn once for all who look, until another run has ended."""
        found = page.shared_figure(f"{name} {self.shown} {self.what}", draw)
        assert found is not None
        return found


@st.cache_resource(show_spinner=False, max_entries=100, ttl=60)
def _table(what: str, _sweep: Sweep, _rows: list[Row]) -> pd.DataFrame:
    """Read once for all who look; nobody changes it."""
    return sweeps.frame(_sweep, _rows)


def _draw(study: Study, sweep: Sweep, rows: list[Row]) -> None:
    maps_standing.told(study, sweep, rows)
    if study.is_search:
        maps_search.told(study, sweep, rows)
    done = sorted(run.id for _, _, run in rows if run.state == "done")
    what = f"map {study.id} {sha1(','.join(done).encode(), usedforsecurity=False).hexdigest()}"
    table = _table(what, sweep, rows)
    seen = _Seen(study, sweep, table, _quantity(sweep, table), what)
    over = maps_standing.over(study, rows)
    if table[seen.shown].notna().sum() == 0:
        st.info(t("No run has a result.") if over else maps_standing.before_cells(study))
        return
    if not over:
        st.caption(t("Not all runs have ended: means of what there is so far."))
    if len(seen.varying) > 1:
        _heat(seen)
    _curves(seen)
    _worth(sweep, table)
    _shares(seen)
    if len(seen.varying) > 1:
        _parallel(seen)


def _quantity(sweep: Sweep, table: pd.DataFrame) -> str:
    """Which column is shown."""
    judged = metric(sweep).label
    titles = {ON_TARGET: t("{metric}, target", metric=judged)}
    if sweep.baseline:
        titles["gain"] = t("gain over target only")
    if table[ON_SOURCE].notna().any():
        titles[ON_SOURCE] = t("{metric}, source", metric=judged)
    if len(titles) == 1:
        return ON_TARGET
    chosen = st.segmented_control(
        t("Show"), list(titles), format_func=titles.__getitem__, default=ON_TARGET, key="map shows", required=True
    )
    return str(chosen or ON_TARGET)


def _heat(seen: _Seen) -> None:
    axes = {axis.name: axis for axis in seen.varying}
    names = list(axes)
    across, up = names[0], names[1]
    if len(names) > 2:
        with st.container(horizontal=True):
            across = st.selectbox(t("Across"), names, format_func=label, key="map across")
            up = st.selectbox(t("Up"), [name for name in names if name != across], format_func=label, key="map up")
    cells = sweeps.folded(seen.table, (across, up), seen.shown)
    others = [label(name) for name in names if name not in (across, up)]
    drawn = [(name, label(name), axes[name].values) for name in (across, up)]
    gain = seen.shown == "gain"
    figure = seen.figure(f"heat {across} {up}", lambda: charts_maps.heat(cells, drawn, diverging=gain))
    picked = st.plotly_chart(
        figure,
        key=f"map heat {seen.study.id}",
        on_select="rerun",
        selection_mode="points",
        config=CAMERA,
        alt=t("A map: the mean result of every pair of values."),
    )
    words = [t("Number: the mean over the draws. Dot: how far the draws lie apart. Click a dot for its runs.")]
    words += [t("Averaged over {names}.", names=", ".join(others))] if others else []
    words += [t("Blue: the source helped; orange: it hurt.")] if gain else []
    st.caption(page.literal(" ".join(words)))
    _picked(picked, cells, seen.table)


def _picked(picked: Any, cells: pd.DataFrame, table: pd.DataFrame) -> None:
    points = [list(point["customdata"]) for point in picked["selection"]["points"]] if picked else []
    there = cells[list(cells.columns[:2])].map(str).to_numpy().tolist()
    if not points or points[0] not in there:
        return
    runs = list(dict.fromkeys(cells.iloc[there.index(points[0])]["runs"]))
    own = table[table["run"].isin(runs)].drop_duplicates("run").head(MOST_LINKS)
    with st.container(horizontal=True, vertical_alignment="center"):
        for run, draw in zip(own["run"], own["draw"], strict=True):
            st.page_link(
                "pages/run.py",
                label=t("draw {n}", n=draw + 1),
                icon=":material/open_in_new:",
                query_params={"run": run},
            )
        st.page_link(
            "pages/compare.py",
            label=t("Compare them"),
            icon=":material/stacked_line_chart:",
            query_params={"runs": ",".join(run[:8] for run in runs[:MOST_COMPARED]), "each": "run"},
        )


def _curves(seen: _Seen) -> None:
    for one, column in zip(seen.varying, st.columns(len(seen.varying)), strict=True):
        figure = seen.figure(f"along {one.name}", partial(_curve, seen, one))
        with column:
            page.plot(figure, f"map along {one.name}", t("The result along {name}.", name=label(one.name)))
    st.caption(t("Lines: means over the draws and over what else varies. Bands: 95 % intervals over the draws."))


def _curve(seen: _Seen, one: Axis) -> Figure:
    colour = SOURCE if seen.shown == ON_SOURCE else TARGET
    lines = [(t("mean"), _along(seen.table, one.name, seen.shown), colour, "solid")]
    if seen.shown == ON_TARGET and seen.table["alone"].notna().any():
        lines.append((t("target only"), _along(seen.table, one.name, "alone"), REFERENCE, "dot"))
    return charts_maps.along(lines, one.values, (label(one.name), seen.title))


def _along(table: pd.DataFrame, name: str, value: str) -> pd.DataFrame:
    return sweeps.folded(table, (name,), value).rename(columns={name: "value"})


def _worth(sweep: Sweep, table: pd.DataFrame) -> None:
    """How many labels the source saves."""
    if sweeps.SIZE not in table or not sweep.baseline:
        return
    own, told = table, []
    for axis in sweep.axes:
        usual = varied(sweep.base, axis.name).value
        if axis.name != sweeps.SIZE and len(axis.values) > 1:
            usual = usual if usual in axis.values else axis.values[0]
            own = own[own[axis.name].map(str) == str(usual)]
            told.append(f"{label(axis.name)} {charts_maps.written(usual)}")
    found = sweeps.labels_worth(own, metric(sweep).higher_is_better).to_dict("records")
    words = [_worth_of(int(row["size"]), row["needs"], int(found[0]["size"])) for row in found if row["needs"] > 0]
    if never := [int(row["size"]) for row in found if row["needs"] != row["needs"]]:
        sizes = ", ".join(map(str, never))
        words.append(t("What {n} labels reach with the source, no number that was tried reaches without it.", n=sizes))
    if words:
        st.markdown(f"**{t('How many labels the source is worth')}**")
        st.markdown("\n".join("- " + page.literal(sentence) for sentence in words))
        at = t("With {settings}: read off between the two curves over the labels.", settings=", ".join(told))
        st.caption(page.literal(at) if told else t("Read off between the two curves over the labels."))


def _worth_of(size: int, needs: float, least: int) -> str:
    if needs <= least:
        return t("{n} labels with the source do no better than {needs} without it.", n=size, needs=least)
    return t("{n} labels with the source do as well as {needs} without it.", n=size, needs=round(needs))


def _shares(seen: _Seen) -> None:
    names = [axis.name for axis in seen.varying]
    found = sweeps.importance(seen.table, names, seen.shown)
    if not found:
        return
    titles = {name: label(name) for name in names} | {sweeps.DRAW: t("which draw (luck)")}
    st.markdown(f"**{t('What matters')}**")
    figure = seen.figure("shares", lambda: charts_maps.shares(found, titles))
    page.plot(figure, "map shares", t("The share of the variance that each setting explains."))
    st.caption(
        t("How much of the differences between runs each explains alone (η²). The rest: what they do together, chance.")
    )


def _parallel(seen: _Seen) -> None:
    with st.expander(t("Every run as a line"), key="map lines", on_change="rerun") as opened:
        if not opened.open:
            return
        axes = [(axis.name, label(axis.name), axis.values) for axis in seen.varying]
        figure = seen.figure("parallel", lambda: charts_maps.parallel(seen.table, axes, seen.shown, seen.title))
        page.plot(figure, "map parallel", t("Every run as a line through its settings."))
