"""The Lab's logic: settings, links, answers and their sentences. No Streamlit and no torch."""
