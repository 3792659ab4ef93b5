"""Controls made from settings: one widget for each, off with a sentence where it has no effect."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ctx.i18n import t
from ctx.lab import effect, mixture
from ctx.lab.history import label
from ctx.lab.link import MOST_DRAWS, View
from ctx.lab.names import title
from ctx.lab.settings import Setting, settings
from ctx.registry import part
from ctx.ui import lab_path, page, stack, state

LAMBDAS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
LEFT = ("source", "target", "penalty", "augment")  # groups of the first column
KINDS = {"schedule": "schedules", "tuning": "tunings", "backbone": "backbones", "balancer": "balancers"}


def weigh(view: View) -> None:
    """λ on a logarithmic scale, and what it means."""
    if effect.lam(view.config) is None:
        why = t("λ weighs two losses in one step. With this schedule there is one loss at a time.")
        if not mixture.balance(view.config):
            st.caption(why)
        st.button(t("Train on both at once"), on_click=_joint, key="joint")
        return
    value = float(effect.lam(view.config) or 0.0)
    options = sorted({*LAMBDAS, value})
    st.select_slider(
        t("λ at the end") if effect.varies(view.config) else t("λ, the weight of the target's loss"),
        options,
        format_func=lambda number: f"{number:g}",
        **state.widget("schedule.lam", value),
    )
    lab_path.show(view)


def _joint() -> None:
    st.session_state["set schedule"] = "joint"
    state.change_setting("schedule", "set schedule")


def everything(view: View) -> None:
    """All settings, by group."""
    groups: dict[str, list[Setting]] = {}
    for one in settings(view.config):
        if one.name not in ("source", "target", "target.size") and not _alone(one):  # the first three stand at the top
            groups.setdefault(one.group, []).append(one)
    columns = st.columns(4)
    training = groups.pop("optim")
    half = -(-len(training) // 2)
    for group, found in groups.items():
        with columns[0 if group in LEFT else 1]:
            _group(group, found)
    with columns[0]:
        _draws(view)
    with columns[2]:
        _group("optim", training[:half])
    with columns[3]:
        _group("", training[half:])


def _alone(one: Setting) -> bool:
    """Whether it is the weight among sources of which there is only one."""
    return one.name == "source.weight" and bool(one.off)


def _group(name: str, found: list[Setting]) -> None:
    names = {"source": t("Source"), "target": t("Target"), "schedule": t("Schedule"), "tuning": t("Tuning")}
    names |= {"backbone": t("Backbone"), "balancer": t("Balancer"), "optim": t("Training"), "penalty": t("Penalties")}
    names |= {"augment": t("Augmentation")}
    st.markdown(f"**{names.get(name, name)}**" if name else "&nbsp;")
    for one in found:
        control(one)
    for why, those in _reasons(found).items():
        st.caption(page.literal(t("{names}: {why}", names=", ".join(those), why=why)))


def _reasons(found: list[Setting]) -> dict[str, list[str]]:
    """Why penalties are off, each reason once, and which are for it."""
    reasons: dict[str, list[str]] = {}
    for one in found:
        if one.off and one.group == "penalty":
            why = one.off.replace(f"The penalty {one.name.partition('.')[2]} ", t("Such a penalty") + " ")
            reasons.setdefault(why, []).append(_name(one))
    return reasons


def _draws(view: View) -> None:
    key = "set draws"
    st.session_state[key] = view.draws
    help = t("Draws (seeds): each picks its labels, its start and its order. One draw proves nothing.")
    st.number_input(t("draws"), 1, MOST_DRAWS, key=key, on_change=state.change_draws, args=(key,), help=help)


def control(one: Setting) -> None:
    """The widget of a setting."""
    name = t("which") if one.name in KINDS else _name(one)
    common: dict[str, Any] = {"help": one.help or None, "disabled": bool(one.off)} | _key(one)
    if one.kind == "choice":
        common |= {"index": None, "placeholder": t("none")} if one.optional else {}
        st.selectbox(name, one.options, format_func=lambda value: _title(one, value), **common)
    elif one.kind == "switch":
        st.toggle(name, **common)
    elif one.kind == "text":
        st.text_input(name, **common)
    else:
        kind = int if one.kind == "whole" else float
        low, high = (None if bound is None else kind(bound) for bound in (one.low, one.high))
        step = 1 if kind is int else None
        shape: dict[str, Any] = {"min_value": low, "max_value": high, "step": step} | common
        shape |= {"placeholder": t("automatic")} if one.optional else {}
        shape |= {"format": "%g"} if kind is float else {}
        st.number_input(name, **shape)
    if one.off and one.group != "penalty":
        st.caption(page.literal(one.off))
    if said := _explained(one):
        st.caption(page.literal(said))


def _explained(one: Setting) -> str:
    """What a chosen part does, with its formula and paper, under the control that chooses it; "" for other settings."""
    kind, _, name = one.name.partition(".")
    if one.name in ("schedule", "tuning", "balancer"):
        return str(part(KINDS[kind], str(one.value)).explained())
    if kind == "penalty" and "." not in name and one.value:
        return str(part("penalties", name).explained())
    return ""


def _name(one: Setting) -> str:
    """What a setting is called below the name of its group."""
    if one.group == "source" and one.kind == "choice" and one.value is None:
        return t("one more source")
    if one.group == "penalty" and one.kind == "switch" and one.name.count(".") == 1:
        return str(part("penalties", one.name.partition(".")[2]).shown())
    whole = label(one.name)
    short = whole.removeprefix(f"{one.group} ")
    return whole if short[:1].isdecimal() else short


def _key(one: Setting) -> dict[str, Any]:
    """A key of its own where the same setting stands elsewhere on the page too (λ)."""
    key = f"all {one.name}"
    value = one.value
    st.session_state[key] = float(value) if one.kind == "number" and value is not None else value
    return {"key": key, "on_change": state.change_setting, "args": (one.name, key)}


def _title(one: Setting, value: Any) -> str:
    if one.name in ("target", "source") or one.name.startswith("source."):
        return title(value) if "/" in str(value) else str(value)
    if one.name in KINDS:
        return str(part(KINDS[one.name], value).shown())
    return str(value)


def what_it_does(view: View) -> None:
    """What the settings as they stand will do: the formula, what learns, the time, the layers."""
    config = view.config
    time = t("{draws} draws, about {time}.", draws=view.draws, time=state.seconds(config, view.draws))
    st.code(mixture.formula(config), language=None, wrap_lines=True)
    if mixed := mixture.balance(config):
        st.caption(page.literal(mixed))
    st.caption(page.literal(" ".join(filter(None, (effect.learning(config), effect.not_kept(config), time)))))
    stack.show(config)
