"""Which language a text is likely to be in: by its script, then by its commonest little words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

SCRIPTS = {
    "ja": "\u3040-\u30ff",
    "ko": "\uac00-\ud7af",
    "zh": "\u4e00-\u9fff",
    "ru": "\u0400-\u04ff",
    "ar": "\u0600-\u06ff",
    "el": "\u0370-\u03ff",
    "he": "\u0590-\u05ff",
    "hi": "\u0900-\u097f",
    "th": "\u0e00-\u0e7f",
}
LITTLE = {
    "en": "the and of to is in it was that for with this are not",
    "es": "el la de que y los las en un una es por con para muy",
    "fr": "le la les de et des un une est pour dans que qui pas très",
    "de": "der die das und ist nicht ein eine mit für den von auf sehr",
    "it": "il la di che e gli un una per non con sono della molto",
    "pt": "o a de que e os as em um uma para com não muito",
}
NAMES = {
    "en": "english",
    "es": "spanish",
    "fr": "french",
    "de": "german",
    "it": "italian",
    "pt": "portuguese",
    "zh": "chinese",
    "ja": "japanese",
    "ko": "korean",
    "ru": "russian",
    "ar": "arabic",
    "nl": "dutch",
    "hi": "hindi",
    "tr": "turkish",
    "pl": "polish",
    "sv": "swedish",
}


def likely(texts: Iterable[str]) -> str:
    """The language's code; empty where neither script nor words tell."""
    whole = " ".join(texts)[:200_000]
    letters = sum(c.isalpha() for c in whole)
    for code, signs in SCRIPTS.items():
        share = len(re.findall(f"[{signs}]", whole)) / max(1, letters)
        if share > (0.05 if code == "ja" else 0.3):
            return code
    words = Counter(re.findall(r"[^\W\d_]+", whole.casefold()))
    total = sum(words.values())
    found = {code: sum(words[word] for word in little.split()) for code, little in LITTLE.items()}
    first, second = sorted(found, key=lambda code: -found[code])[:2]
    sure = total >= 10 and found[first] >= 0.08 * total and found[first] > 1.2 * found[second]
    return first if sure else ""


def named(column: str) -> str:
    """The language that a column is named after: ``es``, ``text_es``, ``translation.es``, ``Spanish``."""
    words = re.split(r"[^a-z]+", column.casefold())
    codes = {name: code for code, name in NAMES.items()} | {code: code for code in NAMES}
    return next((codes[word] for word in reversed(words) if word in codes), "")
