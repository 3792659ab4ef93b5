"""Japanese sentences with names from the source archive of hironsancorpus: wiki news, as its words are.

The file holds a word a line, its first column the word, its last the tag; an empty line ends a sentence.
"""

from __future__ import annotations

from bisect import bisect

from ctx.parts import Asset, Context, Example

HIRONSAN = Asset(
    project="hironsancorpus",
    filename="hironsancorpus-0.1.2.tar.gz",
    sha256="9ea6a147c7f62433c19492eeaef1da846e038722e01f7c8dc40c406ee7504ae1",
    megabytes=0.7,
    licence="MIT",
)
TYPES = {"LOC": "LOC", "ORG": "ORG", "PSN": "PER"}

# Which sentences (from 0) begin an article: found by reading, since the file doesn't say. Articles that follow up
# the same event have a number each.
# fmt: off
ARTICLES = (
    0, 30, 33, 41, 53, 58, 63, 70, 80, 90, 95, 111, 118, 122, 125, 131, 138, 143, 148, 159, 167, 175, 183, 193, 203,
    206, 210, 218, 222, 232, 238, 244, 252, 263, 268, 274, 282, 288, 293, 302, 307, 316, 328, 344, 353, 358, 364, 370,
    378, 386, 390, 402, 406, 411, 418, 428, 434, 435, 439, 446, 458, 463, 483, 491,
)
# fmt: on


class Encyclopaedia(Context):
    """Japanese wiki news, words as the source cut them, people, places and organisations tagged.

    LOC and ORG are the source's, PER is its PSN. Its PER is a share or a rate (93%, 1:5), no person, and O here as
    are works (ART), dates, times and money. An article is a group: where one begins was found by reading.
    """

    application = "ner"
    name = "ner/encyclopaedia-ja"
    title = "Wiki news in Japanese"
    language = "ja"
    domain = "wiki news"
    culture = "Japanese"
    licence = "MIT (the package; whether that holds for the sentences is not said)"
    citation = "Nakayama, H. (2016). hironsancorpus 0.1.2: Japanese IOB2 tagged corpus for named entity recognition."
    origin = "Articles of 2005 that read as Japanese Wikinews, from hironsancorpus 0.1.2 on the package index"
    labels = ("LOC", "ORG", "PER")
    assets = (HIRONSAN,)

    def examples(self) -> list[Example]:
        """All sentences, in the file's order. Raises Unavailable."""
        from ctx.tagged import mapped, sentence

        found = []
        for number, rows in enumerate(sentences()):
            words, tags = zip(*rows, strict=True)
            article = str(bisect(ARTICLES, number))
            found.append(sentence(str(number), words, mapped(tags, TYPES), article))
        return found


def sentences() -> list[list[tuple[str, str]]]:
    """The sentences as they are: (word, tag) pairs. Two words that are a space (inside a name) are left out."""
    from ctx.archives import members
    from ctx.assets import fetch

    (raw,) = members(fetch(HIRONSAN), ["*/corpus/iob_sents.txt"]).values()
    blocks = raw.decode("utf-8").split("\n\n")
    columns = [[line.split("\t") for line in block.split("\n") if line] for block in blocks]
    return [[(row[0], row[-1]) for row in rows if row[0].strip()] for rows in columns if rows]
