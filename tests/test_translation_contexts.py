"""The translation contexts: messages of four programs on the real archives, and the sample pairs."""

import re
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace

import polib
import pytest

from ctx import assets, data
from ctx.archives import members
from ctx.contexts import catalogues
from ctx.errors import Unavailable
from ctx.parts import Context, Example
from ctx.registry import registry

CATALOGUES: list[type[Context]] = list(catalogues.PARTS)
COUNTS = {  # as found when the archives were pinned
    "framework": {"es": 327, "fr": 325, "de": 312, "zh": 321, "pt": 327, "it": 311},
    "notebooks": {"es": 642, "fr": 2288, "de": 712, "zh": 2286, "pt": 662, "it": 592},
    "cms": {"es": 801, "fr": 1005, "de": 992, "zh": 786, "pt": 902, "it": 971},
    "shop": {"es": 1041, "fr": 1136, "de": 1075, "zh": 1038, "pt": 1043, "it": 1073},
}
every_catalogue = pytest.mark.parametrize("context", CATALOGUES, ids=lambda context: context.name)


def chosen(context: type[Context]) -> SimpleNamespace:
    return SimpleNamespace(id=context.name, knobs={})


@pytest.fixture
def archives(fetched: Callable[..., None]) -> None:
    fetched(*{asset for context in CATALOGUES for asset in context.assets})


@cache
def examples(context: type[Context]) -> list[Example]:
    return context().examples()


def all_translation_contexts() -> list[type[Context]]:
    return [context for context in registry("contexts").values() if context.application == "translation"]


@every_catalogue
def test_the_registry_finds_every_catalogue_and_its_name_says_what_it_holds(context: type[Context]) -> None:
    program, _, language = context.name.removeprefix("translation/").partition("-")
    assert registry("contexts")[context.name] is context
    assert context.language == language
    assert context.language.partition("-")[2] in catalogues.LANGUAGES
    assert context.domain == catalogues.PROGRAMS[program].domain
    assert (context.application, context.labels, context.sample) == ("translation", (), False)
    assert context.culture
    assert context.citation


@every_catalogue
def test_a_digest_is_the_hash_of_the_archive_and_needs_no_archive(context: type[Context]) -> None:
    (asset,) = context.assets
    assert context().digest() == asset.sha256
    digests = {data.digest(chosen(other)) for other in CATALOGUES}
    assert len(digests) == len(CATALOGUES)


@every_catalogue
def test_without_archive_and_network_one_sentence_says_what_is_missing(context: type[Context]) -> None:
    (asset,) = context.assets
    assert not data.available(chosen(context))
    with pytest.raises(Unavailable, match=re.escape(asset.filename)):
        context().examples()


@pytest.mark.network
@pytest.mark.usefixtures("archives")
def test_catalogues_hold_as_many_pairs_as_when_they_were_pinned() -> None:
    for context in CATALOGUES:
        program, _, language = context.name.removeprefix("translation/").split("-", 2)
        found = examples(context)
        assert len(found) == COUNTS[program][language] >= 200, context.name
        assert len({example.id for example in found}) == len(found)
        assert len({catalogues.normal(example.input) for example in found}) == len(found)
        assert sum(data.sizes(chosen(context)).values()) == len(found)


@pytest.mark.network
@pytest.mark.usefixtures("archives")
def test_no_placeholder_no_markup_no_address_and_no_accelerator_is_left() -> None:
    damaged = re.compile(r"%[(\w]|\{|\}|<\w|</|&\w|\w://|`|\\|[\u200b\ufeff\n\t]|  ")
    for example in [example for context in CATALOGUES for example in examples(context)]:
        for text in (example.input, example.output):
            assert not damaged.search(text), text
            assert text == text.strip() != ""
        assert 2 <= len(example.input.split()) <= 40
        assert example.input.casefold() != example.output.casefold()
        assert (example.stratum, example.group) == ("", catalogues.family(example.input))


@pytest.mark.network
@pytest.mark.usefixtures("archives")
@pytest.mark.parametrize(
    ("name", "english", "translated"),
    [
        ("framework-en-es", "This field is required.", "Este campo es obligatorio."),
        ("framework-en-zh", "Toggle navigation", "切换导航"),
        ("notebooks-en-fr", "Refresh the current terminal session", "Rafraîchir la session du terminal actuel"),
        ("notebooks-en-es", "Shut down the console?", "¿Cerrar la consola?"),
        ("cms-en-de", "Are you sure you want to disable this task?", None),
        ("cms-en-pt", "The requested page could not be found.", None),
        ("shop-en-zh", "Thanks for registering!", "感谢注册！"),
        ("shop-en-it", "This review has no votes.", None),
    ],
)
def test_pairs_are_the_ones_of_the_catalogue(name: str, english: str, translated: str | None) -> None:
    context = registry("contexts")[f"translation/{name}"]
    found = {example.input: example.output for example in examples(context)}
    raw = members(assets.path(context.assets[0]), [f"*/locale/{context.locale}/LC_MESSAGES/*o"])
    read = [polib.mofile(raw[file]) if file.endswith(".mo") else polib.pofile(raw[file].decode()) for file in raw]
    listed = {entry.msgstr for catalogue in read for entry in catalogue if entry.msgid == english}
    assert found[english] in listed
    assert translated in (None, found[english])


@pytest.mark.network
@pytest.mark.usefixtures("archives")
def test_chinese_is_chinese_and_languages_are_told_apart_by_their_commonest_words() -> None:
    commonest = {"es": "de la", "fr": "de la", "de": "die", "pt": "não", "it": "di"}
    for context in CATALOGUES:
        language = context.language.partition("-")[2]
        text = " ".join(example.output for example in examples(context))
        chinese = sum("\u4e00" <= letter <= "\u9fff" for letter in text) / len(text)
        assert (chinese > 0.5) == (language == "zh"), context.name
        if language != "zh":
            assert f" {commonest[language]} " in text.casefold(), context.name


@pytest.mark.network
@pytest.mark.usefixtures("archives")
def test_no_english_sentence_that_one_context_tests_is_trained_on_in_any() -> None:
    parts = {context.name: data.splits(chosen(context)) for context in all_translation_contexts()}
    assert len(parts) >= 24
    tested, trained = (
        {catalogues.family(example.input) for split in parts.values() for example in getattr(split, name)}
        for name in ("test", "train")
    )
    watched = {catalogues.family(example.input) for split in parts.values() for example in split.validation}
    assert len(tested) > 850
    assert len(trained) > 2500
    assert not tested & trained
    assert not watched & (tested | trained)


@pytest.mark.network
@pytest.mark.usefixtures("archives")
def test_splits_have_about_their_shares_and_enough_to_learn_from() -> None:
    for context in CATALOGUES:
        sizes = data.sizes(chosen(context))
        assert sizes["train"] >= 200, context.name
        for split, share in data.SHARES.items():
            assert sizes[split] / sum(sizes.values()) == pytest.approx(share, abs=0.05), context.name


@pytest.mark.network
@pytest.mark.usefixtures("archives")
def test_splits_are_these_for_ever() -> None:
    """Raise SPLITS_VERSION, or the context's version, when these change."""
    assert data.sizes(SimpleNamespace(id="translation/cms-en-es", knobs={})) == {
        "train": 537,
        "validation": 131,
        "test": 133,
    }


def test_two_english_sentences_are_one_whatever_their_case_spacing_and_punctuation() -> None:
    assert catalogues.normal("Don’t  Save…") == catalogues.normal("don't save") == "don t save"
    assert catalogues.normal("Save all") != catalogues.normal("Save")


def test_sentences_that_differ_in_articles_and_plurals_alone_lie_in_one_split() -> None:
    assert catalogues.family("Delete the images.") == catalogues.family("delete image") == "delete image"
    assert catalogues.family("Search term(s)") == catalogues.family("Search terms") == "search term"
    assert catalogues.family("Delete image") != catalogues.family("Delete page")
    assert catalogues.family("This a") == "this a"


@pytest.mark.parametrize(
    ("english", "translated"),
    [
        ("Hello %(name)s today", "Hola %(name)s hoy"),
        ("About %d items", "Unos %d elementos"),
        ("Use {path} instead", "Use {path}"),
        ("Open %1 now", "Abrir %1 ahora"),
        ("Read <em>this</em> first", "Lea <em>esto</em>"),
        ("Open &File menu", "Abrir menú &Archivo"),
        ("See https://example.org now", "Vea https://example.org"),
        ("Save", "Guardar"),
        ("Save  all", "save all"),
        ("Save all", ""),
        ("word " * 41, "palabra " * 41),
    ],
)
def test_a_pair_that_would_teach_something_damaged_is_left_out(english: str, translated: str) -> None:
    assert not catalogues._teaches(" ".join(english.split()), translated.strip(), "es")


def test_fuzzy_and_obsolete_messages_are_left_out_and_of_plurals_the_first_stays(tmp_path) -> None:
    import zipfile

    place = tmp_path / "x.whl"
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr(
            "x/locale/es/LC_MESSAGES/django.po",
            """
msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\\n"

msgid "good  message"
msgstr "buen\\u200b mensaje"

#, fuzzy
msgid "perhaps so"
msgstr "quizás así"

msgid "one page only"
msgid_plural "many pages"
msgstr[0] "una sola página"
msgstr[1] "muchas páginas"

#~ msgid "old message"
#~ msgstr "mensaje viejo"
""".replace("\\u200b", "\u200b"),
        )
    found = [pair for pair in catalogues._messages(str(place), "es") if pair[0]]
    assert found == [("good message", "buen mensaje"), ("one page only", "una sola página")]
