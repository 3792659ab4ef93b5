"""The web app: page configuration, the dispatcher, and the pages. `streamlit run app.py` or `ctx serve`."""

import streamlit as st

from ctx.ui import page, start

# an emoji of its own: a :material: icon would be fetched from outside
st.set_page_config(page_title="ctx", page_icon="🔬", layout="wide", initial_sidebar_state="collapsed")
chosen = page.navigation()
start.once()
st.session_state[page.STARTED] = True
try:
    chosen.run()
finally:
    st.session_state.pop(page.STARTED, None)
