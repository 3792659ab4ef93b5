"""The charts of what happens inside a run: shares of the loss stacked, cosines of gradients around zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from ctx.charts import BOLD, BOTH, MORE, REFERENCE, SOURCE, TARGET, THIN, figure, literal
from ctx.records import Series

CONFLICT = "rgba(213, 94, 0, .12)"
LOW, HIGH = (86, 180, 233), (0, 45, 90)  # the lowest layer's colour and the highest's


def colours(parts: Sequence[str]) -> dict[str, str]:
    """Of the parts of a loss, the same in all charts of a run."""
    others = iter((*MORE, BOTH, REFERENCE) * len(parts))
    return {part: {"source": SOURCE, "target": TARGET}.get(part) or next(others) for part in parts}


def stacked(parts: Mapping[str, Series], names: Mapping[str, str], title: str) -> go.Figure:
    """Shares that add up to one, over the examples seen. ``names``: what the legend says of each."""
    colour = colours(list(parts))
    chart = figure(260, "shares")
    chart.add_traces(
        [
            go.Scatter(
                x=x,
                y=y,
                mode="lines",
                stackgroup="one",
                line={"width": 0.5, "color": colour[part]},
                name=literal(names[part]),
                hovertemplate=f"{literal(names[part])}: %{{y:.0%}}<extra></extra>",
            )
            for part, (x, y) in parts.items()
        ]
    )
    chart.update_xaxes(title_text=literal(title), rangemode="tozero")
    return chart.update_yaxes(title_text="", range=[0, 1], tickformat=".0%")


def cosines(whole: Series, layers: Sequence[tuple[str, Series]], name: str, titles: tuple[str, str, str]) -> go.Figure:
    """The cosine over all layers bold, of each layer thin, the lower the lighter; below zero the ground is marked.

    ``titles``: of both axes, and what stands in the marked ground.
    """
    chart = figure(300, "cosines")
    said = {"annotation_text": literal(titles[2]), "annotation_position": "bottom right", "annotation_font_size": 11}
    chart.add_hrect(y0=-1, y1=0, fillcolor=CONFLICT, line_width=0, layer="below", **said)
    lines = [
        go.Scatter(
            x=x,
            y=y,
            mode="lines+markers" if len(x) < 3 else "lines",
            line={"width": THIN, "color": shade(i, len(layers))},
            name=literal(label),
            hovertemplate=f"{literal(label)}: %{{y:.2f}}<extra></extra>",
        )
        for i, (label, (x, y)) in enumerate(layers)
    ]
    bold = go.Scatter(
        x=whole[0],
        y=whole[1],
        mode="lines+markers",
        line={"width": BOLD, "color": BOTH},
        name=literal(name),
        hovertemplate=f"{literal(name)}: %{{y:.2f}}<extra></extra>",
    )
    chart.add_traces([*lines, bold])
    chart.update_xaxes(title_text=literal(titles[0]), rangemode="tozero")
    return chart.update_yaxes(title_text=literal(titles[1]), range=[-1, 1])


def shade(place: int, count: int) -> str:
    """The colour of a layer among so many, from light to dark."""
    share = place / max(count - 1, 1)
    return "rgb({}, {}, {})".format(*(round(a + share * (b - a)) for a, b in zip(LOW, HIGH, strict=True)))
