"""What Compare shows, in the address: each control starts from it once and is written back after every change.

Streamlit's own binding puts an option's label into the address; here it is the option itself, in any language.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha1

import streamlit as st

from ctx.i18n import t
from ctx.ui.page import literal


def several(name: str, key: str, options: Sequence[str]) -> None:
    """Start a control of several values; what is no option is left out, and said."""
    if key not in st.session_state:
        asked = st.query_params.get_all(name)
        st.session_state[key] = [value for value in asked if value in options]
        unknown(name, [value for value in asked if value not in options], options)


def one(name: str, key: str, options: Sequence[str], default: str) -> None:
    """Start a control of one value; what is no option becomes the default, and is said."""
    if key not in st.session_state:
        asked = st.query_params.get(name, default)
        unknown(name, [asked] if asked not in options else [], options)
        st.session_state[key] = asked if asked in options else default
    elif st.session_state[key] not in options:  # it was there before what is listed changed
        st.session_state[key] = default


def unknown(name: str, values: Iterable[str], options: Sequence[str]) -> None:
    """One sentence for each value in the address that can't be used."""
    known = ", ".join(options[:8]) + (" …" if len(options) > 8 else "")
    for value in values:
        st.warning(
            t(
                "“{name}={value}” in the address is left out: {reason}.",
                name=literal(name),
                value=literal(value[:40]),
                reason=literal(t("it should be one of: {known}", known=known) if known else t("there is none yet")),
            )
        )


def keep(name: str, value: str | Sequence[str], default: str = "") -> None:
    """Write a control's value to the address; the default and nothing leave it out."""
    wanted = [value] if isinstance(value, str) else list(value)
    wanted = [] if wanted == [default] else wanted
    if st.query_params.get_all(name) == wanted:
        return
    if wanted:
        st.query_params[name] = wanted
    else:
        st.query_params.pop(name, None)


def digest(shown: object) -> str:
    """Names what a control offers, for its key: it starts anew when that changes."""
    return sha1(repr(shown).encode(), usedforsecurity=False).hexdigest()[:12]
