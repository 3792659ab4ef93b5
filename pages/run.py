"""Run: one run, how it stands, what came out, and everything that it was made from."""

import streamlit as st

from ctx.i18n import t
from ctx.ui import page, runs_detail, runs_one, runs_watch

page.guard()
store = page.store()
title, link = st.columns([5, 1], vertical_alignment="center")
title.subheader(t("Run"), anchor=False)
with link:
    page.share()
run = runs_one.pick(store)
if run is None:
    st.stop()

runs_watch.follow(store, run)
runs_detail.sections(run)
runs_one.describe(store, run)
