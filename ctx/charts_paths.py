"""The chart of a preview: a score along λ or along the number of labels, where one stands, where runs have landed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from ctx.charts import BOLD, SPREAD_FROM, Mark, figure, literal, number
from ctx.verdict import half_width

INK = "#CC79A7"  # of the marker: neither source nor target, seen on light and dark


@dataclass(frozen=True)
class Line:
    """Scores ``[V, D]`` at places ``[V]`` of the x axis, over draws."""

    name: str
    x: np.ndarray
    scores: np.ndarray
    colour: str
    dash: str = "solid"

    @property
    def mean(self) -> np.ndarray:
        """``[V]``, over draws."""
        found: np.ndarray = self.scores.mean(1)
        return found


def along(
    lines: Sequence[Line],
    ticks: Sequence[tuple[float, str]],
    titles: tuple[str, str],
    mark: Mark | None = None,
    dots: Sequence[tuple[float, float]] = (),
    landed: str = "",
    height: int = 320,
) -> go.Figure:
    """Means with their 95 % interval as a band; an upright line where one stands; a dot for every run that has ended.

    ``ticks``: (place, text) of the x axis; ``titles``: of x and y; ``landed``: what the legend calls the dots.
    """
    chart = figure(height, "path").update_layout(margin_t=34, legend_y=-0.42)
    traces = [trace for line in lines for trace in (*_band(line), _mean(line))]
    if dots:
        x, y = zip(*dots, strict=True)
        look = {"size": 8, "color": "rgba(0,0,0,0)", "line": {"width": 1.5, "color": INK}}
        traces.append(
            go.Scatter(
                x=x, y=y, mode="markers", marker=look, name=literal(landed), hovertemplate="%{y:.3f}<extra></extra>"
            )
        )
    chart.add_traces(traces)
    if mark is not None:
        upright = {"type": "line", "x0": mark.x, "x1": mark.x, "y0": 0, "y1": 1, "yref": "paper"}
        said = {
            "x": mark.x,
            "y": 1,
            "yref": "paper",
            "yanchor": "bottom",
            "text": literal(mark.text),
            "showarrow": False,
        }
        chart.update_layout(shapes=[upright | {"line": {"color": INK, "width": 2}}], annotations=[said])
    places = [place for place, _ in ticks]
    chart.update_xaxes(
        title_text="<br>".join(map(literal, titles[0].split("\n"))),
        tickvals=places,
        ticktext=[literal(text) for _, text in ticks],
        tickangle=0,
        range=[min(places) - 0.15, max(places) + 0.15],
        fixedrange=True,
    )
    return chart.update_yaxes(title_text=literal(titles[1]), fixedrange=True)


def _band(line: Line) -> list[go.Scatter]:
    draws = line.scores.shape[1]
    if draws < SPREAD_FROM:
        return []
    half = half_width(line.scores.std(1, ddof=1), draws)
    low, high = line.mean - half, line.mean + half
    return [
        go.Scatter(
            x=[*line.x, *line.x[::-1]],
            y=[*high, *low[::-1]],
            fill="toself",
            mode="lines",
            line={"width": 0},
            fillcolor=line.colour,
            opacity=0.15,
            hoverinfo="skip",
            showlegend=False,
            legendgroup=line.name,
        )
    ]


def _mean(line: Line) -> go.Scatter:
    return go.Scatter(
        x=line.x,
        y=line.mean,
        mode="lines",
        line={"color": line.colour, "width": BOLD, "dash": line.dash},
        name=literal(line.name),
        legendgroup=line.name,
        text=[number(value) for value in line.mean],
        hovertemplate=f"{literal(line.name)}: %{{text}}<extra></extra>",
    )
