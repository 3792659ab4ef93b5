"""The charts of a map: its cells, a curve along one setting, what each setting explains, all runs as lines."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ctx.charts import BOLD, REFERENCE, TARGET, figure, literal, number
from ctx.charts_runs import ROOM
from ctx.i18n import t

DIVERGING = [[0, "#F0A072"], [0.5, "#F7F7F5"], [1, "#7DB8DE"]]  # hurt, no difference, helped; ink stays readable
RISING = [[0, "#F4F8FB"], [1, "#7DB8DE"]]
INK, SPOT = "#1A1A1A", "rgba(60,60,60,0.35)"
CELL, DOT = 56, (6, 26)  # pixels: a row's height; a dot's smallest and largest size


def heat(cells: pd.DataFrame, axes: Sequence[tuple[str, str, Sequence[Any]]], diverging: bool = False) -> go.Figure:
    """A cell for every pair of values: its colour and number are the mean, its dot's size the spread over draws.

    ``cells``: columns of the two axes, mean, sd, n. ``axes``: (column, title, values) of x, then of y. Points of the
    last trace are the cells in their order, to be clicked.
    """
    (x, x_title, xs), (y, y_title, ys) = axes
    across, up = ({str(value): place for place, value in enumerate(values)} for values in (xs, ys))
    z: list[list[float | None]] = [[None] * len(xs) for _ in ys]
    records = cells.to_dict("records")
    for cell in records:
        z[up[str(cell[y])]][across[str(cell[x])]] = cell["mean"]
    far = max((abs(cell["mean"]) for cell in records), default=0.0) or 1.0
    scale: dict[str, Any] = (
        {"colorscale": DIVERGING, "zmid": 0, "zmin": -far, "zmax": far} if diverging else {"colorscale": RISING}
    )
    chart = figure(CELL * len(ys) + 80 + ROOM, "heat").update_layout(margin_t=ROOM)
    chart.add_trace(go.Heatmap(z=z, xgap=2, ygap=2, hoverinfo="skip", showscale=False, **scale))
    chart.add_trace(_spots(records, (x, y), (across, up)))
    for update, values, name in ((chart.update_xaxes, xs, x_title), (chart.update_yaxes, ys, y_title)):
        ticks = {"tickvals": list(range(len(values))), "ticktext": _ticks(values)}
        update(title_text=literal(name), showgrid=False, fixedrange=True, range=[-0.5, len(values) - 0.5], **ticks)
    return chart


def _spots(
    records: Sequence[Mapping[Hashable, Any]], axes: tuple[str, str], places: tuple[Mapping[str, int], ...]
) -> go.Scatter:
    spreads = [cell["sd"] if cell["n"] > 1 else 0.0 for cell in records]
    widest = max(spreads, default=0.0) or 1.0
    said = [
        t("{mean} over {n} draws, standard deviation {sd}", mean=number(cell["mean"]), n=cell["n"], sd=number(spread))
        if cell["n"] > 1
        else t("{mean}, one draw", mean=number(cell["mean"]))
        for cell, spread in zip(records, spreads, strict=True)
    ]
    return go.Scatter(
        x=[places[0][str(cell[axes[0]])] for cell in records],
        y=[places[1][str(cell[axes[1]])] for cell in records],
        mode="markers+text",
        text=[f"<b>{number(cell['mean'])}</b>" for cell in records],
        textposition="top center",
        marker={
            "size": [DOT[0] + (DOT[1] - DOT[0]) * (spread / widest) ** 0.5 for spread in spreads],
            "color": SPOT,
            "line": {"width": 1, "color": "white"},
        },
        textfont={"size": 11, "color": INK},
        selected={"marker": {"color": INK}, "textfont": {"color": INK}},
        unselected={"marker": {"opacity": 1}, "textfont": {"color": INK}},  # plotly fades what wasn't clicked
        customdata=[[str(cell[axis]) for axis in axes] for cell in records],
        hovertext=said,
        hoverinfo="text",
        showlegend=False,
    )


def along(
    lines: Sequence[tuple[str, pd.DataFrame, str, str]], values: Sequence[Any], axis: tuple[str, str], height: int = 300
) -> go.Figure:
    """Means along one setting with their 95 % interval as a band.

    ``lines``: (name, frame with columns value, mean, low, high; colour, dash). ``values``: of the setting, in order:
    they stand at equal distances, since λ has a 0 and sizes double. ``axis``: titles of x and y.
    """
    places = {str(value): place for place, value in enumerate(values)}
    beside = 0.5 if any(isinstance(value, str) for value in values) else 0.3  # words take room
    top = {"y": 1.02, "yanchor": "bottom"}  # words that stand aslant below the axis would run into it
    chart = figure(height, "along").update_layout(margin_t=ROOM, legend=top)
    for name, own, colour, dash in lines:
        own = own.assign(place=[places[str(value)] for value in own["value"]]).sort_values("place")
        band = own.dropna(subset=["low", "high"])
        if len(band) > 1:
            chart.add_trace(
                go.Scatter(
                    x=[*band["place"], *band["place"][::-1]],
                    y=[*band["high"], *band["low"][::-1]],
                    fill="toself",
                    mode="lines",
                    line={"width": 0},
                    fillcolor=colour,
                    opacity=0.15,
                    hoverinfo="skip",
                    showlegend=False,
                    legendgroup=name,
                )
            )
        chart.add_trace(
            go.Scatter(
                x=own["place"],
                y=own["mean"],
                name=literal(name),
                legendgroup=name,
                mode="lines+markers",
                line={"color": colour, "width": BOLD, "dash": dash},
                marker={"size": 7},
                hovertemplate=f"{literal(name)}: %{{y:.3f}}<extra></extra>",
            )
        )
    chart.update_xaxes(
        title_text=literal(axis[0]),
        fixedrange=True,
        range=[-beside, len(values) - 1 + beside],
        tickvals=list(range(len(values))),
        ticktext=_ticks(values),
    )
    return chart.update_yaxes(title_text=literal(axis[1]), fixedrange=True)


def shares(found: Mapping[str, float], titles: Mapping[str, str]) -> go.Figure:
    """How much of the variance each setting explains by itself, and the draw: bars, the longest on top."""
    order = sorted(found, key=lambda name: found[name])
    chart = figure(34 * len(found) + 60, "shares")
    chart.add_trace(
        go.Bar(
            x=[found[name] for name in order],
            y=[literal(titles.get(name, name)) for name in order],
            orientation="h",
            marker={"color": [REFERENCE if name == "draw" else TARGET for name in order]},
            text=[f"{found[name]:.0%}" for name in order],
            textposition="outside",
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    return chart.update_xaxes(
        range=[0, max(1.0, *found.values())], tickformat=".0%", fixedrange=True, title_text=t("share of the variance")
    )


def parallel(table: pd.DataFrame, axes: Sequence[tuple[str, str, Sequence[Any]]], value: str, title: str) -> go.Figure:
    """Every run as a line through its settings to its result."""
    there = table[table[value].notna()]
    dimensions: list[dict[str, Any]] = []
    for name, label, values in axes:
        places = {str(one): place for place, one in enumerate(values)}
        dimensions.append(
            {
                "label": literal(label),
                "values": [places[str(one)] for one in there[name]],
                "range": [-0.2, len(values) - 0.8],
                "tickvals": list(range(len(values))),
                "ticktext": [literal(written(one)) for one in values],
            }
        )
    dimensions.append({"label": literal(title), "values": there[value], "tickformat": ".3f"})
    chart = figure(340, "parallel").update_layout(margin={"l": 60, "r": 60, "t": 50, "b": 20})
    chart.add_trace(
        go.Parcoords(dimensions=dimensions, line={"color": there[value], "colorscale": RISING, "showscale": False})
    )
    return chart


def _ticks(values: Sequence[Any]) -> list[str]:
    """Values below an axis; what is joined by a hyphen may take two lines, since a phone has no room beside it."""
    words = ((literal(written(value)), isinstance(value, str)) for value in values)
    return [text.replace("-", "-<br>") if breaks else text for text, breaks in words]


def written(value: Any) -> str:
    """A setting's value on an axis."""
    if value is None:
        return t("all")
    if isinstance(value, bool):
        return t("on") if value else t("off")
    return f"{value:g}" if isinstance(value, float) else str(value)
