"""Sample translations and summaries, written for this project: for where nothing can be fetched, and for tests.

They come from small grammars in ``sample_data/`` (``ctx/grammar.py``) and are synthetic: simple sentences of a café and
an office in English, Spanish, Portuguese and Chinese, and notices of a town in English and Spanish with a line that
sums each up. The frame is the example's group: what is tested are constructions that were not trained on, with words
that were. In all languages the same frames have the same sentences, and so lie in the same splits.
"""

from __future__ import annotations

from typing import Any, ClassVar, cast

from ctx.parts import Context, Example

EACH = 8  # sentences of a frame
EACH_NOTICE = 10
LANGUAGES = ("en", "es", "pt", "zh")
CULTURES = {"en": "English-speaking", "es": "Spanish-speaking", "pt": "Brazilian", "zh": "Chinese"}
NAMES = {"es": "Spanish", "pt": "Portuguese", "zh": "Chinese", "en": "English"}
PLACES = {"cafe": "cafés", "office": "office and travel"}


class _Written(Context):
    """Sentences of one grammar."""

    licence = "MIT (this project)"
    citation = "Sentences made by a small grammar that was written for this project."
    sample = True
    file: ClassVar[str]

    def digest(self) -> str:
        """SHA-256 of the file; raises Unavailable where it is missing."""
        from ctx.sample_files import digest

        return digest(self.file)


class _Pairs(_Written):
    """English sentences and their translations, 8 of each frame."""

    application = "translation"
    target: ClassVar[str]

    def examples(self) -> list[Example]:
        """By frame, as they stand in the file; raises Unavailable where it is missing or damaged."""
        from ctx.grammar import sentences

        return [
            Example(one.name, one.texts["en"], one.texts[self.target], group=one.frame, stratum="")
            for one in sentences(self.file, LANGUAGES, EACH)
        ]


class _Notices(_Written):
    """A town's notices, 10 of each frame, and what each says in one line of 5 to 12 words."""

    application = "summarisation"
    domain = "notices of a town"
    file = "notices.csv"
    origin = "sample_data/notices.csv"

    def examples(self) -> list[Example]:
        """By frame, as they stand in the file; raises Unavailable where it is missing or damaged."""
        from ctx.grammar import sentences

        own = self.language
        return [
            Example(one.name, one.texts[own], one.summaries[own], group=one.frame, stratum="")
            for one in sentences(self.file, ("en", "es"), EACH_NOTICE)
        ]


class NoticesEnglish(_Notices):
    """A town's notices in English, with a line that sums each up; synthetic."""

    name = "summarisation/sample-notices-en"
    title = "Notices in English (sample)"
    language = "en"
    culture = CULTURES["en"]


class NoticesSpanish(_Notices):
    """The same notices in Spanish."""

    name = "summarisation/sample-notices-es"
    title = "Notices in Spanish (sample)"
    language = "es"
    culture = CULTURES["es"]


def _pairs(place: str, language: str) -> type[Context]:
    title = {"cafe": "Café", "office": "Office and travel"}[place]
    facts: dict[str, Any] = {
        "__doc__": f"Sentences about {PLACES[place]}, from English to {NAMES[language]}; synthetic.",
        "__module__": __name__,
        "name": f"translation/sample-{place}-en-{language}",
        "title": f"{title}, English to {NAMES[language]} (sample)",
        "language": f"en-{language}",
        "domain": PLACES[place],
        "culture": CULTURES[language],
        "file": f"{place}.csv",
        "origin": f"sample_data/{place}.csv",
        "target": language,
    }
    return cast("type[Context]", type(f"{place.title()}{language.title()}", (_Pairs,), facts))


PARTS = tuple(_pairs(place, language) for place in PLACES for language in LANGUAGES[1:])
