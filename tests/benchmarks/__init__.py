"""Figures that the project promises, measured. None of these is a test: nothing fails on time."""
