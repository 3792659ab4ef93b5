"""What contexts are called in a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ctx.registry import registry

if TYPE_CHECKING:
    from ctx.config import ContextChoice

PROPER = (  # words that a title may begin with and that keep their capital in a sentence
    *("Wikipedia", "British", "Chinese", "Japanese", "German", "French"),
    *("Spanish", "Italian", "Brazilian", "Russian", "English"),
)


def title(context_id: str) -> str:
    """A context's title, or its id where it is no longer there."""
    cls = registry("contexts").get(context_id)
    return cls.title if cls is not None else context_id


def joined(choices: Iterable[ContextChoice]) -> str:
    """Contexts side by side: ``tweets + films``."""
    return " + ".join(short(choice.id) for choice in choices)


def short(context_id: str) -> str:
    """The title as a word in a sentence: ``tweets``; names keep their capitals, remarks are left out."""
    found = title(context_id).partition(" (")[0]
    first = found.split(" ")[0].strip(",")
    return found if first in PROPER or not first.istitle() else found[:1].lower() + found[1:]
