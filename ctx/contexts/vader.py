"""The four human-rated English contexts of the VADER study (Hutto & Gilbert 2014).

At least 15 people rated every sentence from -4 to 4; its mean decides the label. The files hold
``id TAB mean rating TAB text``, UTF-8, in an archive inside the package's source archive.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import unescape
from typing import ClassVar

from ctx.parts import Asset, Context, Example, Knobs, knob

VADER = Asset(
    project="vaderSentiment",
    filename="vaderSentiment-3.3.2.tar.gz",
    sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    megabytes=2.5,
    licence="MIT",
)
ENTITY = re.compile("&(?:amp|lt|gt|quot);")  # how the services sent & < > "


class VaderKnobs(Knobs):
    """What counts as clearly positive or negative."""

    min_rating: float = knob(
        0.5, "Leaves out sentences rated nearer to neutral than this (mean of all raters, -4 to 4).", ge=0, le=4
    )


class _Vader(Context):
    """Sentences that people rated.

    A text that occurs more than once (case and spacing aside) is one example: the first one's id and document, the
    mean of its ratings; so copies whose ratings disagree come out near neutral and mostly fall under `min_rating`.
    A mean of exactly 0 has no sign and never counts.
    """

    application = "sentiment"
    language = "en"
    licence = "MIT"
    citation = (
        "Hutto, C. J. & Gilbert, E. E. (2014). VADER: A Parsimonious Rule-based Model for Sentiment Analysis of "
        "Social Media Text. ICWSM-14."
    )
    labels = ("negative", "positive")
    assets = (VADER,)
    Knobs = VaderKnobs
    file: ClassVar[str]

    def examples(self) -> list[Example]:
        """Sentences with at least `min_rating`, in the file's order. Raises Unavailable."""
        from ctx.assets import fetch

        least = self.knobs.min_rating
        return [
            Example(id=id, input=text, output="positive" if rating > 0 else "negative", group=id.partition("_")[0])
            for id, rating, text in _ratings(str(fetch(VADER)), self.file)
            if rating and abs(rating) >= least
        ]


class Tweets(_Vader):
    """Short public messages, 4,000 real ones and 200 written for the study; no user is named."""

    name = "sentiment/tweets"
    title = "Tweets"
    domain = "social media"
    origin = "Public Twitter timeline, about 2013, from vaderSentiment 3.3.2 on the package index"
    file = "tweets"


class Products(_Vader):
    """Sentences of customer reviews of five electronic products; a review is a document."""

    name = "sentiment/products"
    title = "Product reviews"
    domain = "product reviews"
    culture = "US"
    origin = "Amazon customer reviews (Hu & Liu 2004), from vaderSentiment 3.3.2 on the package index"
    file = "amazonReviewSnippets"


class Movies(_Vader):
    """Sentences of critics' film reviews; the file doesn't say which came from one review."""

    name = "sentiment/movies"
    title = "Film reviews"
    domain = "film reviews"
    culture = "US"
    origin = "Rotten Tomatoes snippets (Pang & Lee), from vaderSentiment 3.3.2 on the package index"
    file = "movieReviewSnippets"


class Editorials(_Vader):
    """Sentences of opinion articles of a newspaper; an article is a document."""

    name = "sentiment/editorials"
    title = "Editorials"
    domain = "newspaper opinion"
    culture = "US"
    origin = "New York Times editorials, from vaderSentiment 3.3.2 on the package index"
    file = "nytEditorialSnippets"


def rows(archive: str, file: str) -> list[tuple[str, float, str]]:
    """The file as it is: id, mean rating (-4 to 4), text; only outer spaces and escaped ``&amp;`` undone."""
    from pathlib import Path

    from ctx.archives import members

    (inner,) = members(Path(archive), ["*/hutto_ICWSM_2014.tar.gz"]).values()
    (raw,) = members(inner, [f"*/{file}_GroundTruth.txt"]).values()
    split = (line.split("\t", 2) for line in raw.decode("utf-8").split("\n") if line.strip())
    return [(id.strip(), float(rating), _clean(text)) for id, rating, text in split]


def _clean(text: str) -> str:
    return ENTITY.sub(lambda found: unescape(found[0]), text).strip()


@lru_cache(maxsize=8)
def _ratings(archive: str, file: str) -> tuple[tuple[str, float, str], ...]:
    """Every text once: the id of the first, the mean rating of all."""
    seen: dict[str, tuple[str, str, list[float]]] = {}
    for id, rating, text in rows(archive, file):
        seen.setdefault(" ".join(text.casefold().split()), (id, text, []))[2].append(rating)
    return tuple((id, sum(ratings) / len(ratings), text) for id, text, ratings in seen.values())
