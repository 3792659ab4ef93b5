"""Sweeps: one configuration with some of its settings varied, over draws, as runs of a study; and what came of them."""
