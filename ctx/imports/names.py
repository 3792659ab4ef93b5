"""Names that others chose: made fit to show, and made into ids that are safe as a folder's name and in an address."""

from __future__ import annotations

import hashlib
import re
import unicodedata

LONGEST_NAME, LONGEST_SLUG = 80, 40
SLUG = re.compile(r"my-[a-z0-9]+(-[a-z0-9]+)*")


def shown(name: str) -> str:
    """The last part of a path, without control characters (the right-to-left override is one) and not too long."""
    last = re.split(r"[/\\]", name)[-1]
    clean = " ".join("".join(" " if unicodedata.category(c)[0] == "C" else c for c in last).split())
    if len(clean) > LONGEST_NAME:
        clean = f"{clean[: LONGEST_NAME // 2]}…{clean[-LONGEST_NAME // 2 + 1 :]}"
    return clean if clean.strip(". ") else "unnamed"


def title(name: str) -> str:
    """What a file's data is called where nobody says otherwise: its name without the ending."""
    stem = re.sub(r"(\.[A-Za-z0-9]{1,8}){1,2}$", "", shown(name)) or shown(name)
    return " ".join(stem.replace("_", " ").split()) or "unnamed"


def slug(name: str) -> str:
    """``my-…``: small Latin letters, digits and hyphens; a name without any becomes its hash."""
    plain = unicodedata.normalize("NFKD", title(name)).encode("ascii", "ignore").decode().casefold()
    words = re.findall(r"[a-z0-9]+", plain)
    joined = "-".join(words)[:LONGEST_SLUG].strip("-")
    return f"my-{joined or 'data-' + hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:6]}"
