"""Sweeps as people ask for them: by a file, an address, the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ctx.cli import main
from ctx.errors import BadInput
from ctx.lab.settings import Setting
from ctx.store import Store, open_store
from ctx.sweeps import asked
from ctx.sweeps.file import read
from ctx.sweeps.plan import Axis, axis, checked, configured
from tests.swept import BASE


@pytest.fixture
def store(home: Path) -> Store:
    return open_store()


# -- by file


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
        ("search: 0", "from 1 on"),
        ("search: many", "from 1 on"),
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


# -- by address, by command


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


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ({"random": "5"}, (5, None)),
        ({"search": "7"}, (None, 7)),
        ({"search": "x"}, (None, asked.FEW)),
        ({"search": "9" * 5000}, (None, asked.FEW)),
        ({"search": "0"}, (None, 1)),
        ({"random": "5", "search": "7"}, (5, None)),
        ({}, (None, None)),
    ],
)
def test_an_address_says_which_cells(store: Store, words: dict[str, str], part: tuple[int | None, int | None]) -> None:
    start = {"source": "sentiment/sample-cafes-en", "target": "sentiment/sample-gadgets-en", "backbone": "tiny"}
    asks = asked.asked(start | words, store)
    sweep = checked(asks.sweep())
    assert (sweep.sample, sweep.search) == part
    assert asked.asked(asked.address(asks, start | words), store) == asks
    assert asked.asked(start | asked.of(sweep), store).sweep() == sweep


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


SAMPLES = ["--target", "sentiment/sample-gadgets-en", "--target-size", "20"]
SAMPLES += ["--backbone", "tiny", "--epochs", "1", "--min-updates", "2"]


def test_several_sources_are_an_axis(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = "sentiment/sample-cafes-en,sentiment/sample-cafes-zh"
    words = ["sweep", "--source", sources, "--source-size", "40", "--freeze-layers", "1,2", "--seeds", "1", *SAMPLES]
    assert main([*words, "--json"]) == 0
    out, err = capsys.readouterr()
    assert "no effect" not in err
    assert {run["cell"]["source"] for run in json.loads(out)["runs"]} == set(sources.split(","))


def test_a_map_is_stopped_and_taken_up_again(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CTX_WORKERS", "0")
    words = ["sweep", "--source", "sentiment/sample-cafes-en", "--source-size", "40", "--lam", "0,1", "--seeds", "1"]
    assert main([*words, *SAMPLES, "--queue", "--json"]) == 0
    study = json.loads(capsys.readouterr().out)["study"]
    assert main(["stop", study]) == 0
    assert {run.state for run in open_store().runs()} == {"stopped"}
    assert main(["resume", study]) == 0
    assert {run.state for run in open_store().runs()} == {"done"}


def test_an_estimate_trains_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sweep", "--source", "sentiment/sample-cafes-en", "--lam", "0.1..10:5", "--estimate", "--json", *SAMPLES]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == 15
    assert open_store().runs() == []


def test_what_is_typed_counts_more_than_the_file(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text("source: sentiment/sample-cafes-en\nlam: [0, 1, 5]\nseeds: 7\n")
    words = ["sweep", "--file", str(path), "--estimate", "--json", *SAMPLES]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == 21
    assert main([*words, "--seeds", "2", "--lam", "0,1"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == 4


def test_a_path_with_a_comma_is_one_value(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sweep", "--source", "sentiment/sample-cafes-en", "--lam", "0,1", "--backbone", "folder"]
    assert main([*words, "--folder.path", "../a,b", *SAMPLES[:4], "--json"]) != 0
    assert "a,b" in capsys.readouterr().out
