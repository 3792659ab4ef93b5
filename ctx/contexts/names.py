"""Culture contexts: made-up sentences in nine languages, filled with the names of each.

``sample_data/names-frames.csv`` (columns ``locale,text``) holds sentence frames written for this project, the same
scenes in every language. In a frame ``{person}`` stands for a name, ``(today|tomorrow)`` for one of the words. Faker
fills them from its lists for the locale: the people and firms are invented, many towns too, countries are real.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from ctx.parts import Context, Example

if TYPE_CHECKING:
    from faker import Faker

FRAMES, COLUMNS = "names-frames.csv", ["locale", "text"]
EACH = 18  # sentences a frame
SEED = 1
CHOICE = re.compile(r"\(([^()|]*(?:\|[^()|]*)+)\)")
SLOT = re.compile(r"\{(\w+)\}")
TYPES = {
    **dict.fromkeys(("person", "man", "woman", "given", "family"), "PER"),
    **dict.fromkeys(("city", "country"), "LOC"),
    "company": "ORG",
}
FAMILY_FIRST = {"zh_CN", "ja_JP"}
CITY = {"zh_CN": "city_name", "de_DE": "city_name", "ru_RU": "city_name"}  # elsewhere `city`
INVENTED = {"fr_FR", "pt_BR"}  # towns are made from surnames there: one word would be the surname itself
LONGEST = 40  # characters of a name


class Names(Context):
    """Sentences of one language whose people, places and firms faker made up.

    A frame is a group: the test sentences' constructions never occur in training. About a sixth of the sentences
    name nobody. The same version of faker gives the same sentences everywhere; another one may give others, so the
    version is part of the digest.
    """

    application = "ner"
    domain = "made-up sentences"
    licence = "MIT (this project and faker)"
    citation = "Sentence frames written for this project, filled by Faker (D. Faraglia and contributors)."
    origin = "Made up: sample_data/names-frames.csv filled by faker"
    labels = ("LOC", "ORG", "PER")
    locale: ClassVar[str]

    def examples(self) -> list[Example]:
        """18 sentences a frame, fewer where it has no more; raises Unavailable where the frames can't be read."""
        from faker import Faker

        from ctx.sample_files import rows
        from ctx.tagged import joined, marked

        fake = Faker(self.locale)
        fake.seed_instance(SEED)
        frames = [text for locale, text in rows(FRAMES, COLUMNS) if locale == self.locale]
        found = []
        for number, frame in enumerate(frames, 1):
            texts = dict.fromkeys(filled(frame, self.locale, fake) for _ in range(2 * EACH))
            for place, text in enumerate(list(texts)[:EACH], 1):
                found.append(joined(f"{number}.{place}", marked(text, self.language), str(number)))
        return found

    def digest(self) -> str:
        """The frames' SHA-256 and faker's version; raises Unavailable where the file is missing."""
        from importlib.metadata import version

        from ctx.sample_files import digest

        return f"{digest(FRAMES)}+faker-{version('faker')}"


def filled(frame: str, locale: str, fake: Faker) -> str:
    """One sentence of a frame, its entities marked: ``[PER Eva Roth] arbeitet bei [ORG Karge KG].``"""
    text = CHOICE.sub(lambda found: str(fake.random.choice(found[1].split("|"))), frame)
    text = SLOT.sub(lambda found: f"[{TYPES[found[1]]} {_name(found[1], locale, fake)}]", text)
    return text.replace(".].", ".]")  # a firm's S.A. ends the sentence as well


def _name(slot: str, locale: str, fake: Faker) -> str:
    for _ in range(200):
        name = str(_drawn(slot, locale, fake))
        if _fits(slot, name, locale):
            return name
    raise AssertionError(f"faker has no {slot} that fits for {locale}")


def _drawn(slot: str, locale: str, fake: Any) -> str:
    if slot == "person":
        slot = fake.random.choice(("man", "woman"))
    if slot in ("man", "woman"):
        sex = "male" if slot == "man" else "female"
        given, family = getattr(fake, f"first_name_{sex}")(), getattr(fake, f"last_name_{sex}")()
        return f"{family} {given}" if locale in FAMILY_FIRST else f"{given} {family}"
    ways = {"given": "first_name", "family": "last_name", "city": CITY.get(locale, "city")}
    return str(getattr(fake, ways.get(slot, slot))())


def _fits(slot: str, name: str, locale: str) -> bool:
    """Whether a reader would take it for what it is: no bracketed remarks, no bare surname for a firm or a town."""
    if len(name) > LONGEST or re.search(r"[][()]", name):
        return False
    if slot == "company" and locale not in FAMILY_FIRST:
        return " " in name
    if slot == "city" and locale in INVENTED:
        return bool(re.search("[ -]", name)) and name[0].isupper()
    return True


LOCALES = {
    "en_GB": ("en", "English", "British"),
    "zh_CN": ("zh", "Chinese", "Chinese"),
    "ja_JP": ("ja", "Japanese", "Japanese"),
    "de_DE": ("de", "German", "German"),
    "fr_FR": ("fr", "French", "French"),
    "es_ES": ("es", "Spanish", "Spanish"),
    "it_IT": ("it", "Italian", "Italian"),
    "pt_BR": ("pt", "Portuguese", "Brazilian"),
    "ru_RU": ("ru", "Russian", "Russian"),
}


def _part(code: str, language: str, called: str, people: str) -> type[Names]:
    said = {
        "__doc__": f"Made-up sentences in {called} with {people} names.",
        "__module__": __name__,
        "name": f"ner/names-{language}",
        "title": f"{people} names (made up)",
        "language": language,
        "culture": people,
        "locale": code,
    }
    return type(f"Names{called}", (Names,), said)


PARTS = tuple(_part(code, *said) for code, said in LOCALES.items())
