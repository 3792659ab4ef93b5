"""A person's own data: read from files, checked row by row, kept as contexts. No torch and no Streamlit."""
