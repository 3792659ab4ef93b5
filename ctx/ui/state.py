"""The address is the Lab's state: read it, change one setting, start a study. Widgets follow it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from ctx.config import RunConfig, check
from ctx.dispatch import ensure
from ctx.errors import CtxError
from ctx.lab import cost, data, link
from ctx.lab.history import about
from ctx.lab.settings import change
from ctx.study import default_draws, rows
from ctx.ui.page import store

GUESS, TROUBLE, LOOK = "guess", "trouble", "look up"  # keys in the session


def current() -> link.View:
    """What the address says, read against the store."""
    return link.view(st.query_params.to_dict(), store(), fallback)


def fallback(application: str) -> bool:
    """Whether an application's default data can't be had, so that its sample contexts stand in."""
    config = data.default(application)
    if not data.needed(config):
        return False
    job = data.fetching(store(), config)
    return data.offline() or (job is not None and job.state == "failed")


def go(view: link.View, config: RunConfig, draws: int | None = None) -> None:
    """Show these settings; the guess was about others."""
    st.session_state[GUESS] = None
    st.query_params.from_dict(link.address(view, config, draws))


def attempt(action: Callable[[], None]) -> None:
    """Do what a click asked for; what goes wrong is said on the page."""
    try:
        action()
    except CtxError as error:
        st.session_state[TROUBLE] = str(error)


def change_setting(name: str, key: str) -> None:
    """A control was changed: take its value into the address."""
    value = st.session_state[key]

    def act() -> None:
        view = current()
        config = check(change(view.config, name, value))
        go(view, config, view.draws if view.draws != usual_draws(view) else None)

    attempt(act)


def usual_draws(view: link.View) -> int:
    """How many draws suit the view's settings."""
    return link.asked_draws(view.study) if view.study else default_draws(view.config)


def change_draws(key: str) -> None:
    """The number of draws was changed."""
    attempt(lambda: go(view := current(), view.config, int(st.session_state[key])))


def widget(name: str, value: Any) -> dict[str, Any]:
    """Arguments that make a widget show a setting's value, whatever changed it, and change the address."""
    key = f"set {name}"
    st.session_state[key] = value
    return {"key": key, "on_change": change_setting, "args": (name, key)}


def train(config: RunConfig, draws: int, guess: str | None) -> None:
    """Queue the study and show it."""

    def act() -> None:
        spec = link.spec(config, draws, guess)
        study = store().add_study(about(config), spec, rows(config, draws))
        ensure(store().url)
        st.query_params.from_dict({"study": study.id})
        st.session_state[LOOK] = True

    attempt(act)


def seconds(config: RunConfig, draws: int) -> str:
    """How long a study of these settings will take here, in a word."""
    return cost.duration(cost.study_seconds(config, draws, _finished()))


@st.cache_data(show_spinner=False, ttl=20)
def _finished() -> list[Any]:
    return store().runs(["done"], limit=60)
