"""What a table is likely to be: its application and what each column means, each with a reason in a line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ctx.imports import language, limits
from ctx.imports.conll import TAG
from ctx.imports.mapping import Mapping
from ctx.imports.names import quoted
from ctx.imports.tables import Cell, Row, Table

HINTS = {
    "text": "text sentence review comment content body tweet message input document source src article utterance "
    "question 文本 句子 评论 内容 正文 原文",
    "label": "label class category sentiment polarity rating stars score topic emotion 标签 情感 类别 评分",
    "target": "target tgt translation summary summaries abstract highlights tldr headline title description "
    "译文 摘要 标题",
    "id": "id idx index key uuid nr number 编号",
    "group": "group document doc article product user author thread frame source file",
}
WORDS = {role: set(words.split()) for role, words in HINTS.items()}
MOST_LIKELY_LABELS = 50
LOOKED_AT, LOOKED_AT_WORD = 2_000, 100  # characters of a cell and of a word in it; words


@dataclass(frozen=True)
class Guess:
    """A mapping, maybe with gaps, the language of its text, and a reason for each role that was guessed."""

    mapping: Mapping
    language: str = ""
    reasons: dict[str, str] = field(default_factory=dict)


class _Column:
    """What a column's first cells are like."""

    def __init__(self, name: str, cells: Sequence[Cell]) -> None:
        self.name = name
        self.lists = sum(isinstance(one, tuple) for one in cells) > len(cells) / 2
        self.words = [len(one[:LOOKED_AT].split() if isinstance(one, str) else one) for one in cells]
        self.filled = [text for one in cells if (text := _beginning(one)).strip()]
        self.distinct = len(set(self.filled))
        self.length = sum(map(len, self.filled)) / max(1, len(self.filled))
        self.numeric = bool(self.filled) and all(_number(text) for text in self.filled)
        tagged = [text for text in self.filled if all(TAG.fullmatch(word) for word in text.split())]
        self.tags = len(tagged) > 0.9 * len(self.filled) and any("-" in text for text in tagged)
        self.spelled = set(re.split(r"[\s._\-()/]+", name.casefold()))

    def hinted(self, role: str) -> bool:
        return bool(self.spelled & WORDS[role])


def _beginning(one: Cell) -> str:
    text = one if isinstance(one, str) else " ".join(word[:LOOKED_AT_WORD] for word in one[:LOOKED_AT_WORD])
    return text[:LOOKED_AT]


def _number(text: str) -> bool:
    return bool(re.fullmatch(r"\s*[-+]?\d+([.,]\d+)?\s*", text))


def guess(table: Table, sample: Sequence[Row]) -> Guess:
    """What the columns mean, from their names and the first rows; never raises, leaves empty what it can't tell."""
    rows = [row for row in sample if not row.refused]
    columns = [_Column(name, [row.cells[n] for row in rows]) for n, name in enumerate(table.columns)]
    found, reasons = _application(table, columns)
    if found.text:
        rest = [one for one in columns if one.name not in (found.text, found.answer)]
        found, reasons = _ids(found, reasons, rest, len(rows))
    place = table.columns.index(found.text) if found.text else 0
    texts = (row.cells[place] for row in rows[:200]) if found.text else ()
    spoken = language.likely(map(_beginning, texts))
    if found.application == "translation":
        other = table.columns.index(found.target)
        answers = (row.cells[other] for row in rows[:200])
        pair = spoken, language.named(found.target) or language.likely(map(_beginning, answers))
        spoken = "-".join(pair) if all(pair) else ""
    return Guess(found, spoken, reasons)


def _application(table: Table, columns: list[_Column]) -> tuple[Mapping, dict[str, str]]:
    if table.format == "CoNLL":
        return Mapping("ner", table.columns[0], table.columns[1]), {"application": "Words with a tag each."}
    filled = [one for one in columns if one.filled]
    labelled = any(one.hinted("label") and _few(one) for one in filled)
    order = (_sentiment, _summarisation) if labelled else (_summarisation, _sentiment)
    for attempt in (_ner, _translation, *order, _pair):
        if found := attempt(filled):
            return found
    return Mapping(), {"application": "The columns fit no application: say which one, and name them."}


Found = tuple[Mapping, dict[str, str]] | None


def _ner(columns: list[_Column]) -> Found:
    for tags in (one for one in columns if one.tags):
        for words in columns:
            alike = sum(a == b for a, b in zip(words.words, tags.words, strict=True))
            if words is not tags and not words.tags and alike > 0.9 * len(tags.words):
                why = f"{quoted(tags.name)} holds tags such as B-PER, as many as {quoted(words.name)} has words."
                return Mapping("ner", words.name, tags.name), {"application": why}
    return None


def _translation(columns: list[_Column]) -> Found:
    spoken = {one.name: code for one in columns if (code := language.named(one.name)) and not one.numeric}
    if len(set(spoken.values())) < 2:
        return None
    names = sorted(spoken, key=lambda name: spoken[name] != "en")
    text, target = names[0], next(name for name in names if spoken[name] != spoken[names[0]])
    why = f"{quoted(text)} and {quoted(target)} are named after languages."
    return Mapping("translation", text, target=target), {"application": why}


def _summarisation(columns: list[_Column]) -> Found:
    for short in (one for one in columns if one.hinted("target") and not one.numeric):
        long = max((one for one in columns if one is not short), key=lambda one: one.length, default=None)
        if long and long.length > 1.5 * short.length > 0 and short.distinct > 0.5 * len(short.filled):
            why = f"{quoted(short.name)} is named like a summary and shorter than {quoted(long.name)}."
            return Mapping("summarisation", long.name, target=short.name), {"application": why}
    return None


def _sentiment(columns: list[_Column]) -> Found:
    few = [one for one in columns if _few(one)]
    label = min(few, key=lambda one: (not one.hinted("label"), one.distinct), default=None)
    texts = [one for one in columns if one is not label and not one.numeric and not one.lists]
    text = max(texts, key=lambda one: (one.hinted("text"), one.length), default=None)
    if not label or not text:
        return None
    reasons = {
        "application": f"{quoted(label.name)} has few different values beside a text.",
        "label": f"{quoted(label.name)} has {label.distinct} different values in the first {len(label.filled):,} rows.",
        "text": f"{quoted(text.name)} "
        + ("is named like a text." if text.hinted("text") else "has the longest texts."),
    }
    return Mapping("sentiment", text.name, label.name), reasons


def _few(one: _Column) -> bool:
    most = limits.MOST_LABELS if one.hinted("label") else max(2, min(MOST_LIKELY_LABELS, len(one.filled) / 2))
    least = 1 if one.hinted("label") else 2
    return least <= one.distinct <= most and one.length <= limits.MOST_LABEL and not one.lists


def _pair(columns: list[_Column]) -> Found:
    texts = [one for one in columns if not one.numeric and one.distinct > 0.5 * len(one.filled)]
    if len(texts) != 2:
        return None
    first, second = texts
    if 0.4 < first.length / second.length < 2.5:
        why = "Two columns of texts of about one length, and no labels: taken for translations."
        return Mapping("translation", first.name, target=second.name), {"application": why}
    long, short = sorted(texts, key=lambda one: -one.length)
    why = "A column of long and one of short texts, and no labels: taken for summaries."
    return Mapping("summarisation", long.name, target=short.name), {"application": why}


def _ids(found: Mapping, reasons: dict[str, str], rest: list[_Column], rows: int) -> tuple[Mapping, dict[str, str]]:
    names = {"id": "", "group": ""}
    for one in rest:
        if one.hinted("id") and one.distinct == rows and not names["id"]:
            names["id"] = one.name
            reasons = reasons | {"id": f"{quoted(one.name)} is different in every row."}
        elif one.hinted("group") and limits.LEAST_GROUPS <= one.distinct < rows and not names["group"]:
            names["group"] = one.name
            reasons = reasons | {"group": f"{quoted(one.name)} looks like the document that a row is from."}
    return Mapping(found.application, found.text, found.label, found.target, names["id"], names["group"]), reasons
