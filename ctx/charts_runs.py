"""The charts of Compare and Run: curves laid over each other, and confusion counts. Data in, plotly figure out."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from ctx.charts import BOLD, BOTH, MORE, REFERENCE, THIN, figure, literal
from ctx.overlay import Overlay

PALETTE = (BOTH, *MORE[:3], "#8B5FBF", "#A0522D")  # arms; source and target keep their own two
DASHES = ("solid", "dash", "dot", "dashdot")
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


def overlay_figure(
    found: Overlay, order: Sequence[str], axis: tuple[str, str], baseline: str = "", height: int = 320
) -> go.Figure:
    """Means bold; single draws thin, or the range of all draws as a band. ``order``: the arms as colours go.

    ``axis``: the titles of x and y, with units. ``baseline``: the arm that is drawn in the reference's grey.
    """
    chart = figure(height, "overlay").update_layout(margin_t=ROOM)
    for arm, own in found.draws.groupby("arm", sort=False):
        for _, draw in own.groupby("run", sort=False):
            line = _line(str(arm), order, baseline) | {"width": THIN}
            chart.add_scatter(
                x=draw["x"],
                y=draw["y"],
                mode="lines",
                line=line,
                opacity=0.5,
                showlegend=False,
                legendgroup=str(arm),
                hoverinfo="skip",
            )
    for arm, own in found.means.groupby("arm", sort=False):
        line = _line(str(arm), order, baseline)
        if not (own["low"] == own["high"]).all() and arm not in set(found.draws["arm"]):
            chart.add_scatter(
                x=[*own["x"], *own["x"][::-1]],
                y=[*own["high"], *own["low"][::-1]],
                fill="toself",
                mode="lines",
                line={"width": 0},
                fillcolor=line["color"],
                opacity=0.18,
                hoverinfo="skip",
                showlegend=False,
                legendgroup=str(arm),
            )
        name = literal(str(arm))
        chart.add_scatter(
            x=own["x"],
            y=own["y"],
            mode="lines" if len(own) > 2 else "lines+markers",
            line=line | {"width": BOLD},
            name=name,
            legendgroup=str(arm),
            hovertemplate=f"{name}<br>%{{x}}: %{{y:.3g}}<extra></extra>",
        )
    chart.update_xaxes(title_text=literal(axis[0]), rangemode="tozero")
    return chart.update_yaxes(title_text=literal(axis[1]))


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
