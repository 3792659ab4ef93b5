"""A search's choices: what Optuna is told, what it makes of it, and that the same is chosen from the same."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ctx.cli import main
from ctx.errors import BadInput, Unavailable
from ctx.parts import Metric
from ctx.sweeps import search
from ctx.sweeps.plan import Axis, Sweep, checked
from ctx.sweeps.search import Tried, best, next_cells
from tests.swept import BASE, sweep

ROOT = Path(__file__).resolve().parents[1]
LAMS = Axis(name="schedule.lam", values=(0.0, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0))
DEPTHS, SIZES = Axis(name="tuning.layers", values=(3, 4, 5, 6)), Axis(name="target.size", values=(20, 100, None))
GRID = sweep(LAMS, DEPTHS, SIZES, search=20)
Result = Callable[[dict[str, Any]], float | None]


def bowl(seed: int) -> Result:
    """A score that falls with the distance from one cell of the grid, as places along the axes."""
    random = np.random.default_rng(seed)
    top = [random.integers(len(axis.values)) for axis in GRID.axes]

    def score(cell: dict[str, Any]) -> float:
        places = [axis.values.index(cell[axis.name]) for axis in GRID.axes]
        far = zip(places, top, GRID.axes, strict=True)
        return -float(sum(((place - at) / len(axis.values)) ** 2 for place, at, axis in far))

    return score


def searched(wanted: Sweep, result: Result, told: list[Tried] | None = None) -> list[Tried]:
    """A whole search, from what was told on."""
    found = list(told or [])
    while cells := next_cells(wanted, found):
        found += [Tried(cell, result(cell)) for cell in cells]
    return found


def test_a_search_finds_better_cells_than_chance() -> None:
    ranks, chances = [], []
    for seed in range(8):
        score = bowl(seed)
        every = sorted((score(cell) for cell in GRID.cells), reverse=True)
        own = GRID.model_copy(update={"base": BASE.model_copy(update={"seed": seed})})
        found = best(own, searched(own, score))
        random = own.model_copy(update={"sample": 20, "search": None})
        assert found is not None
        ranks.append(every.index(found.score))
        chances.append(every.index(max(score(cell) for cell in random.cells)))
    assert np.mean(ranks) < 0.5, f"the best cell, or nearly: ranks {ranks}"
    assert np.mean(ranks) < np.mean(chances) / 2, f"{ranks} against {chances}"


def test_less_is_sought_where_less_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    more = searched(GRID, bowl(1))
    monkeypatch.setattr(search, "metric", lambda _: Metric("mse", False, "mean squared error"))
    less = searched(GRID, lambda cell: -float(bowl(1)(cell) or 0))
    assert [one.cell for one in less] == [one.cell for one in more]
    assert best(GRID, less) == min(less, key=lambda one: one.score or 0)


def test_the_same_seed_chooses_the_same_and_another_seed_something_else() -> None:
    first = searched(GRID, bowl(0))
    assert searched(GRID, bowl(0)) == first
    other = GRID.model_copy(update={"base": BASE.model_copy(update={"seed": 1})})
    assert searched(other, bowl(0)) != first
    assert searched(GRID, bowl(0), told=first[:10]) == first, "gone on from the middle"


def test_what_was_told_decides_what_comes_next() -> None:
    first, second = searched(GRID, bowl(0)), searched(GRID, bowl(3))
    count = len(next_cells(GRID, []))
    assert [one.cell for one in first[:count]] == [one.cell for one in second[:count]]
    assert [one.cell for one in first] != [one.cell for one in second]


def test_no_cell_is_tried_twice_and_no_more_than_there_are() -> None:
    few = sweep(Axis(name="schedule.lam", values=(0.0, 1.0)), Axis(name="tuning", values=("full", "head")), search=50)
    found = [one.cell for one in searched(few, lambda _: 0.5)]
    assert sorted(map(str, found)) == sorted(map(str, few.cells))
    whole = searched(GRID.model_copy(update={"search": 84}), bowl(0))
    assert len({str(one.cell) for one in whole}) == 84


def test_a_cell_that_failed_does_not_end_a_search() -> None:
    assert len(searched(GRID, lambda _: None)) == 20
    found = searched(GRID, lambda cell: None if cell["schedule.lam"] == 5.0 else bowl(2)(cell))
    assert len(found) == 20
    assert best(GRID, found) is not None
    assert best(GRID, searched(GRID, lambda _: None)) is None


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ((5, 0.1, 0, None), [0, 0.1, 5, None]),
        (("joint", "adapt", "full"), ["joint", "adapt", "full"]),
        ((True, False), [True, False]),
    ],
)
def test_numbers_are_told_in_their_order_and_names_as_they_stand(values: tuple[Any, ...], says: list[Any]) -> None:
    one = Axis(name="x", values=values)
    assert search.ordered(one) == says
    kind = type(search._distribution(one)).__name__
    assert kind == ("IntDistribution" if says[0] == 0 else "CategoricalDistribution")


def test_the_order_of_numbers_is_used_however_they_were_listed() -> None:
    mixed = [axis.model_copy(update={"values": axis.values[::-1]}) for axis in GRID.axes]
    assert searched(sweep(*mixed, search=20), bowl(4)) == searched(GRID, bowl(4))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"sample": 3}, "leave one of the two out"),
        ({"axes": [Axis(name=f"optim.{n}", values=tuple(range(1, 40))) for n in ("epochs", "batch")]}, "1521 cells"),
        ({"axes": (Axis(name="tuning.layers", values=(0, 9)),)}, "no run at tuning.layers 9"),
        ({"search": 400, "draws": 20, "axes": (LAMS, Axis(name="optim.epochs", values=tuple(range(1, 13))))}, "1680"),
    ],
)
def test_what_cannot_be_searched_is_said_before_anything_is_queued(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        checked(Sweep.model_validate({"base": BASE, "axes": (LAMS,), "search": 5, "draws": 2} | wrong))


def test_a_large_grid_may_be_searched_a_little() -> None:
    many = Axis(name="optim.epochs", values=tuple(range(1, 101)))
    assert checked(Sweep(base=BASE, axes=(LAMS, many), search=5, draws=50)).most == 5


# -- without Optuna


def test_without_optuna_a_search_gets_a_sentence_and_a_sweep_goes_on(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    words = "sweep --source sentiment/sample-cafes-en --target sentiment/sample-gadgets-en --backbone tiny --lam 0,1"
    assert main([*words.split(), "--estimate", "--search", "2"]) == 1
    assert capsys.readouterr().err.strip() == (
        "A search needs Optuna, which is not installed here: pip install 'optuna>=5,<6', then search."
    )
    assert main([*words.split(), "--estimate"]) == 0
    with pytest.raises(Unavailable):
        search.check_installed()


def test_the_sentence_names_what_the_extra_asks_for() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert extras["search"] == [search.NEEDS]
    assert search.NEEDS in extras["test"]


def test_an_axis_of_one_value_is_no_hindrance() -> None:
    one = sweep(LAMS, Axis(name="tuning.layers", values=(1,)), search=7)
    assert {one.cell["schedule.lam"] for one in searched(one, lambda cell: cell["schedule.lam"])} == set(LAMS.values)
    alone = sweep(Axis(name="tuning.layers", values=(1,)), search=7)
    assert len(searched(alone, lambda _: 1.0)) == 1
