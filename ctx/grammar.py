"""Small grammars with several languages side by side: frames with slots, written out into sentences.

A file of ``sample_data/`` has the columns ``role,name`` and one for each language. A row is a *frame* (a text with
slots: ``{drink}``, ``{drink2}`` for another drink), its *summary*, or a *slot*: one of the things of its name. In every
language a frame has the same slots; only their order differs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ctx.sample_files import damaged, digest, rows

TRIES = 25  # for each writing: a frame with few things to say may have said them all
SLOT = re.compile(r"\{([a-z]+)(\d?)\}")
CONTRACTIONS = {  # what two words become
    "es": {"a el": "al", "de el": "del"},
    "pt": {"de o": "do", "de a": "da", "em o": "no", "em a": "na", "por o": "pelo", "por a": "pela"},
}

Texts = Mapping[str, str]  # a text in each language


@dataclass(frozen=True)
class Grammar:
    """Frames and summaries by name, the things of every slot; each in all languages."""

    frames: dict[str, Texts] = field(default_factory=dict)
    summaries: dict[str, Texts] = field(default_factory=dict)
    slots: dict[str, list[Texts]] = field(default_factory=dict)


@dataclass(frozen=True)
class Sentence:
    """One writing of a frame: a name of its own, the text and, where the frame has one, its summary."""

    name: str
    frame: str
    texts: Texts
    summaries: Texts


def sentences(file: str, languages: Sequence[str], each: int) -> list[Sentence]:
    """At most ``each`` writings of every frame, by frame, always the same; raises Unavailable where it is damaged."""
    return list(_sentences(file, tuple(languages), each, digest(file)))


@lru_cache(maxsize=4)
def _sentences(file: str, languages: tuple[str, ...], each: int, content: str) -> tuple[Sentence, ...]:
    grammar = _read(file, languages)
    return tuple(one for frame in grammar.frames for one in _written(grammar, frame, each))


def _read(file: str, languages: tuple[str, ...]) -> Grammar:
    grammar = Grammar()
    for number, (role, name, *texts) in enumerate(rows(file, ["role", "name", *languages]), 2):
        one = dict(zip(languages, texts, strict=True))
        if role not in ("frame", "summary", "slot"):
            raise damaged(file, f"line {number} is a “{role}”, not a frame, a summary or a slot")
        if role == "slot":
            grammar.slots.setdefault(name, []).append(one)
        else:
            (grammar.frames if role == "frame" else grammar.summaries)[name] = one
    for name, frame in grammar.frames.items():
        used = _slots(next(iter(frame.values())))
        summary = grammar.summaries.get(name, {})
        if any(_slots(text) != used for text in frame.values()) or any(_slots(t) - used for t in summary.values()):
            raise damaged(file, f"the frame “{name}” has not the same slots in all languages")
        if missing := {slot for slot, _ in used} - set(grammar.slots):
            raise damaged(file, f"the frame “{name}” has a slot “{min(missing)}” that nothing fills")
    return grammar


def _slots(text: str) -> set[tuple[str, str]]:
    return set(SLOT.findall(text))


def _written(grammar: Grammar, frame: str, each: int) -> Iterator[Sentence]:
    """The first writings of one frame, in an order that a hash gives; fewer where it has no more."""
    used = sorted(_slots(next(iter(grammar.frames[frame].values()))))
    seen: set[str] = set()
    for number in range(TRIES * each):
        picked = {
            (slot, other): _hash(f"{frame}/{number}/{slot}{other}") % len(grammar.slots[slot]) for slot, other in used
        }
        name = "-".join([frame, *map(str, picked.values())])
        things = {(slot, thing) for (slot, _), thing in picked.items()}
        if name in seen or len(things) < len(used):  # one thing in two slots
            continue
        seen.add(name)
        yield Sentence(
            name,
            frame,
            _filled(grammar, grammar.frames[frame], picked),
            _filled(grammar, grammar.summaries.get(frame, {}), picked),
        )
        if len(seen) == each:
            return


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])


def _filled(grammar: Grammar, texts: Texts, chosen: Mapping[tuple[str, str], int]) -> dict[str, str]:
    """The texts with things in their slots, sentences starting with capitals."""

    def fill(language: str, text: str) -> str:
        whole = SLOT.sub(lambda found: grammar.slots[found[1]][chosen[found[1], found[2]]][language], text)
        for apart, together in CONTRACTIONS.get(language, {}).items():
            whole = re.sub(rf"\b{apart}\b", together, whole)
        return re.sub(r"(?:^|(?<=[.?!] ))[¿¡]?[^\W\d_]", lambda found: found[0].upper(), whole)

    return {language: fill(language, text) for language, text in texts.items()}
