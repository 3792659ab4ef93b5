"""Compare: runs searched and ticked, their results and curves beside each other, draws folded."""

import streamlit as st

from ctx.i18n import t
from ctx.ui import page

page.guard()

from ctx import compare  # noqa: E402
from ctx.ui import runs_compared, runs_list  # noqa: E402

page.style()
store = page.store()
table = store.table()
title, link = st.columns([5, 1], vertical_alignment="center")
title.subheader(t("Compare"), anchor=False)
if table.empty:
    st.info(t("There are no runs yet. Open the Lab, choose two contexts and press Train; they appear here."))
    st.page_link("pages/lab.py", label=t("Open the Lab"), icon=":material/science:")
    st.stop()

rows = runs_list.listed(table)
ids = runs_list.chosen(table, store)
runs_list.pick(rows, ids)
chosen = table[table["id"].isin(ids)]
runs_list.said(table, rows, chosen)
if chosen.empty:
    st.info(t("Tick two or more rows above: their results and curves appear here."))
else:
    runs_compared.show(store, chosen, compare.baselines_first(compare.arms(chosen)))
with link:  # last, when the address holds all that is shown
    page.share()
