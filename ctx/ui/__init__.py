"""Building blocks of the pages: the only modules beside `app.py` and `pages/` that import Streamlit."""
