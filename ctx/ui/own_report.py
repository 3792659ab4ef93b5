"""What was understood of an upload, its first rows, and what becomes of all of them. Texts are shown as they are."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from ctx import charts
from ctx.i18n import t
from ctx.imports.findings import Seen, Tried
from ctx.lab.applications import applications
from ctx.ui import facts, page

SAID, MOST = 8, 6  # refusals and repairs on the page; columns and remarks that are named


def understood(seen: Seen) -> None:
    """What the file seems to be, in a few words."""
    columns = ", ".join(f"“{name}”" for name in seen.columns[:MOST]) + (" …" if len(seen.columns) > MOST else "")
    values = {"name": seen.name, "format": t(seen.format), "n": len(seen.columns), "columns": columns}
    if len(seen.columns) == 1:
        words = [t("{name} is read as {format} with one column: {columns}.", **values)]
    else:
        words = [t("{name} is read as {format} with {n} columns: {columns}.", **values)]
    words += map(t, seen.notes[:MOST])
    guess = seen.guess
    if guess.text is not None and guess.answer is not None:
        title = applications()[guess.application].title
        values = {"title": title, "text": seen.columns[guess.text], "answer": seen.columns[guess.answer]}
        words.append(t("It looks like {title}: “{text}” is read, “{answer}” is to be learnt.", **values))
    if seen.language:
        words.append(t("Its language looks like “{code}”.", code=seen.language))
    st.markdown(page.literal(" ".join(words)))


def first_rows(seen: Seen) -> None:
    """The first rows, a column each as in the file."""
    frame = pd.DataFrame(seen.rows, columns=pd.Index(seen.columns, dtype="object"), dtype="object")
    st.dataframe(frame, hide_index=True, height="content", alt=t("The first rows of the file, as they were read."))


def rows(tried: Tried, seen: Seen, listing: Callable[[], bytes]) -> None:
    """How many rows become examples, which don't and why, what the labels are, and three examples."""
    if tried.error:
        st.error(page.literal(tried.error))
        _download(tried, seen, listing)
        return
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**{t('What becomes of its rows')}**")
        counts = {name: f"{getattr(tried, name):,}" for name in ("rows", "accepted", "repaired", "refused")}
        st.markdown(t("{rows} rows: {accepted} accepted, {repaired} repaired, {refused} refused.", **counts))
        _remarks(t("Refused"), tried.refusals, tried.refused)
        _download(tried, seen, listing)
        _remarks(t("Repaired"), tried.repairs, tried.repaired)
        notes = [note for note in tried.notes if note not in seen.notes]
        if notes:
            st.caption(page.literal(" ".join(map(t, notes))))
        if tried.labels:
            total = sum(tried.labels.values())
            facts.bars({f"{label} ({count:,})": count / total for label, count in tried.labels.items()})
    with right:
        st.markdown(f"**{t('Its first examples')}**")
        for read, answer in tried.examples:
            page.quote(read, charts.BOTH, answer)


def _remarks(title: str, said: list[str], count: int) -> None:
    if said:
        more = [t("… and {n} more", n=f"{count - SAID:,}")] if count > SAID else []
        facts.lines((title if not n else " ", line) for n, line in enumerate([*said[:SAID], *more]))


def _download(tried: Tried, seen: Seen, listing: Callable[[], bytes]) -> None:
    """The refused rows as a file, read when it is asked for."""
    if not tried.listed:
        return
    whole = tried.listed >= tried.refused
    label = t("All refused rows (CSV)") if whole else t("The first {n} refused rows (CSV)", n=f"{tried.listed:,}")
    st.download_button(label, listing, "refused.csv", "text/csv", key="own refused", on_click="ignore")
