"""Contexts as a person meets it: entered through app.py, told by its address, never a traceback."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ctx import data, describe, pairs
from ctx.config import ContextChoice
from ctx.hand import _take_job
from ctx.lab import link
from ctx.lab.offer import parameters
from ctx.parts import Choice, Context, Example
from ctx.registry import registry
from ctx.store import open_store
from tests.pages import opened, texts

GADGETS, CAFES = "sentiment/sample-gadgets-en", "sentiment/sample-cafes-en"


@pytest.fixture(autouse=True)
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_WORKERS", "0")
    open_store().close()


def shown(app: AppTest) -> str:
    """All that stands on the page, the HTML of facts and quotes too."""
    return texts(app) + "\n".join(str(one.proto.body) for one in app.get("html"))


def test_it_opens_with_all_contexts_and_says_what_to_do() -> None:
    app = opened("contexts")
    assert not app.exception
    (table,) = (one.value for one in app.dataframe)
    assert len(table) == len(registry("contexts"))
    assert "Choose a row above" in texts(app)
    row = table.set_index("Name").loc["sentiment/tweets"]
    assert row["On this machine"] == "to fetch: 2.5 MB"
    assert table.set_index("Name").loc[CAFES, "Examples"] == sum(data.sizes(ContextChoice(id=CAFES)).values())


def test_search_and_filters_narrow_the_list_and_stand_in_the_address() -> None:
    app = opened("contexts", search="CAFÉ zh", application=["sentiment"])
    assert not app.exception
    assert [*app.dataframe[0].value["Name"]] == ["sentiment/sample-cafes-zh"]
    app.multiselect(key="contexts_language").set_value(["en"]).run()
    assert app.query_params["language"] == "en"
    assert "No context has all of this" in texts(app)
    app.text_input(key="contexts_search").set_value("").run()
    assert "search" not in app.query_params
    assert set(app.dataframe[0].value["Language"]) == {"en"}


def test_a_card_shows_facts_counts_and_three_examples() -> None:
    app = opened("contexts", context="ner/sample-office-en")
    assert not app.exception
    said = shown(app)
    for word in ("sample_data/office-en.csv", "MIT (this project)", "108 to learn from", "74% of the sentences", "PER"):
        assert word in said
    assert said.count("“") == 3


def test_what_is_not_here_can_be_fetched_unless_the_network_is_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened("contexts", context="sentiment/tweets")
    assert "not on this machine yet" in texts(app).replace("\u2060", "").replace("\\", "")
    assert app.button(key="fetch sentiment/tweets").disabled
    monkeypatch.delenv("CTX_OFFLINE")
    app.run()
    app.button(key="fetch sentiment/tweets").click().run()
    assert not app.exception
    (job,) = open_store().jobs(kind="fetch")
    assert job.payload == {"names": ["sentiment/tweets"]}
    assert "You may close this page" in texts(app)


def test_a_pair_says_its_numbers_and_fills_the_embeddings_in_when_they_are_done() -> None:
    app = opened("contexts", context=CAFES, **{"with": GADGETS, "backbone": "tiny"})
    assert not app.exception
    assert "of ten words of the target occur in the source" in shown(app)
    assert "MMD" not in shown(app)
    (job,) = open_store().jobs(kind=describe.KIND)
    assert job.payload["source"]["id"] == GADGETS
    assert _take_job(open_store(), "worker", {"take": describe.KIND, "threads": 1})
    app.run()
    assert "MMD" in shown(app)
    assert "A classifier" in shown(app)
    assert len(open_store().jobs(states=None, kind=describe.KIND)) == 1
    assert pairs.distance(ContextChoice(id=GADGETS), ContextChoice(id=CAFES), Choice(name="tiny")) is not None


def test_swapping_makes_the_source_the_target() -> None:
    app = opened("contexts", context=CAFES, **{"with": GADGETS, "backbone": "tiny"})
    next(one for one in app.button if "Swap" in one.label).click().run()
    assert not app.exception
    assert (app.query_params["context"], app.query_params["with"]) == (GADGETS, CAFES)


def test_choosing_a_source_puts_it_into_the_address() -> None:
    app = opened("contexts", context=CAFES)
    box = next(one for one in app.selectbox if one.label == "Source")
    box.set_value(GADGETS).run()
    assert app.query_params["with"] == GADGETS


@pytest.mark.parametrize(
    "nonsense",
    [{"context": "moon"}, {"context": CAFES, "with": "moon"}, {"language": "<b>x"}, {"context": CAFES, "with": CAFES}],
)
def test_nonsense_in_the_address_gets_a_sentence(nonsense: dict[str, str]) -> None:
    app = opened("contexts", **nonsense)
    assert not app.exception
    assert any("in the address is left out" in str(one.value) for one in app.warning)


def test_the_lesson_has_numbers_to_show_and_no_words() -> None:
    app = opened("contexts", context="lesson/base", **{"with": "lesson/noise"})
    assert not app.exception
    assert "monospace" in shown(app)
    assert "words of the target" not in shown(app)


@pytest.mark.parametrize("name", sorted(name for name, cls in registry("contexts").items() if not cls.slow))
@pytest.mark.parametrize("role", ["source", "target"])
def test_the_lab_opens_with_any_context_without_a_complaint(name: str, role: str) -> None:
    opens = link.view(parameters({role: name}), open_store())
    assert not opens.notes
    assert opens.config.contexts()[role].id == name


def test_texts_that_are_markup_are_shown_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    evil = "<img src=x onerror=alert(1)> $a$ **b** :tada:"

    class Evil(Context):
        """Markup."""

        name = "sentiment/evil"
        title = application = "sentiment"
        labels = ("<b>bad</b>", "good")

        def examples(self) -> list[Example]:
            return [Example(str(n), f"{evil} {n}", self.labels[n % 2], str(n)) for n in range(20)]

        def digest(self) -> str:
            return "evil"

    Evil.title = Evil.origin = Evil.licence = Evil.citation = evil
    from ctx import registry as found

    monkeypatch.setitem(found.scanned("contexts"), Evil.name, Evil)
    app = opened("contexts", context=Evil.name)
    assert not app.exception
    said = shown(app)
    assert "<img" not in said
    assert "<b>bad" not in said
    assert "&lt;img src=x" in said
    assert "**b**" not in texts(app)
