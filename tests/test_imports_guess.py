"""What a file is, and what its columns mean, is guessed with a reason; what a person says goes before."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from ctx.imports import language
from ctx.imports.guess import Guess
from ctx.imports.mapping import Mapping
from ctx.imports.take import look
from ctx.registry import part
from tests.imported import REVIEWS, csv_text, json_lines, taken, written

TEXT = "the river runs past a stone mill and over green fields where sheep sleep in the shade of old trees"
WORDS = TEXT.split()


def prose(words: int, seed: int) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words)) + f" {seed}."


def guessed(folder: Path, records: list[dict[str, Any]]) -> Guess:
    found = look([written(folder, "r.jsonl", json_lines(records))]).guess
    assert found.reasons["application"].endswith(".")
    return found


SENTIMENT = {
    "plain": [{"text": text, "label": label} for text, label in REVIEWS],
    "names that say nothing": [{"a": text, "b": label} for text, label in REVIEWS],
    "stars": [{"n": n, "stars": n % 5, "review": text} for n, (text, _) in enumerate(REVIEWS)],
    "title": [{"title": text[:9], "body": text * 3, "rating": "45"[n % 2]} for n, (text, _) in enumerate(REVIEWS)],
    "Chinese names": [{"评论": f"茶很好喝 {n}", "标签": "好坏"[n % 2]} for n in range(12)],
    "a constant column": [{"lang": "en", "text": text, "label": label} for text, label in REVIEWS],
}


@pytest.mark.parametrize("case", SENTIMENT)
def test_a_text_with_a_label_is_sentiment(tmp_path: Path, case: str) -> None:
    found = guessed(tmp_path, SENTIMENT[case]).mapping
    assert found.application == "sentiment"
    assert found.text in ("text", "a", "review", "body", "评论")
    assert found.label in ("label", "b", "stars", "rating", "标签")


def test_tags_beside_words_are_ner(tmp_path: Path) -> None:
    records = [{"id": n, "ner_tags": ["B-PER", "O"], "tokens": ["Ada", f"ran{n}"]} for n in range(12)]
    found = guessed(tmp_path, records).mapping
    assert (found.application, found.text, found.label, found.id) == ("ner", "tokens", "ner_tags", "id")


@pytest.mark.parametrize("names", [("en", "de"), ("text_en", "text_de"), ("English", "German"), ("x.en", "x.de")])
def test_columns_named_after_languages_are_translation_from_english(tmp_path: Path, names: tuple[str, str]) -> None:
    english, german = names
    records = [{german: f"Der Hund {n} bellt.", english: f"The dog {n} barks."} for n in range(12)]
    found = guessed(tmp_path, records)
    assert (found.mapping.application, found.mapping.text, found.mapping.target) == ("translation", english, german)


def test_a_long_and_a_short_text_are_summarisation(tmp_path: Path) -> None:
    records = [{"article": prose(80, n), "highlights": prose(9, n + 100)} for n in range(20)]
    found = guessed(tmp_path, records).mapping
    assert (found.application, found.text, found.target) == ("summarisation", "article", "highlights")
    unnamed = [{"a": prose(9, n + 100), "b": prose(80, n)} for n in range(20)]
    found = guessed(tmp_path, unnamed).mapping
    assert (found.application, found.text, found.target) == ("summarisation", "b", "a")


def test_groups_and_ids_are_found_where_they_can_be_used(tmp_path: Path) -> None:
    rows = [(str(n), f"d{n // 3}", prose(9, n), "ab"[n % 2]) for n in range(60)]
    found = look([written(tmp_path, "r.csv", csv_text(rows, "id,document,text,label"))]).guess.mapping
    assert (found.id, found.group) == ("id", "document")
    rows = [(str(n // 2), f"d{n // 30}", prose(9, n), "ab"[n % 2]) for n in range(60)]
    found = look([written(tmp_path, "r.csv", csv_text(rows, "id,document,text,label"))]).guess.mapping
    assert (found.id, found.group) == ("", "")


def test_what_fits_nothing_is_left_open_with_a_reason(tmp_path: Path) -> None:
    found = guessed(tmp_path, [{"a": n, "b": n * n} for n in range(30)])
    assert found.mapping.application == ""
    assert "say which one" in found.reasons["application"]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (
            "en",
            "The tea was good and the people were kind to us, but it is not the place for a quiet talk.",
        ),
        ("es", "El té era muy bueno y la gente amable, pero no es un lugar para hablar con los amigos en una tarde."),
        (
            "fr",
            "Le thé est très bon et les gens sont aimables, mais ce n'est pas un endroit pour parler.",
        ),
        (
            "de",
            "Der Tee ist sehr gut und die Leute sind nett, aber das ist nicht ein Ort für eine ruhige Stunde.",
        ),
        ("zh", "茶很好喝，人也很和气，但是这里不安静。"),
        ("ja", "お茶はおいしく、人も親切だが、静かな所ではない。"),
        ("ru", "Чай был хороший, и люди добрые."),
        ("", "ok"),
    ],
)
def test_the_language_is_likely_from_script_and_little_words(code: str, text: str) -> None:
    assert language.likely([text]) == code


def test_what_a_person_says_goes_before_the_guess(tmp_path: Path) -> None:
    rows = [(text, f"LOUD {text}", label, "wxyz"[n % 4]) for n, (text, label) in enumerate(REVIEWS * 2)]
    rows = [(text, f"{loud} {n}", label, other) for n, (text, loud, label, other) in enumerate(rows)]
    path = written(tmp_path, "r.csv", csv_text(rows, "text,loud,label,other"))
    said = Mapping("sentiment", "loud", "other", renames=(("x", "y"), ("z", "")))
    found = taken(path, mapping=said, title="  My\u202e data ", language="xx", licence="CC0", domain="cafés")
    assert found.labels == {"y": 12, "w": 6}
    assert [one.reason for one in found.report.refusals] == ["its label is “z”, which you left out"] * 6
    assert found.meta is not None
    made = part("contexts", found.meta.id)
    assert (made.title, made.language, made.licence, made.domain) == ("My data", "xx", "CC0", "cafés")
    assert made().examples()[0].input == "LOUD The soup was warm and the waiter smiled. 0"
