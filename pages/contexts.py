"""Contexts: all there are, searched; one described with its examples; two of them beside each other."""

import streamlit as st

from ctx.i18n import t
from ctx.ui import page

page.guard()

from ctx.ui import contexts_card, contexts_list, contexts_pair, own, own_remove  # noqa: E402

page.style()
title, link = st.columns([5, 1], vertical_alignment="center")
title.subheader(t("Contexts"), anchor=False)
own.show()
chosen = contexts_list.pick()
if chosen is None:
    st.info(t("Choose a row above: what it holds, who made it and three examples appear here."))
else:
    card = contexts_card.show(chosen)
    own_remove.show(chosen)
    if card is not None:
        contexts_pair.show(card)
with link:  # last, when the address holds all that is shown
    page.share()
