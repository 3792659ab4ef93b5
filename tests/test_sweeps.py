"""Sweeps: which runs, in which order, what came of them; asked for by flags, by a file, by an address."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import pytest
from scipy import stats

from ctx import charts_maps
from ctx.cli import main
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical, key
from ctx.errors import BadInput
from ctx.lab.settings import Setting
from ctx.parts import Choice
from ctx.records import Run, Study
from ctx.store import Store, open_store
from ctx.sweeps import asked, found
from ctx.sweeps.cost import cost
from ctx.sweeps.file import read
from ctx.sweeps.plan import Axis, Sweep, axis, cell_of, checked, configured, level, rows, spec, swept

BASE = RunConfig(
    sources=(SourceChoice(id="sentiment/sample-cafes-en", size=60),),
    target=ContextChoice(id="sentiment/sample-gadgets-en", size=20),
    backbone=Choice(name="tiny"),
    tuning=Choice(name="freeze", knobs={"layers": 1}),
    optim=Optim(epochs=1, min_updates=2),
)
BLANK = Run(
    id="", key="", state="queued", owner="local", name="", note="", study=None, settings={}, final=None, manifest={},
    error=None, attempt=1, crashes=0, stop_requested=False, threads=1, step=0, steps=None, checkpoint=None,
    checkpoint_step=None, lease_owner=None, created=0.0, started=None, ended=None, deleted=None,
)  # fmt: skip
LAM, LAYERS = Axis(name="schedule.lam", values=(0.0, 0.1, 0.5, 1.0, 5.0)), Axis(name="tuning.layers", values=(0, 1, 2))


def sweep(*axes: Axis, **values: object) -> Sweep:
    return Sweep.model_validate({"base": BASE, "axes": axes or (LAM, LAYERS), "draws": 2, **values})


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
    sequential = BASE.model_copy(update={"schedule": Choice(name="sequential")})
    sizes = Sweep(base=sequential, axes=(Axis(name="target.size", values=(10, 20, 40)),), draws=2)
    assert cost(rows(sizes), [], [], workers=1).led == 4  # two sources to train, for six runs


# -- what came of them


def rows_of(wanted: Sweep, result: object) -> list[tuple[str, int, Run]]:
    """Rows whose runs ended with what ``result(cell, baseline, draw)`` gives for the target."""
    made = []
    for number, (arm, draw, config) in enumerate(rows(wanted)):
        cell, baseline = cell_of(arm)
        value = result(cell, baseline, draw)  # type: ignore[operator]
        final = {"metrics": {"target": {"macro_f1": value}, "source": {"macro_f1": 0.9}}}
        made.append((arm, draw, done(f"{number:08d}", config, final if value is not None else None)))
    return made


def done(name: str, config: RunConfig, final: dict[str, object] | None) -> Run:
    settings = config.model_dump(mode="json")
    return dataclasses.replace(BLANK, id=name, settings=settings, final=final, state="done" if final else "queued")


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


def test_a_random_part_of_a_large_grid_takes_no_time() -> None:
    axes = tuple(Axis(name=name, values=tuple(range(100))) for name in "abcd")
    assert len(Sweep(base=BASE, axes=axes, sample=10).cells) == 10


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


# -- by file, by address


def test_a_file_says_what_flags_would(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text("source: sentiment/a\ntarget: sentiment/b\nlam: [0, 0.5, 1]\nfreeze-layers: [1, 2]\nseeds: 4\n")
    assert read(path) == (
        {"source": ["sentiment/a"], "target": "sentiment/b", "--lam": "0,0.5,1", "--freeze-layers": "1,2"},
        {"seeds": 4},
    )


def test_several_augmentations_of_a_file_are_used_together(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text("augment: [swap, mixup]\ntarget-size: [10, null]\n")
    assert read(path)[0] == {"augment": ["swap", "mixup"], "target-size": "10,none"}
    assert axis(BASE, "target.size", "10,none").values == (10, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lamm: 1", "is “lam” meant"),
        ("seeds: 0", "from 1 on"),
        ("seeds: true", "from 1 on"),
        ("baseline: 3", "true or false"),
        ("lam: {a: 1}", "a list of values"),
        ("- a", "holds no flags"),
        ("a: [", "is not YAML in line 1"),
        ("!!python/object/apply:os.system ['true']", "is not YAML"),
        ("a: \x00", "is not YAML"),
        ("[" * 5000, "is not YAML"),
    ],
)
def test_a_file_that_is_none_gets_a_sentence(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    with pytest.raises(BadInput, match=says):
        read(path)


def test_a_file_that_is_not_there_or_too_large_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="can't be read"):
        read(tmp_path / "none.yaml")
    (tmp_path / "large.yaml").write_text("a" * 200_000)
    with pytest.raises(BadInput, match="at most 100000"):
        read(tmp_path / "large.yaml")


def test_an_address_holds_the_form(store: Store) -> None:
    start = {"source": "sentiment/sample-cafes-en", "target": "sentiment/sample-gadgets-en", "backbone": "tiny"}
    asks = asked.asked(start, store)
    assert list(asks.texts) == ["schedule.lam", "target.size"]
    assert asks.sweep().axes[0].values == (0.0, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)
    again = asked.asked(asked.address(asks, start), store)
    assert again == asks
    layers = asked.asked(start | {"axis.tuning.layers": "0..2", "draws": "2", "baseline": "off"}, store)
    assert checked(layers.sweep()).axes == (Axis(name="tuning.layers", values=(0, 1, 2)),)
    assert (layers.draws, layers.baseline) == (2, False)


def test_nonsense_in_an_address_is_left_out_and_said(store: Store) -> None:
    many = ("optim.epochs", "optim.batch", "optim.clip", "optim.warmup", "target.size")
    much = asked.asked({f"axis.{name}": "1,2" for name in many} | {"draws": "9" * 5000}, store)
    assert (len(much.texts), much.draws) == (4, asked.DRAWS)
    assert "at most 4 axes" in much.notes[0]
    asks = asked.asked({"axis.nonsense": "1,2", "draws": "x"}, store)
    assert "“nonsense” in the address is left out" in asks.notes[0]
    assert asks.draws == asked.DRAWS


@pytest.mark.parametrize("one", asked.offered(BASE), ids=lambda one: one.name)
def test_every_setting_that_is_offered_has_values_to_begin_with_that_can_be_run(one: Setting, store: Store) -> None:
    text = asked.values(BASE, one.name)
    if text:
        for value in axis(BASE, one.name, text).values:
            configured(BASE, {one.name: value})


def test_the_command_prints_every_run(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "sweep --source sentiment/sample-cafes-en --source-size 40 --target sentiment/sample-gadgets-en"
    words += (
        " --target-size 20 --backbone tiny --epochs 1 --min-updates 2 --lam 0,1 --freeze-layers 1,2 --seeds 2 --json"
    )
    assert main(words.split()) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["axes"] == {"schedule.lam": [0.0, 1.0], "tuning.layers": [1, 2]}
    assert len({run["run"] for run in said["runs"]}) == 8
    assert all(0 < run["metrics"]["target"]["macro_f1"] < 1 for run in said["runs"])
    assert said["cpu_seconds"] > 0
    assert said["shared"]["examples_encoded"] > 0
    assert main(words.split()) == 0  # all is there already
    again = json.loads(capsys.readouterr().out)
    assert [run["run"] for run in again["runs"]] == [run["run"] for run in said["runs"]]
    assert again["shared"]["held"] == 8
    assert main(["show", said["study"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == said["runs"]
