"""Which layers learn, how fast, from which epoch on: how that is chosen."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ctx.config import RunConfig, check, frozen_blocks
from ctx.i18n import t
from ctx.lab.link import View
from ctx.lab.settings import change, settings
from ctx.registry import make
from ctx.ui import state

BELOW, CHOOSE, GRADUAL = "below", "choose", "gradual"
TUNINGS = {"full": BELOW, "freeze": BELOW, "head": BELOW, "choose": CHOOSE, "gradual": GRADUAL}
DECAYS = (1.0, 1.5, 2.0, 2.6, 4.0)


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
