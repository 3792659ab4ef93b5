"""The controls of an upload: how its file is read, what its columns mean, what it is called; guessed at first."""

from __future__ import annotations

from typing import Any, cast

import streamlit as st

from ctx.i18n import t
from ctx.imports import hub, uploads
from ctx.imports.delimited import DELIMITERS
from ctx.imports.findings import Meaning, Seen
from ctx.imports.formats import FORMATS
from ctx.imports.lines import KNOWN
from ctx.imports.mapping import ANSWERS
from ctx.imports.tables import Reading
from ctx.imports.take import About
from ctx.lab.applications import applications
from ctx.registry import OWNER
from ctx.ui import page
from ctx.ui import runs_address as address
from ctx.ui.own_work import ADDING, UPLOAD

TEXTS = ("CSV", "TSV", "JSON", "JSON Lines", "CoNLL")  # told apart by a look, which may err
FIXED = ("Parquet", hub.FORMAT)  # read in one way only
HEADERS = {"first": True, "none": False}
LONGEST_TITLE, LONGEST_WORD = 80, 120  # characters
CHOICES = "own choices"  # key in the session


def reading(token: str) -> Reading:
    """How the file is to be read, as was chosen; the controls are drawn later."""
    said = _choices(token)
    how = (said.get(name, "").strip() for name in ("format", "encoding", "delimiter", "sheet"))
    format, encoding, delimiter, sheet = how
    return Reading(format, encoding, delimiter, HEADERS.get(said.get("header", "")), sheet)


def _choices(token: str) -> dict[str, Any]:
    """What was chosen for an upload: kept while the controls aren't drawn."""
    held = st.session_state.get(CHOICES)
    if held is None or held["token"] != token:
        held = st.session_state[CHOICES] = {"token": token}
    return cast(dict[str, Any], held)


def _key(token: str, name: str, start: Any = "") -> dict[str, Any]:
    """Arguments that make a control show what was chosen, and keep what is."""
    key = f"own {token} {name}"
    st.session_state[key] = _choices(token).get(name, start)

    def keep() -> None:
        _choices(token)[name] = st.session_state[key]

    return {"key": key, "on_change": keep}


def read_otherwise(token: str, seen: Seen | None) -> None:
    """A button that opens the choices of how the file is read, those that its format has; nothing where it has none."""
    kind = seen.format if seen else ""
    if kind in FIXED:
        return
    headers = {"first": t("the first row"), "none": t("none: the first row is data")}
    with st.popover(t("Read it otherwise"), icon=":material/tune:", help=t("Where the columns or letters look wrong.")):
        if kind in ("", *TEXTS):
            _choice(token, "format", t("Format"), {name: name for name in FORMATS})
        if kind in ("", *TEXTS, "two text files"):
            _choice(token, "encoding", t("Encoding"), {name: name for name in KNOWN})
        if kind in ("", "CSV", "TSV"):
            _choice(token, "delimiter", t("Columns are parted by"), {name: t(name) for name in DELIMITERS.values()})
        if kind in ("", "CSV", "TSV", "Excel"):
            _choice(token, "header", t("Header"), headers)
        if kind in ("", "Excel"):
            st.text_input(t("Sheet"), placeholder=t("the first"), max_chars=LONGEST_WORD, **_key(token, "sheet"))


def _choice(token: str, name: str, title: str, options: dict[str, str]) -> None:
    st.selectbox(
        title,
        ["", *options],
        format_func=lambda one: options.get(one, t("as recognised")),
        **_key(token, name),
    )


def leave(token: str, label: str) -> None:
    """A button that throws the upload away; what a worker is at with it ends soon after."""

    def act() -> None:
        uploads.drop(token)
        for name in (UPLOAD, ADDING):
            st.session_state.pop(name, None)

    st.button(label, icon=":material/undo:", on_click=act, key="own leave", help=t("Nothing is kept."))


def meaning(token: str, how: Reading, seen: Seen) -> Meaning:
    """Controls for the application and its columns, and what they say."""
    titles = {name: one.title for name, one in applications().items() if name in ANSWERS}
    prefix = address.digest(how)
    places = st.columns(5)
    start = seen.guess.application
    application = places[0].selectbox(
        t("Application"),
        list(titles),
        index=0 if start in titles else None,
        format_func=lambda name: titles[name],
        placeholder=t("Choose one"),
        **_key(token, f"{prefix} application", start if start in titles else None),
    )
    if application is None:
        return Meaning()
    words = _roles(application)
    role = ANSWERS[application]
    optional = {"group", "id"}
    found: dict[str, int | None] = {}
    for place, name in zip(places[1:], ("text", role, "group", "id"), strict=True):
        guessed = getattr(seen.guess, name)
        options = [-1, *range(len(seen.columns))] if name in optional else list(range(len(seen.columns)))
        first = -1 if name in optional and guessed is None else guessed
        title, help = words[name]
        column = place.selectbox(
            title,
            options,
            index=None if first is None else 0,
            format_func=lambda n: t("none") if n < 0 else seen.columns[n],
            placeholder=t("Choose a column"),
            help=help,
            **_key(token, f"{prefix} {application} {name}", first),
        )
        found[name] = None if column is None or column < 0 else column
    if application == start and seen.reasons:
        said = [why for role, why in seen.reasons.items() if role != "application" or len(seen.reasons) == 1]
        st.caption(page.literal(" ".join(map(t, said))))
    return Meaning(application=application, **found)


def _roles(application: str) -> dict[str, tuple[str, str]]:
    """What the columns are called, and what they hold."""
    tagged = application == "ner"
    return {
        "text": (t("Words"), t("The words of a sentence.")) if tagged else (t("Text"), t("What is read.")),
        "label": (t("Tags"), t("A tag a word: O, B-PER, I-PER …"))
        if tagged
        else (t("Label"), t("What is to be told.")),
        "target": (t("Translation"), t("The text in the other language."))
        if application == "translation"
        else (t("Summary"), t("The short text to be written.")),
        "group": (t("Group"), t("The document a row is from: its rows are never learnt from and tested on both.")),
        "id": (t("Row's name"), t("What names a row; its number where there is none.")),
    }


def missing(found: Meaning) -> str:
    """What is still to be chosen; empty where nothing is."""
    if not found.application:
        return t("What is it for? Choose the application above: the columns fit none for sure.")
    names = [("text", found.text), (ANSWERS[found.application], found.answer)]
    words = [_roles(found.application)[role][0] for role, column in names if column is None]
    return t("Choose the column above: {names}.", names=", ".join(words)) if words else ""


def about(token: str, seen: Seen) -> About:
    """What a person says of the data; what is left as guessed is left to the guess."""
    fields = {
        "title": (t("Title"), seen.title, ""),
        "language": (t("Language"), seen.language, "en"),
        "domain": (t("Domain"), "", t("hotels, news …")),
        "culture": (t("Culture"), "", t("whose texts")),
        "licence": (t("Licence"), "", "CC BY 4.0"),
    }
    said = {}
    for place, (name, (title, start, example)) in zip(st.columns(5), fields.items(), strict=True):
        most = LONGEST_TITLE if name == "title" else LONGEST_WORD
        typed = place.text_input(title, max_chars=most, placeholder=example, **_key(token, name, start))
        said[name] = "" if typed.strip() == start else typed.strip()
    return About("", said["title"], said["language"], said["domain"], said["culture"], said["licence"], OWNER)
