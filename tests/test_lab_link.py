"""The Lab's addresses: the same settings again, nonsense in a sentence, studies and what differs between them."""

import pytest

from ctx.config import RunConfig, check
from ctx.lab import history, link, settings
from ctx.lab.applications import applications
from ctx.lab.data import default
from ctx.registry import task_of
from ctx.store import Store, open_store
from ctx.study import rows


@pytest.fixture
def store() -> Store:
    return open_store()


def test_beams_are_offered_where_texts_are_written_and_an_address_keeps_them(store: Store) -> None:
    for name in applications():
        assert ("beams" in {one.name for one in settings.settings(default(name))}) == task_of(name).writes
    start = link.view({"app": "translation"}, store)
    address = link.address(start, settings.change(start.config, "beams", 4))
    opened = link.view(address, store)
    assert (address["beams"], opened.config.beams, opened.notes) == ("4", 4, ())
    assert history.changes(start.config, opened.config) == "beams 1 → 4"
    assert link.view({"beams": "4"}, store).config.beams == 1


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"schedule.lam": 5.0, "target.size": None},
        {"tuning": "freeze", "tuning.layers": 2, "optim.class_balanced": True, "seed": 7},
        {"source": "sentiment/movies", "source.min_rating": 1.0, "backbone": "tiny", "backbone.layers": 3},
    ],
)
def test_an_address_opens_the_same_settings(store: Store, changes: dict[str, object]) -> None:
    config = default("sentiment")
    for name, value in changes.items():
        config = settings.change(config, name, value)
    start = link.view({}, store)
    opened = link.view(link.address(start, config, 4), store)
    assert opened.config == check(config)
    assert opened.draws == 4
    assert opened.notes == ()


@pytest.mark.parametrize("name", [name for name, one in applications().items() if one.sample])
def test_the_samples_of_an_application_open_by_their_address_too(store: Store, name: str) -> None:
    sample = applications()[name].sample
    assert sample is not None
    start = link.view({"app": name}, store)
    opened = link.view(link.address(start, sample), store)
    assert (opened.config, opened.notes) == (check(sample), ())


@pytest.mark.parametrize(
    "address",
    [
        {"study": "nothing"},
        {"study": ""},
        {"app": "cooking"},
        {"source": "sentiment/moon"},
        {"target.size": "-5"},
        {"target.size": "9" * 30},
        {"schedule.lam": "nan"},
        {"schedule.lam": "much"},
        {"tuning": "freeze", "tuning.layers": "9"},
        {"draws": "0"},
        {"draws": "many"},
        {"source": "sentiment/editorials"},
        {"source": "lesson/base"},
        {"backbone": "folder", "backbone.path": "/etc"},
        {"no.such": "thing"},
        {"schedule": "<script>"},
        {"optim.": "1"},
        {"seed": "1e3"},
    ],
)
def test_nonsense_in_an_address_gets_a_sentence_and_the_default(store: Store, address: dict[str, str]) -> None:
    opened = link.view(address, store)
    assert opened.notes
    check(opened.config)


def test_a_study_is_opened_by_its_address_with_what_differs(store: Store) -> None:
    config = default("lesson")
    made = store.add_study("x", link.spec(config, 2, "hurts"), rows(config, 2))
    opened = link.view({"study": made.id, "target.size": "50"}, store)
    assert (opened.application, opened.draws, opened.changed) == ("lesson", 2, True)
    assert opened.base == config
    assert link.address(opened, opened.config) == {"study": made.id, "target.size": "50"}
    assert not link.view({"study": made.id}, store).changed


def test_differences_between_studies_name_only_what_differs(store: Store) -> None:
    config = default("lesson")
    other = settings.change(config, "target.size", 50)
    for one in (config, other):
        store.add_study("x", link.spec(one, 1, None), rows(one, 1))
    newest, oldest = history.past(store)
    assert newest.differs == "labels 20 → 50"
    assert oldest.differs is None


def test_settings_are_worked_out_once_where_nothing_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    config = default("sentiment")
    asked: list[RunConfig] = []
    before = link.settings
    monkeypatch.setattr(link, "settings", lambda one: (asked.append(one), before(one))[1])
    assert link.parameters(config, config) == {}
    assert len(asked) == 2  # of one and of the other
    changed = settings.change(config, "optim.epochs", 3)
    assert link.parameters(changed, config) == {"optim.epochs": "3"}
    assert len(asked) == 5
