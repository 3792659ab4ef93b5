"""Translation from English, from the message catalogues of four programs: what their translators wrote.

``translation/{framework,notebooks,cms,shop}-en-{es,fr,de,zh,pt,it}``: Django, JupyterLab, Wagtail, Oscar. Catalogues
hold ``msgid`` (English) and ``msgstr`` pairs, in gettext's .po or .mo format. The same English sentence occurs in
several languages and programs, so sentences are split by name: one that is tested in one context is trained on in none,
nor is one that differs in articles or plurals alone.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from ctx.parts import Asset, Context, Example

FEWEST, MOST = 2, 40  # words of an English sentence
# Placeholders (%s, %(x)s, {x}, %1), markup, code, accelerators (&File), addresses and paths: a sentence with any of
# them is left out, since without them it would be damaged.
NOT_PROSE = re.compile(r"%[\w(%]|[{}<>\\`|_*#$=^~@\[\]]|&[\w#]|://|www\.|(?<![\w/])/\w|\w\.(?:html?|py|js|json)\b")
INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufe0f\ufeff]")
CHINESE = re.compile("[\u4e00-\u9fff]")
ARTICLES = {"a", "an", "the", "this", "these", "your"}
LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True)
class Language:
    """A target language: its name, whose usage it is, and what the programs call it."""

    title: str
    culture: str
    django: str  # also Wagtail's and Oscar's
    jupyter: str


LANGUAGES = {
    "es": Language("Spanish", "Spanish-speaking", "es", "es-ES"),
    "fr": Language("French", "French-speaking", "fr", "fr-FR"),
    "de": Language("German", "German-speaking", "de", "de-DE"),
    "zh": Language("Chinese", "Chinese (mainland)", "zh_Hans", "zh-CN"),
    "pt": Language("Portuguese", "Brazilian", "pt_BR", "pt-BR"),
    "it": Language("Italian", "Italian", "it", "it-IT"),
}

DJANGO = Asset(
    project="django",
    filename="django-5.2.19-py3-none-any.whl",
    sha256="5965d974a5218a2b68a11dd1276434707f23886525c23f0598eccedaf4f4ca00",
    megabytes=8.3,
    licence="BSD-3-Clause",
)
WAGTAIL = Asset(
    project="wagtail",
    filename="wagtail-8.0.1-py3-none-any.whl",
    sha256="1e6ad5c7891a54efce1400e168298b5a2cc343b642cee89c31bf5ec30c98b26c",
    megabytes=9.8,
    licence="BSD-3-Clause",
)
OSCAR = Asset(
    project="django-oscar",
    filename="django_oscar-4.2.1-py3-none-any.whl",
    sha256="adbb95ea0130859c204cc6fb221052d6d437ecbaa90800e8418a809f72645e9c",
    megabytes=9.0,
    licence="BSD-3-Clause",
)
JUPYTER = {  # each language is a package of its own
    "es": ("8b315de006bc48d5798988cff6141f00694e411265011ea21570b4f459070381", 0.06),
    "fr": ("9f6ce9d4e64b367ff084a2313af29d6ad8a02d1d08000f3e6c53e2856fa9a11f", 0.22),
    "de": ("b716b56f7e0c884f42152d5e36c253ea0f32ca41f99097d842d3934f4a4bc7fb", 0.07),
    "zh": ("47cdb0c41c6b066e795c867786c9c29fde527e2bf15aa6b3e9b2bab9929304b5", 0.22),
    "pt": ("15bad442fd7180d05f99f89b452cf493a3f6ec51454f81d3a5531954e39439b6", 0.07),
    "it": ("7c1454449f44d635e96245af3905626f205761d304bc9537e0c77aa46634ea6a", 0.06),
}


@dataclass(frozen=True)
class Program:
    """A translated program: ``domain`` is what it is for, ``archives`` the archive of each language."""

    title: str
    domain: str
    archives: Mapping[str, Asset]
    citation: str


def _language_pack(language: str) -> Asset:
    project = f"jupyterlab-language-pack-{LANGUAGES[language].jupyter}"
    sha256, megabytes = JUPYTER[language]
    filename = f"{project.replace('-', '_').lower()}-4.5.post3-py2.py3-none-any.whl"
    return Asset(project, filename, sha256, megabytes, "BSD-3-Clause")


PROGRAMS = {
    "framework": Program(
        "Web framework",
        "web framework",
        dict.fromkeys(LANGUAGES, DJANGO),
        "Django Software Foundation and translators. Django 5.2.19, message catalogues.",
    ),
    "notebooks": Program(
        "Notebooks",
        "notebooks",
        {language: _language_pack(language) for language in LANGUAGES},
        "Project Jupyter contributors and translators. JupyterLab language packs 4.5.post3.",
    ),
    "cms": Program(
        "Content management",
        "content management",
        dict.fromkeys(LANGUAGES, WAGTAIL),
        "Wagtail core team, contributors and translators. Wagtail 8.0.1, message catalogues.",
    ),
    "shop": Program(
        "Web shop",
        "e-commerce",
        dict.fromkeys(LANGUAGES, OSCAR),
        "Tangent Communications, contributors and translators. django-oscar 4.2.1, message catalogues.",
    ),
}


class _Catalogue(Context):
    """The sentences of one program in one language, each English sentence once.

    Left out: what isn't translated or only perhaps (fuzzy), what is the same in both languages, fewer than 2 or more
    than 40 English words, and whatever holds placeholders, markup, code, addresses or accelerators.
    """

    application = "translation"
    licence = "BSD-3-Clause"
    split_by_name = True
    archive: ClassVar[Asset]
    locale: ClassVar[str]
    target: ClassVar[str]

    def examples(self) -> list[Example]:
        """All pairs, by catalogue and as they stand there. Raises Unavailable."""
        from ctx.assets import fetch

        kept: dict[str, Example] = {}
        for english, translated in _messages(str(fetch(self.archive)), self.locale):
            name = normal(english)
            if name not in kept and _teaches(english, translated, self.target):
                number = hashlib.sha256(name.encode()).hexdigest()[:12]
                kept[name] = Example(number, english, translated, group=family(english), stratum="")
        return list(kept.values())


def normal(english: str) -> str:
    """What makes two English sentences the same: their words, whatever their case, spacing and punctuation."""
    return " ".join(re.findall(r"\w+", english.casefold()))


def family(english: str) -> str:
    """What puts English sentences into one group: their words without articles and plurals."""
    words = [word.removesuffix("s") for word in normal(english).split() if word not in ARTICLES]
    return " ".join(word for word in words if word) or normal(english)


def _messages(archive: str, locale: str) -> Iterator[tuple[str, str]]:
    """Every translated message; of one with plural forms the first."""
    from pathlib import Path

    import polib

    from ctx.archives import members

    wanted = f"*/locale/{locale}/LC_MESSAGES/*.{'mo' if '_language_pack_' in archive else 'po'}"
    for name, raw in sorted(members(Path(archive), [wanted]).items()):
        catalogue = polib.mofile(raw) if name.endswith(".mo") else polib.pofile(raw.decode("utf-8"))
        for entry in catalogue:
            if not entry.obsolete and "fuzzy" not in getattr(entry, "flags", ()):
                yield _clean(entry.msgid), _clean(entry.msgstr_plural.get(0, "") or entry.msgstr)


def _clean(text: str) -> str:
    return " ".join(INVISIBLE.sub("", unicodedata.normalize("NFC", text)).split())


def _teaches(english: str, translated: str, target: str) -> bool:
    """Whether a pair is a sentence and its translation, with nothing of a machine's in it."""
    return (
        translated != ""
        and translated.casefold() != english.casefold()
        and sum(LETTER.search(word) is not None for word in english.split()) >= FEWEST
        and len(english.split()) <= MOST
        and not NOT_PROSE.search(english)
        and not NOT_PROSE.search(translated)
        and (target != "zh" or CHINESE.search(translated) is not None)
    )


def _family() -> tuple[type[Context], ...]:
    """A class for every program and language."""
    made = []
    for program, about in PROGRAMS.items():
        for code, language in LANGUAGES.items():
            archive = about.archives[code]
            locale = language.jupyter.replace("-", "_") if program == "notebooks" else language.django
            facts: dict[str, Any] = {
                "__doc__": f"Messages of a program for {about.domain}, from English to {language.title}.",
                "__module__": __name__,
                "name": f"translation/{program}-en-{code}",
                "title": f"{about.title}, English to {language.title}",
                "language": f"en-{code}",
                "domain": about.domain,
                "culture": language.culture,
                "citation": about.citation,
                "origin": f"Message catalogues in {archive.filename} on the package index",
                "assets": (archive,),
                "archive": archive,
                "locale": locale,
                "target": code,
            }
            made.append(cast("type[Context]", type(f"{program.title()}{code.title()}", (_Catalogue,), facts)))
    return tuple(made)


PARTS = _family()
