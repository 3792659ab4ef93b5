"""Names that others chose: made fit to show, and made into ids that are safe as a folder's name and in an address."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence

LONGEST_NAME, LONGEST_SLUG, LISTED = 80, 40, 20
SLUG = re.compile(r"my-[a-z0-9]+(-[a-z0-9]+)*")


def brief(text: object, most: int = LONGEST_NAME) -> str:
    """A text for a message: on one line, without control characters (the right-to-left override is one), not long."""
    start = str(text)
    if len(start) > 2 * most:
        start = f"{start[:most]}…{start[-most:]}"
    clean = " ".join("".join(" " if unicodedata.category(c)[0] == "C" else c for c in start).split())
    return clean if len(clean) <= most else f"{clean[: most // 2]}…{clean[-most // 2 + 1 :]}"


def quoted(text: object) -> str:
    """A name or a word in quotes, for a message."""
    return f"“{brief(text, 40)}”"


def counted(count: int, what: str) -> str:
    """A number of things: 1 row, 2 rows."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """Names for a message, the first of many."""
    more = f" … ({len(names):,} in all)" if len(names) > LISTED else ""
    return ", ".join(brief(name, 40) for name in names[:LISTED]) + more


def shown(name: str) -> str:
    """The last part of a path, made fit to show."""
    clean = brief(re.split(r"[/\\]", name)[-1])
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
