"""What happens once when the web server starts: memory settled, data fetched, the default pair encoded."""

from __future__ import annotations

import gc

import streamlit as st

from ctx.dispatch import ensure
from ctx.errors import StoreError
from ctx.lab.data import prepare
from ctx.ui.page import store


@st.cache_resource(show_spinner=False)
def once() -> None:
    """Queue what the first visitor will need, and keep the garbage collector off what stays anyway."""
    try:
        if prepare(store()):
            ensure()
    except StoreError:
        return  # the page says it, and goes on without
    finally:
        gc.collect()
        gc.freeze()
