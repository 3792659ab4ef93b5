"""A search by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from searched import cells, choose, over

from ctx.cli import main
from ctx.store import open_store

WORDS = (
    "--source sentiment/sample-cafes-en --source-size 40 --target sentiment/sample-gadgets-en --target-size 20 "
    "--backbone tiny --epochs 1 --min-updates 2"
)


def test_the_command_searches_and_says_which_cell_was_best_on_validation(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sweep", *WORDS.split(), "--lam", "0,0.1,1", "--freeze-layers", "1,2", "--seeds", "2"]
    assert main([*words, "--search", "4", "--estimate", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["runs"] == 8
    assert err.startswith("At most 8 runs, about")
    assert main([*words, "--search", "4", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert len(said["runs"]) == 8
    assert len({json.dumps(run["cell"]) for run in said["runs"]}) == said["search"]["tried"] == 4
    assert (said["search"]["of"], said["search"]["judged_by"]) == (6, "validation/target/macro_f1")
    assert said["search"]["best"]["cell"] in [run["cell"] for run in said["runs"]]
    assert 0 < said["search"]["best"]["validation"] < 1
    assert main(["show", said["study"]]) == 0
    shown = capsys.readouterr().out
    assert "4 of 6 cells were tried: Optuna chose them by the validation score." in shown
    assert "best on validation: schedule.lam" in shown
    path = tmp_path / "sweep.yaml"
    path.write_text("lam: [0, 0.1, 1]\nfreeze-layers: [1, 2]\nseeds: 2\nsearch: 4\n")
    assert main(["sweep", *WORDS.split(), "--file", str(path), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert [run["run"] for run in again["runs"]] == [run["run"] for run in said["runs"]], "all are there already"
    assert main(["sweep", *WORDS.split(), "--file", str(path), "--random", "2", "--estimate", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == 4, "what is typed counts more than the file"


def test_a_search_is_queued_stopped_and_taken_up_again_by_commands(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CTX_WORKERS", "0")
    words = ["sweep", *WORDS.split(), "--lam", "0,0.1,1", "--seeds", "1", "--search", "2"]
    assert main([*words, "--queue", "--json"]) == 0
    study = json.loads(capsys.readouterr().out)["study"]
    store = open_store()
    assert choose(store)
    assert main(["stop", study, "--json"]) == 0
    assert {run.state for _, _, run in store.study_runs(study)} == {"stopped"}
    assert not store.load().anything()
    capsys.readouterr()
    assert main(["resume", study, "--json"]) == 0
    assert [run["state"] for run in json.loads(capsys.readouterr().out)] == ["done", "done"]
    assert len(cells(store, store.study(study))) == 2
    assert over(store, store.study(study))
