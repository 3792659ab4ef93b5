"""Charts: data frame in, plotly figure out. One template; no Streamlit, no torch.

Source blue, target orange, reference grey everywhere (Okabe & Ito); training thin, validation bold. A page draws the
figures with Streamlit's theme, which turns fonts, axes and background dark or light; the traces' colours stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from ctx.verdict import interval

SOURCE, TARGET, REFERENCE, BOTH = "#0072B2", "#D55E00", "#808080", "#009E73"
MORE = ("#CC79A7", "#E69F00", "#56B4E9", "#F0E442")  # further lines, in this order
COLOURS = {"source": SOURCE, "target": TARGET, "reference": REFERENCE, "both": BOTH}
THIN, BOLD = 1.0, 2.5
CONFIG = {"displayModeBar": False, "scrollZoom": False}  # what every page passes to st.plotly_chart
ROW_HEIGHT = 58  # pixels of a row of dots
TICKS = {"size": 13}
SPREAD_FROM = 3  # draws from which an interval says anything


@dataclass(frozen=True)
class Mark:
    """A moment in training to draw as a vertical line: where (on the x axis) and what to write beside it."""

    x: float
    text: str


def template(dark: bool = False) -> go.layout.Template:
    """The look of every chart; ``dark`` for files that are made without a page."""
    ink, grid = ("#E8E8E8", "#3A3A3A") if dark else ("#31333F", "#E3E5EA")
    axis = {"gridcolor": grid, "zeroline": False, "automargin": True, "title": {"standoff": 8}, "linecolor": grid}
    return go.layout.Template(
        layout={
            "font": {"family": "Source Sans, Segoe UI, Helvetica, Arial, sans-serif", "size": 13, "color": ink},
            "colorway": [SOURCE, TARGET, BOTH, *MORE],
            "paper_bgcolor": "rgba(0,0,0,0)" if not dark else "#0E1117",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
            "xaxis": axis,
            "yaxis": axis,
            "hoverlabel": {"align": "left"},
            "legend": {"orientation": "h", "y": -0.25, "x": 0},
        }
    )


def literal(text: str) -> str:
    """Text of data for a figure: plotly reads a little HTML, and none of it comes from data."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def figure(height: int, revision: str = "chart") -> go.Figure:
    """An empty figure in the template; zoom and hidden lines outlast a redraw with the same ``revision``."""
    return go.Figure(layout={"template": template(), "height": height, "uirevision": revision, "separators": ".\u202f"})


def number(value: float) -> str:
    """Three digits without the leading zero, as results are written: ``.753``, ``-.024``, ``1.25``."""
    text = f"{value:.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 and not text.endswith("1.000") else f"{value:.2f}"


def dots(
    values: pd.DataFrame,
    rows: Sequence[tuple[str, str]],
    axis: str,
    floor: float | None = None,
    revision: str = "dots",
) -> go.Figure:
    """A row of dots an arm: each draw a small dot, their mean a large one, its 95 % interval a line (from 3 draws on).

    ``values``: columns row, draw, value. ``rows``: (label, colour) from the top; labels are what the column row holds.
    ``axis``: the metric's name for the x axis. ``floor``: a dotted line through all rows.
    """
    found = figure(len(rows) * ROW_HEIGHT + 46, revision)
    for place, (label, colour) in enumerate(rows):
        own = values[values["row"] == label].dropna(subset=["value"])
        if not own.empty:
            _row_of_dots(found, own, place, label, colour)
    if floor is not None:
        found.add_vline(x=floor, line={"color": REFERENCE, "width": 1, "dash": "dot"})
    ticks = {"tickvals": list(range(len(rows))), "ticktext": [literal(label) for label, _ in rows]}
    found.update_yaxes(range=[len(rows) - 0.4, -0.7], showgrid=False, fixedrange=True, tickfont=TICKS, **ticks)
    found.update_xaxes(title_text=literal(axis), fixedrange=True, range=_room(values, floor), tickfont=TICKS)
    return found.update_layout(showlegend=False)


def _room(values: pd.DataFrame, floor: float | None) -> list[float] | None:
    """The x range: all dots and the floor, with room for the labels."""
    every = [*values["value"].dropna().tolist(), *([] if floor is None else [floor])]
    if not every:
        return None
    low, high = min(every), max(every)
    spread = max(high - low, 0.05)
    return [low - 0.08 * spread, high + 0.12 * spread]


def _row_of_dots(found: go.Figure, own: pd.DataFrame, place: int, label: str, colour: str) -> None:
    scatter = [place + 0.24 + 0.05 * ((n * 2) % 5 - 2) / 2 for n in range(len(own))]
    mean = float(own["value"].mean())
    low, high = interval(own["value"].tolist())
    found.add_scatter(
        x=own["value"],
        y=scatter,
        mode="markers",
        marker={"size": 8, "color": colour, "opacity": 0.45, "line": {"width": 0}},
        customdata=own["draw"] + 1,
        hovertemplate=f"{literal(label)}<br>draw %{{customdata}}: %{{x:.3f}}<extra></extra>",
    )
    if low is not None and high is not None and len(own) >= SPREAD_FROM:
        found.add_scatter(
            x=[low, high], y=[place, place], mode="lines", line={"color": colour, "width": 3}, hoverinfo="skip"
        )
    found.add_scatter(
        x=[mean],
        y=[place],
        mode="markers+text",
        marker={"size": 14, "color": colour, "line": {"width": 1.5, "color": "white"}},
        text=[f"<b>{number(mean)}</b>"],
        textposition="top center",
        textfont={"size": 14},
        cliponaxis=False,
        hovertemplate=f"{literal(label)}<br>mean of {len(own)}: %{{x:.3f}}<extra></extra>",
    )


def curves(
    lines: pd.DataFrame,
    axis: tuple[str, str],
    marks: Sequence[Mark] = (),
    revision: str = "curves",
    height: int = 300,
) -> go.Figure:
    """Curves over training, one for every (line, run).

    ``lines``: columns x, y, line (what the legend says), bold, run, colour, dash ("solid", "dot"). ``axis``: titles of
    x and y, with units. A missing y is a gap.
    """
    found = figure(height, revision)
    shown: set[str] = set()
    for (line, run), own in lines.groupby(["line", "run"], sort=False):
        first = own.iloc[0]
        found.add_scatter(
            x=own["x"],
            y=own["y"],
            mode="lines+markers" if first["bold"] and len(own) < 3 else "lines",
            line={"color": first["colour"], "width": BOLD if first["bold"] else THIN, "dash": first["dash"]},
            opacity=1.0 if first["bold"] else 0.5,
            connectgaps=False,
            name=literal(str(line)),
            legendgroup=str(line),
            showlegend=line not in shown,
            hovertemplate=f"{literal(str(line))}<br>%{{x}}: %{{y:.3g}}<extra></extra>",
        )
        shown.add(str(line))
    for mark in marks:
        found.add_vline(x=mark.x, line={"color": REFERENCE, "width": 1, "dash": "dash"})
        found.add_annotation(
            x=mark.x, y=1, yref="paper", text=literal(mark.text), showarrow=False, xanchor="left", font={"size": 11}
        )
    found.update_xaxes(title_text=literal(axis[0]), rangemode="tozero", fixedrange=True, tickfont=TICKS)
    return found.update_yaxes(title_text=literal(axis[1]), fixedrange=True, tickfont=TICKS)
