"""The stack of layers: which of them learn, how fast, from which epoch on; chosen here, and drawn as it will be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import streamlit as st

from ctx.config import RunConfig, check, frozen_blocks
from ctx.i18n import t
from ctx.lab import effect, learned
from ctx.lab.link import View
from ctx.lab.settings import change, settings
from ctx.registry import make
from ctx.tuning import Learnt
from ctx.ui import state

BELOW, CHOOSE, GRADUAL = "below", "choose", "gradual"
TUNINGS = {"full": BELOW, "freeze": BELOW, "head": BELOW, "choose": CHOOSE, "gradual": GRADUAL}
DECAYS = (1.0, 1.5, 2.0, 2.6, 4.0)
ICE = "0,114,178"


def freeze(view: View) -> None:
    """Which layers stay frozen, and what learns then."""
    key = "how layers are frozen"
    now = TUNINGS.get(view.config.tuning.name)
    st.session_state[key] = now
    names = {BELOW: t("from below"), CHOOSE: t("any you choose"), GRADUAL: t("one less each epoch")}
    st.segmented_control(
        t("Frozen are …"), list(names), format_func=lambda name: names[name], key=key, on_change=_how, args=(key,)
    )
    if now == BELOW:
        _depth(view.config)
    elif now == CHOOSE:
        _choice(view.config)
    elif now == GRADUAL:
        _pace(view.config)
    _decay(view.config)
    stack(view.config)


def _how(key: str) -> None:
    name = {BELOW: "freeze", CHOOSE: "choose", GRADUAL: "gradual"}.get(st.session_state[key])
    if name:
        _attempt(lambda config: change(config, "tuning", name))


def _attempt(changed: Callable[[RunConfig], RunConfig]) -> None:
    def act() -> None:
        view = state.current()
        state.go(view, check(changed(view.config)))

    state.attempt(act)


def _depth(config: RunConfig) -> None:
    """How many of the lowest layers stay frozen."""
    frozen, blocks = frozen_blocks(config)
    layers = blocks - 1
    key = "freeze stack"
    st.session_state[key] = min(frozen, blocks) - 1
    st.segmented_control(
        t("Frozen from below: embedding and …"),
        [-1, *range(layers + 1)],
        format_func=lambda k: t("nothing") if k < 0 else t("all {n}", n=layers) if k == layers else str(k),
        key=key,
        on_change=_freeze,
        args=(key, layers),
    )


def _freeze(key: str, layers: int) -> None:
    depth = st.session_state[key]
    if depth is None:
        return
    name = "full" if depth < 0 else "head" if depth == layers else "freeze"

    def changed(config: RunConfig) -> RunConfig:
        config = change(config, "tuning", name)
        return change(config, "tuning.layers", depth) if name == "freeze" else config

    _attempt(changed)


def _choice(config: RunConfig) -> None:
    """Each block, to be switched on or off."""
    key = "layers that learn"
    tuning = make("tunings", config.tuning)
    layers = make("backbones", config.backbone).layers()
    st.session_state[key] = [block for block, learns in enumerate(tuning.learning(layers, 0)) if learns]
    st.pills(
        t("These learn, beside the head:"),
        range(layers + 1),
        selection_mode="multi",
        format_func=lambda block: str(block) if block else t("embedding"),
        key=key,
        on_change=_choose,
        args=(key,),
    )


def _choose(key: str) -> None:
    text = ", ".join(str(block) if block else "embedding" for block in sorted(st.session_state[key]))
    _attempt(lambda config: change(config, "tuning.learn", text))


def _pace(config: RunConfig) -> None:
    """How many layers learn at the start, and how often one more."""
    values = {one.name: one.value for one in settings(config)}
    layers = make("backbones", config.backbone).layers()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input(
            t("epochs until the next"), 1, 1000, width=180, **state.widget("tuning.interval", values["tuning.interval"])
        )
        st.number_input(
            t("layers at the start"), 0, layers, width=180, **state.widget("tuning.start", values["tuning.start"])
        )


def _decay(config: RunConfig) -> None:
    """How much slower each layer learns than the one above, where the tuning has that."""
    one = next((one for one in settings(config) if one.name == "tuning.decay"), None)
    if one is None or one.off:
        return
    st.select_slider(
        t("Each layer learns slower than the one above, by a factor of"),
        sorted({*DECAYS, float(one.value)}),
        format_func=lambda number: t("1: all alike") if number == 1 else f"{number:g}",
        help=one.help,
        **state.widget("tuning.decay", float(one.value)),
    )


def stack(config: RunConfig, epoch: int | None = None) -> None:
    """The layers as boxes; where they begin to learn one after another, a column for each stretch of epochs.

    ``epoch``: the one that is running, counted from 0.
    """
    found = learned.stretches(config)
    st.html(_boxes(found[0]) if len(found) == 1 else _table(found, epoch))


def _names(blocks: int) -> list[str]:
    return [t("embedding"), *(str(n) for n in range(1, blocks))]


HEAD = Learnt(1, 1.0)


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
    """Epochs to the right, layers upwards: blue ice where frozen; the running epochs' column is framed."""
    names = [*_names(len(found[0].sizes)), t("head")]
    running = [epoch is not None and one.first <= epoch <= one.last for one in found]
    heads = "".join(_head(one, now) for one, now in zip(found, running, strict=True))
    rows = "".join(_row(names[block], block, found, running) for block in reversed(range(len(names))))
    return (
        '<div style="overflow-x:auto"><table style="border-collapse:separate;border-spacing:2px;font-size:.8em;'
        f'line-height:1.5"><thead><tr><th style="text-align:left;font-weight:400;padding-right:.6em">{t("epoch")}</th>'
        f"{heads}</tr></thead><tbody>{rows}</tbody></table></div>{_legend(found)}"
    )


def _head(one: learned.Stretch, now: bool) -> str:
    text = f"{one.first + 1}" if one.first == one.last else f"{one.first + 1}–{one.last + 1}"
    look = f"font-weight:700;border-bottom:2px solid rgb({ICE})" if now else "font-weight:400"
    return f'<th scope="col" style="{look};text-align:center;min-width:1.8em">{text}</th>'


def _row(name: str, number: int, found: Sequence[learned.Stretch], running: Sequence[bool]) -> str:
    cells = []
    for one, now in zip(found, running, strict=True):
        head = number == len(one.sizes)
        block, size = (HEAD, 1) if head else (one.blocks[number], one.sizes[number])
        edge = "2px" if now else "1px"
        cells.append(
            f'<td title="{escape(_said(block, size))}" style="border:{edge} solid rgb({ICE});border-radius:3px;'
            f'background:{_ice(block, size)};text-align:center;min-width:1.8em;height:1.5em">'
            f"{_mark(block, size, block.rate != 1).removeprefix('×')}</td>"
        )
    label = f'<th scope="row" style="text-align:left;font-weight:400;padding-right:.6em">{escape(name)}</th>'
    return f"<tr>{label}{''.join(cells)}</tr>"
