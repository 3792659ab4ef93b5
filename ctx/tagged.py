"""Sentences whose words bear BIO tags: made from marked text or from the tags of a source."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence

from ctx.parts import Example

OUTSIDE = "O"
UNSPACED = {"zh", "ja"}  # languages written without spaces
MARKED = re.compile(r"\[([A-Z]+) ([^][]+)\]")
WORD = re.compile(r"['’]?\w+(?:[-.'’/]\w+)*['’]?|[^\w\s]")
NAME = re.compile(r"\w+(?:[-.'’/]\w+)*\.?|[^\w\s]")  # inside a name a full stop belongs to the word: S.A., Inc.

Piece = tuple[Sequence[str], str]  # words, and the type of the entity that they are ("": none)


def sentence(id: str, words: Sequence[str], tags: Sequence[str], group: str) -> Example:
    """A tagged sentence; its stratum says whether it names anything ("some" or "none")."""
    stratum = "some" if any(tag != OUTSIDE for tag in tags) else "none"
    return Example(id, tuple(words), tuple(tags), group, stratum)


def joined(id: str, pieces: Iterable[Piece], group: str) -> Example:
    """The sentence that pieces make, in their order."""
    words: list[str] = []
    tags: list[str] = []
    for inner, kind in pieces:
        words += inner
        tags += [f"{'I' if number else 'B'}-{kind}" if kind else OUTSIDE for number in range(len(inner))]
    return sentence(id, words, tags, group)


def marked(text: str, language: str) -> list[Piece]:
    """The pieces of a text that marks its entities: ``[PER Ada Lovelace] wrote it.``

    Words are split at spaces and punctuation; Chinese and Japanese into single characters.
    """
    pieces: list[Piece] = []
    end = 0
    for found in MARKED.finditer(text):
        pieces += [
            (_words(text[end : found.start()], WORD, language), ""),
            (_words(found[2], NAME, language), found[1]),
        ]
        end = found.end()
    return [*pieces, (_words(text[end:], WORD, language), "")]


def _words(text: str, pattern: re.Pattern[str], language: str) -> list[str]:
    return list("".join(text.split())) if language in UNSPACED else pattern.findall(text)


def mapped(tags: Iterable[str], types: Mapping[str, str]) -> list[str]:
    """BIO tags with a source's types renamed; types that ``types`` doesn't name become O."""
    found = []
    for tag in tags:
        place, _, kind = tag.partition("-")
        found.append(f"{place}-{types[kind]}" if kind in types else OUTSIDE)
    return found


def few(ids: Iterable[str], most: int) -> set[str]:
    """At most so many: those whose hashes are the smallest, so that the choice never changes."""
    return set(sorted(ids, key=lambda id: hashlib.sha256(id.encode()).digest())[:most])
