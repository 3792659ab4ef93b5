"""The summarisation contexts: Wikipedia and papers on the real archives, docstrings of installed libraries, samples."""

import re
import statistics
import time
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest

from ctx import data, libraries
from ctx.contexts import docstrings, papers, wikipedia
from ctx.errors import BadInput, Unavailable
from ctx.parts import Context, Example

WIKIPEDIAS = ["wiki-en", "wiki-es", "wiki-fr"]
LIBRARIES = [docstrings.Torch, docstrings.Transformers, docstrings.Pandas, docstrings.ScikitLearn, docstrings.Scipy]


def chosen(name: str, **knobs: str) -> SimpleNamespace:
    return SimpleNamespace(id=f"summarisation/{name}", knobs=knobs)


@pytest.fixture
def archives(fetched: Callable[..., None]) -> None:
    fetched(wikipedia.WIKIPEDIA, papers.ACLSUM)


@cache
def examples(name: str, **knobs: str) -> list[Example]:
    return data.context(chosen(name, **knobs)).examples()


def words(text: str) -> int:
    return len(text.split())


def real(test: Callable[..., None]) -> Callable[..., None]:
    return pytest.mark.network(pytest.mark.usefixtures("archives")(test))


@real
@pytest.mark.parametrize(
    ("name", "summary", "count"),
    [
        ("wiki-en", "description", 8000),
        ("wiki-es", "description", 5462),
        ("wiki-fr", "description", 8000),
        ("wiki-en", "lead", 8000),
        ("wiki-es", "lead", 3659),
        ("wiki-fr", "lead", 4893),
    ],
)
def test_wikipedia_holds_as_many_pairs_as_when_it_was_pinned(name: str, summary: str, count: int) -> None:
    found = examples(name, summary=summary)
    least, most = wikipedia.DESCRIPTION if summary == "description" else wikipedia.LEAD
    assert len(found) == len({example.id for example in found}) == count
    assert all(20 <= words(example.input) <= 200 for example in found)
    assert all(least <= words(example.output) <= most for example in found)
    assert not any(re.search("[\n\t\u200b]|  ", example.input + example.output) for example in found)


@real
def test_a_description_is_short_and_free_of_the_years_that_stand_in_no_text() -> None:
    outputs = {example.id: example.output for example in examples("wiki-en")}
    assert outputs["Edward Thorndike"] == "American psychologist"
    assert outputs["Kingdom of England"] == "Sovereign state in Europe before 1707"
    assert not any(re.search(r"\(\D*\d{3,4}[–-]\d{3,4}\)$", output) for output in outputs.values())
    assert statistics.mean(map(words, outputs.values())) < 7
    assert not any("desambiguación" in example.output for example in examples("wiki-es"))


@real
def test_a_lead_is_the_first_sentence_and_the_text_goes_on_after_it() -> None:
    whole = {example.id: example.input for example in examples("wiki-es")}
    leads = [example for example in examples("wiki-es", summary="lead") if words(whole.get(example.id, "")) < 200]
    shared = [example for example in leads if example.id in whole]
    assert len(shared) > 3000
    for example in shared:
        assert f"{example.output} {example.input}" == whole[example.id]
        assert example.output[-1] in '.!?»”"'


@pytest.mark.parametrize(
    ("text", "lead"),
    [
        ("The U.S. Army is old. It began in 1775.", "The U.S. Army is old."),
        ("J. S. Bach fue un músico. Nació en Eisenach.", "J. S. Bach fue un músico."),
        ("Elle vit en 33 av. J.-C. à Rome. Elle règne.", "Elle vit en 33 av. J.-C. à Rome."),
        ("¿Quién fue? Un rey.", "¿Quién fue?"),
        ("One sentence only", "One sentence only"),
    ],
)
def test_a_sentence_does_not_end_at_an_abbreviation(text: str, lead: str) -> None:
    found, rest = wikipedia._first_sentence(text)
    assert found == lead
    assert f"{found} {rest}".strip() == text


@real
def test_articles_with_one_title_lie_in_one_split_in_all_languages() -> None:
    where = [
        {example.group: name for name, split in vars(data.splits(chosen(wiki))).items() for example in split}
        for wiki in WIKIPEDIAS
    ]
    for one in where:
        for other in where:
            shared = set(one) & set(other)
            assert len(shared) > 900
            assert all(one[group] == other[group] for group in shared)


@real
def test_papers_have_one_sentence_for_each_aspect_or_all_three() -> None:
    approach, outcome, everything = (examples("papers", aspect=aspect) for aspect in ("approach", "outcome", "all"))
    assert len(approach) == len({example.id for example in approach}) == 250
    assert [example.input for example in approach] == [example.input for example in outcome]
    for first, second, three in zip(approach, outcome, everything, strict=True):
        assert first.output in three.output
        assert three.output.endswith(second.output)
        assert words(first.output) <= 25
        assert 40 <= words(three.output) <= 75
    assert examples("papers") == approach
    assert data.sizes(chosen("papers")) == {"train": 162, "validation": 38, "test": 50}


@real
def test_abstracts_read_as_people_write_them() -> None:
    texts = {example.id: example.input for example in examples("papers")}
    assert texts["P06-1112"].startswith("In this paper, we explore correlation of dependency relation paths to rank")
    assert texts["P06-1112"].endswith("by up to 20% in MRR.")
    assert "Lattice-LSTM (Zhang and Yang, 2018) has achieved" in texts["2020.acl-main.528"]
    assert sum(bool(re.search(r" [,.;:)]|\( ", text)) for text in texts.values()) <= 5  # formulas, in some
    assert 50 < min(map(words, texts.values())) < max(map(words, texts.values())) < 260


@real
@pytest.mark.parametrize("name", [*WIKIPEDIAS, "papers"])
def test_splits_share_no_document_and_no_text(name: str) -> None:
    splits = vars(data.splits(chosen(name)))
    assert sum(map(len, splits.values())) == len(examples(name))
    for one in splits:
        for other in set(splits) - {one}:
            assert not {e.group for e in splits[one]} & {e.group for e in splits[other]}
            assert not {e.input.casefold() for e in splits[one]} & {e.input.casefold() for e in splits[other]}


@pytest.mark.parametrize("name", [*WIKIPEDIAS, "papers"])
def test_without_archive_and_network_one_sentence_says_what_is_missing(name: str) -> None:
    context = data.context(chosen(name))
    (asset,) = context.assets
    assert not data.available(context)
    assert context.digest() == asset.sha256
    with pytest.raises(Unavailable, match=re.escape(asset.filename)):
        context.examples()


def test_what_the_summary_is_is_a_knob_and_names_the_data() -> None:
    assert data.digest(chosen("wiki-es")) == data.digest(chosen("wiki-es", summary="description"))
    assert data.digest(chosen("wiki-es")) != data.digest(chosen("wiki-es", summary="lead"))
    with pytest.raises(BadInput, match="summary"):
        data.context(chosen("wiki-es", summary="title"))
    with pytest.raises(BadInput, match="aspect"):
        data.context(chosen("papers", aspect="title"))


@cache
def described(library: type[Context]) -> list[Example]:
    """The library's examples, of 8 MB of source at most: all of scikit-learn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(libraries, "MOST", 8_000_000)
        return library().examples()


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_docstrings_of_an_installed_library_are_many_and_plain(library: type[Context]) -> None:
    found = described(library)
    assert len(found) >= (1000 if library is docstrings.ScikitLearn else 200)
    assert len({example.id for example in found}) == len({example.input for example in found}) == len(found)
    assert len({example.group for example in found}) >= 50
    for example in found:
        assert 4 <= words(example.output) <= 30
        assert 30 <= words(example.input) <= 200
        assert not re.search(r">>>|`|:class:|https?://|\n|^\s*-{3,}", example.input), example.id
        assert not re.search(r"[\\{}<>|=]|%\(|::", example.output), example.id
    assert len({libraries.pattern(example.output) for example in found}) == len(found)
    splits = vars(data.divide(found))
    assert not {e.group for e in splits["train"]} & {e.group for e in splits["test"]}
    assert len(splits["train"]) == pytest.approx(0.65 * len(found), rel=0.05)


def test_a_library_is_named_by_its_version_and_found_once(home: Path) -> None:
    library = docstrings.ScikitLearn
    assert library().digest() == f"scikit-learn {version('scikit-learn')}"
    assert library().present()
    first = library().examples()
    (kept,) = (home / "docstrings").iterdir()
    before = kept.stat().st_mtime_ns
    began = time.perf_counter()
    assert library().examples() == first
    assert time.perf_counter() - began < 0.5
    assert kept.stat().st_mtime_ns == before
    assert sum(data.sizes(chosen("scikit-learn")).values()) == len(first)


def test_lists_do_not_wait_until_libraries_are_read(home: Path) -> None:
    began = time.perf_counter()
    assert [data.sizes(chosen(name), patient=False) for name in ("torch", "transformers", "scipy")] == [{}] * 3
    assert time.perf_counter() - began < 0.5
    assert not (home / "docstrings").exists()


def test_a_library_that_is_not_installed_has_no_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docstrings.Scipy, "distribution", "no-such-library")
    assert not data.available(chosen("scipy"))
    assert data.sizes(chosen("scipy")) == {}
    with pytest.raises(Unavailable, match="no-such-library is not installed"):
        data.splits(chosen("scipy"))


def test_few_texts_of_one_library_stand_in_another() -> None:
    texts = [{example.input[:100] for example in described(library)} for library in LIBRARIES]
    shared = [one & other for number, one in enumerate(texts) for other in texts[:number]]
    assert sum(map(len, shared)) <= 5
