"""One file a part; see ctx/parts.py."""
