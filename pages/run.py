"""Run: one run, how it stands, what came out, and everything that it was made from."""

import streamlit as st

from ctx.i18n import t
from ctx.ui import page

page.guard()

from ctx.ui import runs_detail, runs_inside, runs_one, runs_watch  # noqa: E402

page.style()
store = page.store()
title, link = st.columns([5, 1], vertical_alignment="center")
title.subheader(t("Run"), anchor=False)
run = runs_one.pick(store)
if run is not None:
    runs_watch.follow(store, run)
    runs_inside.show(run, t("This run, update by update."))
    runs_detail.sections(run)
    runs_one.describe(store, run)
with link:  # last, when the address holds all that is shown
    page.share()
