"""The stack of layers, drawn: which of them learn, how fast, from which epoch on, and what is put between them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import streamlit as st

from ctx.config import RunConfig
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.lab import effect, learned
from ctx.pairs import here
from ctx.records import Run
from ctx.tuning import Learnt
from ctx.ui.page import literal

ICE = "0,114,178"
HEAD = Learnt(1, 1.0)
LIT, DIM = 0.8, 0.45  # seconds that a column is lit where epochs are shown in a row; how much is seen of the others


def of_run(run: Run) -> None:
    """What learns in a run, in words and drawn; while it trains, with its epoch where others learn in another.

    Nothing where its backbone isn't on this machine: to look fetches nothing.
    """
    if not here(run.config.backbone.name):
        return
    st.markdown(f"**{t('What learns')}**")
    try:
        st.caption(literal(effect.learning(run.config)))
        show(run.config, epoch_of(run) if run.state == "running" else None)
    except CtxError as error:  # a folder of weights that is gone
        st.caption(literal(str(error)))


def epoch_of(run: Run) -> int:
    """The epoch of its phase that a run is in, counted from 0."""
    return learned.epoch_at(effect.phases(run.config), run.step)


def show(config: RunConfig, epoch: int | None = None) -> None:
    """The layers as boxes; where they begin to learn one after another, a column for each stretch of epochs.

    ``epoch``: the one that is running, counted from 0.
    """
    found = learned.stretches(config)
    st.html(_boxes(found[0]) if len(found) == 1 else _table(found, epoch))


def _names(blocks: int) -> list[str]:
    return [t("embedding"), *(str(n) for n in range(1, blocks))]


def _boxes(stretch: learned.Stretch) -> str:
    """Lowest first: blue ice where frozen, each rate's factor where they differ, what is put in behind a plus."""
    several = len({block.rate for block in stretch.blocks if block.rate}) > 1
    boxes = [
        _box(name, block, size, several)
        for name, block, size in zip(_names(len(stretch.sizes)), stretch.blocks, stretch.sizes, strict=True)
    ]
    boxes.append(_box(t("head"), HEAD, 1, False))
    shown = f'<div style="display:flex;flex-wrap:wrap;gap:.25em;font-size:.85em">{"".join(boxes)}</div>'
    return shown + _legend([stretch])


def _legend(found: Sequence[learned.Stretch]) -> str:
    """What ice and numbers mean, where there are any."""
    blocks = [(block, size) for one in found for block, size in zip(one.blocks, one.sizes, strict=True)]
    said = [t("❄ and blue: frozen")] if any(not block.rate for block, _ in blocks) else []
    if any(0 < block.own < size for block, size in blocks):
        said.append(t("a count: so many of its parameters learn, the others are frozen"))
    elif any(block.rate not in (0, 1) for block, _ in blocks):
        said.append(t("a number: its share of the learning rate"))
    if any(block.new for block, _ in blocks):
        said.append(t("+ and a count: so many new parameters, which learn"))
    return f'<div style="opacity:.7;font-size:.8em">{escape("; ".join(said))}</div>' if said else ""


def _ice(block: Learnt, size: int) -> str:
    """The colour behind a block that is frozen, or of which a part is."""
    return "transparent" if block.rate and block.own >= size else f"rgba({ICE},.25)"


def _mark(block: Learnt, size: int, rate: bool) -> str:
    """What stands in a block: ``❄ +4.1 k``, ``❄ 128``, ``×0.38``; nothing where it learns as it is."""
    if 0 < block.own < size:
        return f"❄ {effect.millions(block.own)}"
    shown = "❄" if not block.rate else f"×{learned.share(block.rate)}" if rate else ""
    return f"{shown} +{effect.millions(block.new)}".strip() if block.new else shown


def _said(block: Learnt, size: int) -> str:
    """The same in words."""
    said = t("learns, rate × {rate}", rate=learned.share(block.rate)) if block.rate else t("frozen")
    if 0 < block.own < size:
        share = learned.share(block.rate)
        said = t("{n} of its parameters learn, rate × {rate}", n=effect.millions(block.own), rate=share)
    if not block.new:
        return said
    share = learned.share(block.new_rate)
    return t("{said}; {n} new parameters learn, rate × {rate}", said=said, n=effect.millions(block.new), rate=share)


def _box(name: str, block: Learnt, size: int, rate: bool) -> str:
    text = f"{name} {_mark(block, size, rate)}".strip()
    return (
        f'<span title="{escape(_said(block, size))}" style="border:1px solid rgb({ICE});border-radius:4px;'
        f'padding:.1em .5em;background:{_ice(block, size)}">{escape(text)}</span>'
    )


def _table(found: Sequence[learned.Stretch], epoch: int | None) -> str:
    """Epochs to the right, layers upwards: blue ice where frozen.

    The running epochs' column is framed; while none is, the columns light up one after another, as epochs will.
    """
    names = [*_names(len(found[0].sizes)), t("head")]
    columns = [_look(one, number, len(found), epoch) for number, one in enumerate(found)]
    heads = "".join(_head(one, look) for one, look in zip(found, columns, strict=True))
    rows = "".join(_row(names[block], block, found, columns) for block in reversed(range(len(names))))
    return (
        f"{_walk(len(found)) if epoch is None else ''}"
        '<div style="overflow-x:auto"><table style="border-collapse:separate;border-spacing:2px;font-size:.8em;'
        f'line-height:1.5"><thead><tr><th style="text-align:left;font-weight:400;padding-right:.6em">{t("epoch")}</th>'
        f"{heads}</tr></thead><tbody>{rows}</tbody></table></div>{_legend(found)}"
    )


class Look(NamedTuple):
    """How a column is drawn: whether its epochs are running, and what else its cells have."""

    now: bool
    more: str


def _look(one: learned.Stretch, number: int, columns: int, epoch: int | None) -> Look:
    if epoch is not None:
        return Look(one.first <= epoch <= one.last, "")
    begun = (number - columns) * LIT  # the delay is below zero, so that all columns are in step at once
    return Look(False, f"animation:ctx-walk-{columns} {columns * LIT:.1f}s {begun:.1f}s infinite")


def _walk(columns: int) -> str:
    """Each column is lit for its share of the time, its cells' delays put them in a row; still where that is wished."""
    share = 100 / columns
    return (
        f"<style>@media (prefers-reduced-motion:no-preference){{@keyframes ctx-walk-{columns}"
        f"{{0%,{share - 0.1:.1f}%{{opacity:1}}{share:.1f}%,100%{{opacity:{DIM}}}}}}}</style>"
    )


def _head(one: learned.Stretch, look: Look) -> str:
    text = f"{one.first + 1}" if one.first == one.last else f"{one.first + 1}–{one.last + 1}"
    weight = f"font-weight:700;border-bottom:2px solid rgb({ICE})" if look.now else "font-weight:400"
    return f'<th scope="col" style="{weight};text-align:center;min-width:1.8em;{look.more}">{text}</th>'


def _row(name: str, number: int, found: Sequence[learned.Stretch], columns: Sequence[Look]) -> str:
    cells = []
    for one, look in zip(found, columns, strict=True):
        head = number == len(one.sizes)
        block, size = (HEAD, 1) if head else (one.blocks[number], one.sizes[number])
        edge = "2px" if look.now else "1px"
        cells.append(
            f'<td title="{escape(_said(block, size))}" style="border:{edge} solid rgb({ICE});border-radius:3px;'
            f'background:{_ice(block, size)};text-align:center;min-width:1.8em;height:1.5em;{look.more}">'
            f"{_mark(block, size, block.rate != 1).removeprefix('×')}</td>"
        )
    label = f'<th scope="row" style="text-align:left;font-weight:400;padding-right:.6em">{escape(name)}</th>'
    return f"<tr>{label}{''.join(cells)}</tr>"
