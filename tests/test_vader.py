"""The four VADER contexts, on the real archive."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from ctx import assets, data
from ctx.contexts import vader
from ctx.contexts.vader import VADER

pytestmark = pytest.mark.network
ALL = ["tweets", "products", "movies", "editorials"]


def chosen(name: str, **knobs: float) -> SimpleNamespace:
    return SimpleNamespace(id=f"sentiment/{name}", knobs=knobs)


@pytest.fixture(autouse=True)
def archive(fetched: Callable[..., None]) -> None:
    fetched(VADER)


@pytest.mark.parametrize(
    ("name", "count", "documents"),
    [("tweets", 4200, 4200), ("products", 3708, 300), ("movies", 10605, 10605), ("editorials", 5190, 498)],
)
def test_the_files_hold_as_many_sentences_as_the_study_says(name: str, count: int, documents: int) -> None:
    rows = vader.rows(str(assets.path(VADER)), data.context(chosen(name)).file)
    assert len(rows) == count
    assert len({id.partition("_")[0] for id, _, _ in rows}) == documents
    assert all(-4 <= rating <= 4 and text == text.strip() and text for _, rating, text in rows)


def test_accents_and_escaped_signs_come_out_as_people_wrote_them() -> None:
    texts = {id: text for id, _, text in vader.rows(str(assets.path(VADER)), "movieReviewSnippets")}
    assert "there’s an enthusiastic charm" in texts["10604"]
    tweets = {id: text for id, _, text in vader.rows(str(assets.path(VADER)), "tweets")}
    assert tweets["3"].startswith("We were 17 deep last night & the love was so strong")


@pytest.mark.parametrize("name", ALL)
def test_labels_are_the_sign_of_ratings_that_are_clear_enough(name: str) -> None:
    rating = {id: r for id, r, _ in vader.rows(str(assets.path(VADER)), data.context(chosen(name)).file)}
    loose, default, strict = (data.context(chosen(name, min_rating=r)).examples() for r in (0, 0.5, 2))
    assert len(loose) > len(default) > len(strict) > 100
    assert default == data.context(chosen(name)).examples()
    alone = [e for e in strict if abs(rating[e.id]) >= 2]
    assert len(alone) > 0.95 * len(strict)  # the others are texts that occur twice: the mean of their ratings
    assert all((rating[e.id] > 0) == (e.output == "positive") for e in alone)


def test_a_text_that_occurs_twice_is_one_example_with_the_mean_of_its_ratings() -> None:
    twice = [e for e in data.context(chosen("products", min_rating=0)).examples() if e.input == "well worth the money."]
    assert [e.id for e in twice] == ["31_5"]
    means = {text: mean for _, mean, text in vader._ratings(str(assets.path(VADER)), "amazonReviewSnippets")}
    assert means["well worth the money."] == pytest.approx((2.4 + 2.25) / 2)


@pytest.mark.parametrize("name", ALL)
def test_splits_share_no_document_and_no_text_and_keep_the_balance(name: str) -> None:
    whole = data.context(chosen(name)).examples()
    splits = vars(data.splits(chosen(name)))
    assert sum(len(split) for split in splits.values()) == len(whole)
    for one in splits:
        for other in set(splits) - {one}:
            assert not {e.group for e in splits[one]} & {e.group for e in splits[other]}
            assert not {e.input.casefold() for e in splits[one]} & {e.input.casefold() for e in splits[other]}
    balance = sum(e.output == "positive" for e in whole) / len(whole)
    for split, share in data.SHARES.items():
        assert len(splits[split]) / len(whole) == pytest.approx(share, abs=0.005)
        positive = sum(e.output == "positive" for e in splits[split]) / len(splits[split])
        assert positive == pytest.approx(balance, abs=0.01)


def test_splits_are_these_for_ever() -> None:
    """Raise SPLITS_VERSION, or the context's version, when these change."""
    found = {name: data.sizes(chosen(name)) for name in ALL}
    assert found == {
        "tweets": {"train": 2190, "validation": 507, "test": 675},
        "products": {"train": 1932, "validation": 448, "test": 596},
        "movies": {"train": 6544, "validation": 1512, "test": 2014},
        "editorials": {"train": 1900, "validation": 439, "test": 586},
    }
