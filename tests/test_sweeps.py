"""Sweeps: which runs, in which order, over which values, at what cost."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from ctx.config import ContextChoice, canonical, key
from ctx.errors import BadInput
from ctx.lab.cost import fill_seconds
from ctx.parts import Choice
from ctx.records import Study
from ctx.store import Store, open_store
from ctx.sweeps.cost import cost
from ctx.sweeps.plan import Axis, Sweep, axis, cell_of, checked, level, rows, spec, swept
from tests.swept import BASE, LAM, LAYERS, sweep

# -- which runs


def test_every_combination_is_run_once_a_draw() -> None:
    planned = rows(sweep())
    assert len(planned) == len({(arm, draw) for arm, draw, _ in planned}) == 5 * 3 * 2
    for arm, draw, config in planned:
        cell, baseline = cell_of(arm)
        tuning = Choice(name="freeze", knobs={"layers": cell["tuning.layers"]})
        schedule = Choice(name="joint", knobs={"lam": cell["schedule.lam"]})
        assert config == canonical(BASE.model_copy(update={"seed": draw, "tuning": tuning, "schedule": schedule}))
        assert not baseline


def test_a_coarse_map_comes_first_and_sharpens() -> None:
    planned = rows(sweep())
    assert [draw for _, draw, _ in planned] == [0] * 15 + [1] * 15
    corners = {tuple(cell_of(arm)[0].values()) for arm, _, _ in planned[:4]}
    assert corners == {(0.0, 0), (0.0, 2), (5.0, 0), (5.0, 2)}


@pytest.mark.parametrize("count", range(1, 61))
def test_every_level_halves_what_the_one_before_left(count: int) -> None:
    levels = [level(place, count) for place in range(count)]
    assert levels[0] == levels[-1] == 0
    for depth in range(max(levels) + 1):
        there = [place for place, one in enumerate(levels) if one <= depth]
        gaps = [b - a for a, b in itertools.pairwise(there)]
        assert max(gaps, default=0) - min(gaps, default=0) <= 1 or min(gaps) == 1
        assert max(gaps, default=1) <= max(1, -(-(count - 1) // 2**depth))


def test_target_only_stands_beside_every_cell_with_as_many_target_updates() -> None:
    planned = rows(sweep(LAM, baseline=True))
    alone = [config for arm, _, config in planned if cell_of(arm)[1]]
    assert len(alone) == 10
    assert {config.schedule.name for config in alone} == {"target-only"}
    assert len({key(config) for config in alone}) == 2  # λ is nothing to it: one a draw


def test_a_random_part_is_the_same_every_time() -> None:
    few = sweep(sample=4)
    assert few.cells == sweep(sample=4).cells
    assert len(few.cells) == 4
    assert all(cell in sweep().cells for cell in few.cells)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"axes": ()}, "Nothing varies"),
        ({"base": BASE.model_copy(update={"target": None})}, "choose a target"),
        ({"axes": (LAM, LAM)}, "varies twice"),
        ({"axes": (Axis(name="schedule.lam", values=(1.0, 1.0)),)}, "a value twice"),
        ({"axes": (Axis(name="tuning.layers", values=(0, 9)),)}, "no run at tuning.layers 9"),
        ({"axes": (Axis(name="optim.batch", values=tuple(range(1, 101))),), "draws": 11}, "1100 runs"),
        ({"axes": tuple(Axis(name=f"x{i}", values=(1,)) for i in range(5))}, "at most 4"),
        ({"base": BASE.model_copy(update={"seed": 2**31 - 1})}, "leaves no room"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_queued(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        checked(Sweep.model_validate({"base": BASE, "axes": (LAM,), "draws": 2} | wrong))


def test_a_random_part_of_a_large_grid_takes_no_time() -> None:
    axes = tuple(Axis(name=name, values=tuple(range(100))) for name in "abcd")
    assert len(Sweep(base=BASE, axes=axes, sample=10).cells) == 10


# -- values as people write them


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("schedule.lam", "0, 0.5,1", (0.0, 0.5, 1.0)),
        ("schedule.lam", "0,0.01..1:3", (0.0, 0.01, 0.1, 1.0)),
        ("optim.warmup", "0..1:3", (0.0, 0.5, 1.0)),
        ("tuning.layers", "0..2", (0, 1, 2)),
        ("target.size", "10,all", (10, None)),
        ("schedule", "joint,sequential", ("joint", "sequential")),
        ("optim.class_balanced", "on,off", (True, False)),
    ],
)
def test_values_are_lists_or_ranges(name: str, text: str, values: tuple[object, ...]) -> None:
    assert axis(BASE, name, text).values == values


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("schedule.lam", "0,x", "schedule.lam is “x”: it should be a number"),
        ("schedule.lam", "0..1:5", "begin above 0"),
        ("schedule.lam", "1..0.1:5", "low..high:n"),
        ("schedule.lam", "0.1..1", "low..high:n"),
        ("schedule", "a..b", "one of"),
        ("optim.epochs", "1..999999999", "low..high:n"),
        ("schedule.lam", "0.1..1:" + "9" * 5000, "low..high:n"),
        ("schedule.lam", " , ", "no values"),
        ("nonsense", "1", "no setting"),
    ],
)
def test_what_is_no_value_gets_a_sentence(name: str, text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        axis(BASE, name, text)


# -- in the store


@pytest.fixture
def store(home: Path) -> Store:
    return open_store()


def test_a_study_keeps_its_sweep(store: Store) -> None:
    wanted = sweep(LAM, baseline=True)
    study = store.add_study("map", spec(wanted), rows(wanted))
    assert swept(store.study(study.id)) == wanted
    assert len(store.study_runs(study.id)) == 20
    assert swept(Study("a", "local", "", {"chosen": {}}, 0.0)) is None
    with pytest.raises(BadInput, match="another version"):
        swept(Study("a", "local", "", {"map": {"axes": 1}}, 0.0))


def test_its_cost_counts_what_is_held_and_what_is_shared(store: Store) -> None:
    planned = rows(sweep(LAM, LAYERS))
    whole = cost(planned, [], [], workers=2)
    assert (whole.runs, whole.held, whole.led) == (30, 0, 0)
    held = cost(planned, [key(planned[0][2])], [], workers=2)
    assert (held.runs, held.held) == (30, 1)
    assert held.seconds < whole.seconds
    assert cost(planned, [key(config) for _, _, config in planned], [], 2).sentence == "All 30 runs are there already."
    sequential = BASE.model_copy(update={"schedule": Choice(name="sequential")})
    sizes = Sweep(base=sequential, axes=(Axis(name="target.size", values=(10, 20, 40)),), draws=2)
    assert cost(rows(sizes), [], [], workers=1).led == 4  # two sources to train, for six runs


def test_the_frozen_layers_are_counted_once_and_a_deeper_prefix_by_what_it_adds() -> None:
    minilm = BASE.model_copy(update={"backbone": Choice(name="minilm")})

    def fills(layers: int, deepest: int = 0) -> float:
        config = minilm.model_copy(update={"tuning": Choice(name="freeze", knobs={"layers": layers})})
        return fill_seconds(config, ContextChoice(id="sentiment/sample-cafes-en"), 3, deepest)

    assert 0 < fills(3) < fills(5)
    assert fills(3) + fills(5, 4) == pytest.approx(fills(5))
    other = minilm.model_copy(update={"tuning": Choice(name="head")})
    once, twice = (cost([("", n, other) for n in draws], [], [], workers=1) for draws in ([0], [0, 0]))
    assert once == twice, "one run"
    draws = [other.model_copy(update={"seed": seed}) for seed in range(2)]
    both = cost([("", n, config) for n, config in enumerate(draws)], [], [], workers=1).seconds
    assert both < 2 * once.seconds, "the second finds most texts there"
