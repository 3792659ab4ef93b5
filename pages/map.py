"""Map: some settings over many values, every combination trained; the result of each as a cell that fills."""

import streamlit as st

from ctx.i18n import t
from ctx.ui import page

page.guard()

from ctx.ui import maps  # noqa: E402

page.style()
title, link = st.columns([5, 1], vertical_alignment="center")
title.subheader(t("Map"), anchor=False)
maps.show()
with link:
    page.share()
