"""Summarisation of research papers: abstracts in computational linguistics, and what people wrote in one sentence.

For each of 250 papers the archive has three sentences of at most 25 words, written from abstract, introduction and
conclusion: the challenge, the approach, the outcome (Takeshita et al. 2024).
"""

from __future__ import annotations

import re
from typing import Literal

from ctx.parts import Asset, Context, Example, Knobs, knob

ACLSUM = Asset(
    project="aclsum",
    filename="aclsum-0.1.2-py3-none-any.whl",
    sha256="c75ffc48d3eabc5f37c68ea087943780a85950087957759e89746f21111f2213",
    megabytes=5.2,
    licence="MIT",
)
LONGEST = 200  # words of a text
ASPECTS = ("challenge", "approach", "outcome")
SPACED = (  # the archive's texts are split into tokens
    (re.compile(r" ([,.;:!?%)\]}’]|n't\b|'(?:s|re|ve|ll|d|m)\b)"), r"\1"),
    (re.compile(r"([(\[{]) "), r"\1"),
    (re.compile(r'" ([^"]*?) "'), r'"\1"'),
    (re.compile(r"\b(\w+) '(?=\s)"), r"\1'"),
)


class PapersKnobs(Knobs):
    """What the summary says."""

    aspect: Literal["approach", "challenge", "outcome", "all"] = knob(
        "approach", "What the summary says of the paper: its approach, challenge or outcome, or all three in a row."
    )


class Papers(Context):
    """Abstracts of 250 papers in computational linguistics; the summary is one sentence on the approach.

    The approach is what abstracts say most about: the abstract's best sentence has ROUGE-L .36 with it, .33 with the
    outcome, .25 with the challenge. An abstract ends with the sentence in which it reaches 200 words. One paper is one
    group.
    """

    name = "summarisation/papers"
    application = "summarisation"
    title = "Research papers"
    language = "en"
    domain = "research papers"
    culture = "academic"
    licence = "MIT"
    citation = (
        "Takeshita, S., Green, T., Reinig, I., Eckert, K. & Ponzetto, S. P. (2024). ACLSum: A New Dataset for "
        "Aspect-based Summarization of Scientific Publications. NAACL 2024."
    )
    origin = "Papers of the ACL Anthology, from aclsum 0.1.2 on the package index"
    assets = (ACLSUM,)
    Knobs = PapersKnobs

    def examples(self) -> list[Example]:
        """In the archive's order. Raises Unavailable."""
        import json

        from ctx.archives import members
        from ctx.assets import fetch

        wanted = ASPECTS if self.knobs.aspect == "all" else (self.knobs.aspect,)
        files = members(fetch(ACLSUM), ["aclsum/dataset/*.jsonl"])
        papers = [json.loads(line) for raw in files.values() for line in raw.decode("utf-8").split("\n") if line]
        return [
            Example(
                paper["id"],
                _text(paper["sentences"]["abstract"]),
                " ".join(_clean(paper["summary"][aspect]) for aspect in wanted),
                group=paper["id"],
                stratum="",
            )
            for paper in papers
        ]


def _text(sentences: list[str]) -> str:
    kept: list[str] = []
    for sentence in sentences:
        if sum(len(one.split()) for one in kept) < LONGEST:
            kept.append(_clean(sentence))
    return " ".join(kept)


def _clean(text: str) -> str:
    """The text as one writes it, no spaces before commas."""
    text = " ".join(text.split())
    for found, instead in SPACED:
        text = found.sub(instead, text)
    return text
