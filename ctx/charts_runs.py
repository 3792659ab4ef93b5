"""The charts of Compare and Run: curves laid over each other, and confusion counts. Data in, plotly figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap

import pandas as pd
import plotly.graph_objects as go

from ctx.charts import BOLD, BOTH, MORE, REFERENCE, THIN, cut, figure, literal
from ctx.overlay import Overlay

PALETTE = (BOTH, *MORE[:3], "#8B5FBF", "#A0522D")  # arms; source and target keep their own two
DASHES = ("solid", "dash", "dot", "dashdot")
MOST_BANDS = 8  # more of them can't be told apart
LABEL_WIDTH = 28  # characters
ROOM = 34  # pixels above a chart for the camera
CAMERA = {  # passed to st.plotly_chart: one button, which saves the chart as PNG in the browser
    "displaylogo": False,
    "displayModeBar": True,
    "modeBarButtons": [["toImage"]],
}


def camera(name: str) -> dict[str, object]:
    """The configuration of a chart that can be saved: a PNG file of that name at twice the size."""
    return CAMERA | {"toImageButtonOptions": {"format": "png", "filename": name, "scale": 2}}


def colour(place: int) -> str:
    """The colour of the arm at a place."""
    return PALETTE[place % len(PALETTE)]


def wrapped(label: str) -> str:
    """A label for an axis: literal, on several lines where it is long."""
    return "<br>".join(literal(line) for line in wrap(label, LABEL_WIDTH))


def overlay_figure(
    found: Overlay,
    order: Sequence[str],
    axis: tuple[str, str],
    baseline: str = "",
    height: int = 320,
    rises: bool = False,
) -> go.Figure:
    """Means bold; single draws thin, or the range of all draws as a band where there are few arms.

    ``order``: the arms as colours go. ``axis``: the titles of x and y, with units. ``baseline``: the arm that is drawn
    in the reference's grey. ``rises``: more is better; else a towering beginning is left out.
    """
    means = {str(arm): own for arm, own in found.means.groupby("arm", sort=False)}
    lines = {arm: _line(arm, order, baseline) for arm in means}
    singly = [(str(arm), own) for (arm, _), own in found.draws.groupby(["arm", "run"], sort=False)]
    traces = [_draw(own, arm, lines[arm]) for arm, own in singly]
    drawn = [(own["x"].to_numpy(), own["y"].to_numpy()) for own in (*means.values(), *(own for _, own in singly))]
    if found.draws.empty and len(means) <= MOST_BANDS:
        bands = {arm: own for arm, own in means.items() if (own["low"] < own["high"]).any()}
        traces += [_band(own, arm, lines[arm]) for arm, own in bands.items()]
        drawn += [(own["x"].to_numpy(), own[edge].to_numpy()) for own in bands.values() for edge in ("low", "high")]
    traces += [_mean(own, arm, lines[arm]) for arm, own in means.items()]
    chart = figure(height, "overlay").update_layout(margin_t=ROOM)
    chart.add_traces(traces)  # all at once: one by one takes twice as long
    chart.update_xaxes(title_text=literal(axis[0]), rangemode="tozero")
    beginning = None if rises else cut(drawn)
    if beginning:
        chart.update_layout(annotations=[beginning.note]).update_yaxes(range=beginning.range)
    return chart.update_yaxes(title_text=literal(axis[1]))


def _draw(own: pd.DataFrame, arm: str, line: Mapping[str, object]) -> go.Scatter:
    thin = {**line, "width": THIN}
    quiet = {"mode": "lines", "opacity": 0.5, "showlegend": False, "hoverinfo": "skip"}
    return go.Scatter(x=own["x"], y=own["y"], line=thin, legendgroup=arm, **quiet)


def _band(own: pd.DataFrame, arm: str, line: Mapping[str, object]) -> go.Scatter:
    x, y = [*own["x"], *own["x"][::-1]], [*own["high"], *own["low"][::-1]]
    quiet = {"mode": "lines", "opacity": 0.18, "showlegend": False, "hoverinfo": "skip", "line": {"width": 0}}
    return go.Scatter(x=x, y=y, fill="toself", fillcolor=line["color"], legendgroup=arm, **quiet)


def _mean(own: pd.DataFrame, arm: str, line: Mapping[str, object]) -> go.Scatter:
    return go.Scatter(
        x=own["x"],
        y=own["y"],
        mode="lines" if len(own) > 2 else "lines+markers",
        line={**line, "width": BOLD},
        name=literal(arm),
        legendgroup=arm,
        hovertemplate=f"{literal(arm)}<br>%{{x}}: %{{y:.3g}}<extra></extra>",
    )


def _line(arm: str, order: Sequence[str], baseline: str) -> dict[str, object]:
    if arm == baseline:
        return {"color": REFERENCE, "dash": "dot"}
    place = list(order).index(arm)
    return {"color": colour(place), "dash": DASHES[place // len(PALETTE) % len(DASHES)]}


def confusion_figure(counts: Sequence[Sequence[int]], labels: Sequence[str], shade: str) -> go.Figure:
    """Counts ``[C][C]``, row the true label, column the answer; shaded by the share of the row."""
    shares = [[n / max(sum(row), 1) for n in row] for row in counts]
    texts = [
        [f"{n}<br>{share:.0%}" for n, share in zip(*pair, strict=True)] for pair in zip(counts, shares, strict=True)
    ]
    names = [literal(label) for label in labels]
    chart = figure(120 + 60 * len(labels), "confusion").update_layout(margin_t=ROOM)
    chart.add_heatmap(
        z=shares,
        x=names,
        y=names,
        text=texts,
        texttemplate="%{text}",
        zmin=0,
        zmax=1,
        showscale=False,
        colorscale=[[0, "rgba(128,128,128,0.06)"], [1, shade]],
        xgap=2,
        ygap=2,
        hovertemplate="truly %{y}, answered %{x}: %{text}<extra></extra>",
    )
    chart.update_xaxes(title_text="answered", side="top", fixedrange=True, showgrid=False)
    return chart.update_yaxes(title_text="truly", autorange="reversed", fixedrange=True, showgrid=False)
