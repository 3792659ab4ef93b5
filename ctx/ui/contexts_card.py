"""One context's card: what it is, how much there is of it, labels, lengths, examples; fetched where it isn't here."""

from __future__ import annotations

import streamlit as st

from ctx import cards, charts
from ctx.config import ContextChoice
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.lab.applications import applications
from ctx.lab.offer import parameters
from ctx.pair_words import unit
from ctx.ui import contexts_fetch, facts, page
from ctx.wording import Lengths

LAB = ":material/science:"


def show(context_id: str) -> cards.Card | None:
    """The card, as it is on this machine; None where its data is damaged, which is said."""
    try:
        with st.spinner(t("Counting its examples, once only …"), show_time=False):
            card = cards.card(ContextChoice(id=context_id))
    except CtxError as error:
        st.error(page.literal(str(error)))
        return None
    with st.container(border=True):
        first, second = st.columns([5, 3], vertical_alignment="center")
        first.markdown(f"**{page.literal(card.title)}**")
        with second.container(horizontal=True, horizontal_alignment="right"):
            for role, label in (("source", t("Use as source in the Lab")), ("target", t("… as target"))):
                st.page_link("pages/lab.py", label=label, icon=LAB, query_params=parameters({role: card.id}))
        left, right = st.columns(2, gap="large")
        with left:
            facts.lines(_facts(card))
        with right:
            if card.measured is None:
                contexts_fetch.show(card.id)
            else:
                _measured(card.measured)
        if card.measured is not None:
            _examples(card.measured)
    return card


def _facts(card: cards.Card) -> list[tuple[str, str]]:
    return [
        (t("Application"), applications()[card.application].title),
        (t("Language"), card.language),
        (t("Domain"), card.domain),
        (t("Culture"), card.culture),
        (t("Origin"), card.origin),
        (t("Licence"), card.licence),
        (t("To cite"), card.citation),
        (t("Name"), card.id),
    ]


def _measured(found: cards.Measured) -> None:
    sizes = {"train": t("to learn from"), "validation": t("for curves"), "test": t("to test on")}
    named = "" if found.named is None else t("{share} of the sentences have one", share=f"{found.named:.0%}")
    facts.lines(
        [
            (t("Examples"), ", ".join(f"{n:,} {sizes[split]}" for split, n in found.sizes.items())),
            (t("Duplicates"), _duplicates(found)),
            (t("Length"), _length(found.inputs)),
            (t("Of the answers"), _length(found.outputs)),
            (t("Names"), named),
        ]
    )
    if found.labels:
        facts.bars(found.labels)


def _duplicates(found: cards.Measured) -> str:
    dropped = found.rows - found.kept
    return t("{n} of {rows} dropped", n=f"{dropped:,}", rows=f"{found.rows:,}") if dropped else t("none")


def _length(found: Lengths | None) -> str:
    if found is None:
        return ""
    values = {"median": f"{found.median:g}", "low": f"{found.low:.0f}", "high": f"{found.high:.0f}"}
    return t("{median} {unit} (median); 90 % have {low} to {high}", unit=unit(found), **values)


def _examples(found: cards.Measured) -> None:
    for read, answer in found.examples:
        if answer:
            page.quote(read, charts.BOTH, answer)
        else:
            page.numbers(read, charts.BOTH)
