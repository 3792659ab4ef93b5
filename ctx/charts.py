"""Charts: numbers in, plotly figure out. One template; no Streamlit, no torch.

Source blue, target orange, reference grey everywhere (Okabe & Ito); training thin, validation bold. A page draws the
figures with Streamlit's theme, which turns fonts, axes and background dark or light; the traces' colours stay.
A figure is built in one go from plain data: adding traces one by one takes five times as long, and a live chart is
drawn every second for every viewer.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ctx.i18n import t
from ctx.verdict import interval

SOURCE, TARGET, REFERENCE, BOTH = "#0072B2", "#D55E00", "#808080", "#009E73"
MORE = ("#CC79A7", "#E69F00", "#56B4E9", "#F0E442")  # further lines, in this order
COLOURS = {"source": SOURCE, "target": TARGET, "reference": REFERENCE, "both": BOTH}
THIN, BOLD = 1.0, 2.5
CONFIG = {"displayModeBar": False, "scrollZoom": False}  # what every page passes to st.plotly_chart
ROW_HEIGHT = 58  # pixels of a row of dots
LABEL_WIDTH = 22  # characters of a line of its label
TICKS = {"size": 13}
NARROWEST = 0.1  # of the dots' axis: smaller differences shall not look large
SPREAD_FROM = 3  # draws from which an interval says anything
TOWERS, BEGINNING = 3, 0.2  # times as high as all that follows, in the first fifth: left out and written down


@dataclass(frozen=True)
class Mark:
    """A moment in training to draw as a vertical line: where (on the x axis) and what to write beside it."""

    x: float
    text: str


def template(dark: bool = False) -> go.layout.Template:
    """The look of every chart; ``dark`` for files that are made without a page."""
    ink, grid = ("#E8E8E8", "#3A3A3A") if dark else ("#31333F", "#E3E5EA")
    axis = {"gridcolor": grid, "zeroline": False, "automargin": True, "title": {"standoff": 8}, "linecolor": grid}
    axis["exponentformat"] = "power"  # not 800µ
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


TEMPLATE = template()


def literal(text: str) -> str:
    """Text of data for a figure: plotly reads a little HTML, and none of it comes from data."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def figure(height: int, revision: str = "chart") -> go.Figure:
    """An empty figure in the template; zoom and hidden lines outlast a redraw with the same ``revision``."""
    return go.Figure(layout=_layout(height, revision))


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
    reach: float = NARROWEST,
) -> go.Figure:
    """A row of dots an arm: each draw a small dot, their mean a large one, its 95 % interval a line (from 3 draws on).

    ``values``: columns row, draw, value. ``rows``: (label, colour) from the top; labels are what the column row holds.
    ``axis``: the metric's name for the x axis. ``floor``: a dotted line through all rows.
    ``reach``: how much the axis spans at least.
    """
    values = values.dropna(subset=["value"])
    traces: list[dict[str, Any]] = []
    for place, (label, colour) in enumerate(rows):
        own = values[values["row"] == label]
        if not own.empty:
            traces += _row_of_dots(own, place, literal(label), colour)
    ticks = {"tickvals": list(range(len(rows))), "ticktext": [_folded(label) for label, _ in rows]}
    layout = _layout(len(rows) * ROW_HEIGHT + 46, revision) | {
        "yaxis": {"range": [len(rows) - 0.4, -0.7], "showgrid": False, "fixedrange": True, "tickfont": TICKS} | ticks,
        "xaxis": _axis(axis) | {"range": _room(values["value"].tolist(), floor, reach)},
        "shapes": [] if floor is None else [_upright(floor, "dot")],
        "showlegend": False,
    }
    return go.Figure(data=traces, layout=layout)


def _folded(label: str) -> str:
    """A row's label on lines so short that a phone has room for the dots beside it."""
    return "<br>".join(literal(line) for line in textwrap.wrap(label, LABEL_WIDTH)) or literal(label)


def _layout(height: int, revision: str) -> dict[str, Any]:
    return {"template": TEMPLATE, "height": height, "uirevision": revision}


def _axis(title: str) -> dict[str, Any]:
    return {"title": {"text": literal(title)}, "fixedrange": True, "tickfont": TICKS}


def _upright(x: float, dash: str) -> dict[str, Any]:
    line = {"color": REFERENCE, "width": 1, "dash": dash}
    return {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": line}


def _room(values: list[float], floor: float | None, reach: float) -> list[float] | None:
    """The x range: all dots and the floor, with room for the labels."""
    every = [*values, *([] if floor is None else [floor])]
    if not every:
        return None
    low, high = min(every), max(*every, min(every) + reach)
    spread = high - low
    return [low - 0.08 * spread, high + 0.12 * spread]


def _row_of_dots(own: pd.DataFrame, place: int, label: str, colour: str) -> list[dict[str, Any]]:
    values = [float(value) for value in own["value"]]
    mean = sum(values) / len(values)
    low, high = interval(values)
    small = {
        "x": values,
        "y": [place + 0.24 + 0.05 * ((n * 2) % 5 - 2) / 2 for n in range(len(values))],
        "mode": "markers",
        "marker": {"size": 8, "color": colour, "opacity": 0.45, "line": {"width": 0}},
        "customdata": [int(draw) + 1 for draw in own["draw"]],
        "hovertemplate": f"{label}<br>draw %{{customdata}}: %{{x:.3f}}<extra></extra>",
    }
    large = {
        "x": [mean],
        "y": [place],
        "mode": "markers+text",
        "marker": {"size": 14, "color": colour, "line": {"width": 1.5, "color": "white"}},
        "text": [f"<b>{number(mean)}</b>"],
        "textposition": "top center",
        "textfont": {"size": 14},
        "cliponaxis": False,
        "hovertemplate": f"{label}<br>mean of {len(values)}: %{{x:.3f}}<extra></extra>",
    }
    if len(values) == 1:
        return [large]
    if low is None or high is None or len(values) < SPREAD_FROM:
        return [small, large]
    line = {"color": colour, "width": 3}
    return [
        small,
        {"x": [low, high], "y": [place, place], "mode": "lines", "line": line, "hoverinfo": "skip"},
        large,
    ]


@dataclass(frozen=True)
class Line:
    """One curve: where it runs (``x``, ``y``; a missing y is a gap), what the legend says, how it is drawn."""

    name: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    colour: str
    bold: bool = False
    dash: str = "solid"


class Cut(NamedTuple):
    """The ``range`` of a y axis that leaves a high beginning out, and the ``note`` that says how high it was."""

    range: list[float]
    note: dict[str, Any]


def curves(
    lines: Sequence[Line],
    axis: tuple[str, str],
    marks: Sequence[Mark] = (),
    revision: str = "curves",
    height: int = 300,
    rises: bool = False,
) -> go.Figure:
    """Curves over training: training thin, validation bold; lines of one name share a place in the legend.

    ``axis``: titles of x and y, with units. ``rises``: more is better; else a towering beginning is left out.
    """
    shown: set[str] = set()
    traces = []
    for line in lines:
        name = literal(line.name)
        traces.append(
            {
                "x": line.x,
                "y": line.y,
                "mode": "lines+markers" if line.bold and len(line.x) < 3 else "lines",
                "line": {"color": line.colour, "width": BOLD if line.bold else THIN, "dash": line.dash},
                "opacity": 1.0 if line.bold else 0.5,
                "connectgaps": False,
                "name": name,
                "legendgroup": name,
                "showlegend": name not in shown,
                "hovertemplate": f"{name}<br>%{{x}}: %{{y:.3g}}<extra></extra>",
            }
        )
        shown.add(name)
    beginning = None if rises else cut([(line.x, line.y) for line in lines])
    layout = _layout(height, revision) | {
        "xaxis": _axis(axis[0]) | {"rangemode": "tozero"},
        "yaxis": _axis(axis[1]) | ({"range": beginning.range} if beginning else {}),
        "shapes": [_upright(mark.x, "dash") for mark in marks],
        "annotations": _notes(marks) + ([beginning.note] if beginning else []),
    }
    return go.Figure(data=traces, layout=layout)


def cut(curves: Sequence[tuple[Sequence[float] | np.ndarray, Sequence[float] | np.ndarray]]) -> Cut | None:
    """Where curves ``(x, y)`` begin so high that nothing else could be told apart: the picture without that.

    A curve's beginning is the first fifth of itself. For curves that are to fall.
    """
    there = [(np.asarray(x, float), np.asarray(y, float)) for x, y in curves if len(x)]
    if not any(len(x) > 2 for x, _ in there):
        return None
    begins = np.concatenate([(x < BEGINNING * x[-1]) | (np.arange(len(x)) == 0) for x, _ in there])
    y = np.concatenate([y for _, y in there])
    early, later = y[begins & np.isfinite(y)], y[~begins & np.isfinite(y)]
    if not len(early) or not len(later) or not early.max() > TOWERS * later.max() > 0:
        return None
    low, high = float(min(early.min(), later.min())), float(later.max())
    text = t("at first up to {value}", value=f"{early.max():.3g}")
    corner = {"x": 1, "xref": "paper", "xanchor": "right", "y": 1, "yref": "paper", "yanchor": "top"}
    note = {"text": text, "showarrow": False, "yshift": -16, "font": {"size": 11}} | corner  # beneath what marks say
    return Cut([min(low - 0.1 * (high - low), 0.9 * low), TOWERS * high], note)


def _notes(marks: Sequence[Mark]) -> list[dict[str, Any]]:
    """What the marks say, those of one place together."""
    said: dict[float, list[str]] = {}
    for mark in marks:
        said.setdefault(mark.x, []).append(literal(mark.text))
    shape = {"y": 1, "yref": "paper", "showarrow": False, "xanchor": "left", "font": {"size": 11}}
    return [{"x": x, "text": ", ".join(texts)} | shape for x, texts in said.items()]
