"""What came of a sweep: cells, gains, what matters, labels saved."""

from __future__ import annotations

import pytest
from scipy import stats

from ctx import charts_maps
from ctx.sweeps import found
from ctx.sweeps.plan import Axis
from tests.swept import LAM, LAYERS, rows_of, sweep


def test_a_cell_is_the_mean_of_its_draws_with_their_interval() -> None:
    wanted = sweep(LAM, LAYERS, draws=3)
    table = found.frame(wanted, rows_of(wanted, lambda cell, _, draw: cell["schedule.lam"] / 10 + draw / 100))
    cells = found.folded(table, ("schedule.lam", "tuning.layers"), "on target")
    assert len(cells) == 15
    one = cells[(cells["schedule.lam"] == 1.0) & (cells["tuning.layers"] == 2)].iloc[0]
    assert one["mean"] == pytest.approx(0.11)
    assert one["sd"] == pytest.approx(0.01)
    assert (one["low"], one["high"]) == pytest.approx(stats.t.interval(0.95, 2, 0.11, 0.01 / 3**0.5))
    assert len(one["runs"]) == one["n"] == 3
    by_lam = found.folded(table, ("schedule.lam",), "on target")
    assert by_lam["n"].tolist() == [3] * 5  # draws, not runs: those of one draw share its labels


def test_runs_that_have_not_ended_leave_a_gap() -> None:
    wanted = sweep(LAM, LAYERS)
    table = found.frame(wanted, rows_of(wanted, lambda cell, _, draw: None if cell["tuning.layers"] == 2 else 0.5))
    assert set(found.folded(table, ("tuning.layers",), "on target")["tuning.layers"]) == {0, 1}
    assert found.importance(table, ["schedule.lam"], "on target") == {}


def test_all_labels_and_sources_may_be_axes() -> None:
    sizes = Axis(name="target.size", values=(10, 20, None))
    sources = Axis(name="source", values=("sentiment/sample-cafes-en", "sentiment/sample-cafes-zh"))
    wanted = sweep(sizes, sources, baseline=True)
    table = found.frame(wanted, rows_of(wanted, lambda cell, alone, _: (cell["target.size"] or 40) / 100 + (not alone)))
    cells = found.folded(table, ("target.size", "source"), "on target")
    axes = [(axis.name, axis.name, axis.values) for axis in wanted.axes]
    chart = charts_maps.heat(cells, axes)
    drawn = sorted(map(list, chart.data[1].customdata))
    assert drawn == sorted([str(size), source] for size in sizes.values for source in sources.values)
    assert found.labels_worth(table)["size"].tolist() == [10, 20]
    charts_maps.parallel(table, axes, "on target", "")


def test_a_map_that_fills_has_cells_of_one_draw_beside_cells_of_two() -> None:
    wanted = sweep(LAM, LAYERS)
    some = rows_of(wanted, lambda cell, _, draw: None if draw and cell["tuning.layers"] else 0.5 + draw / 10)
    cells = found.folded(found.frame(wanted, some), ("schedule.lam", "tuning.layers"), "on target")
    chart = charts_maps.heat(cells, [(axis.name, axis.name, axis.values) for axis in wanted.axes])
    assert len(set(chart.data[1].marker.size)) == 2
    assert {text.partition(",")[2] for text in chart.data[1].hovertext} >= {" one draw"}


def test_gain_is_paired_by_cell_and_draw() -> None:
    wanted = sweep(LAM, baseline=True, draws=3)
    table = found.frame(wanted, rows_of(wanted, lambda cell, alone, draw: draw / 10 if alone else draw / 10 + 0.05))
    assert table["gain"].tolist() == pytest.approx([0.05] * 15)
    assert len(table) == 15


def test_what_explains_everything_by_itself_has_all_of_the_variance() -> None:
    wanted = sweep(LAM, LAYERS)
    table = found.frame(wanted, rows_of(wanted, lambda cell, _, draw: cell["schedule.lam"]))
    assert found.importance(table, ["schedule.lam", "tuning.layers"], "on target") == pytest.approx(
        {"schedule.lam": 1.0, "tuning.layers": 0.0, "draw": 0.0}
    )
    both = found.frame(wanted, rows_of(wanted, lambda cell, _, draw: cell["schedule.lam"] + 3 * draw))
    shares = found.importance(both, ["schedule.lam", "tuning.layers"], "on target")
    assert sum(shares.values()) == pytest.approx(1.0)  # effects that add up leave nothing for what they do together


def test_labels_saved_are_read_off_between_the_two_curves() -> None:
    sizes = Axis(name="target.size", values=(10, 20, 40))
    wanted = sweep(sizes, baseline=True)
    alone, with_source = {10: 0.5, 20: 0.6, 40: 0.7}, {10: 0.6, 20: 0.65, 40: 0.8}
    table = found.frame(
        wanted, rows_of(wanted, lambda cell, base, _: (alone if base else with_source)[cell["target.size"]])
    )
    worth = found.labels_worth(table).set_index("size")["needs"]
    assert worth[10] == pytest.approx(20)
    assert worth[20] == pytest.approx(20 * 2**0.5)
    assert worth[40] != worth[40]  # nothing that was tried comes to it
