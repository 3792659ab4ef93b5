"""The commands as a person or a script meets them: results, exit codes, one JSON document, one sentence for a fault."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ctx.cli import COMMANDS, main

LESSON = ["--source", "lesson/relative", "--target", "lesson/base", "--target-size", "20", "--epochs", "2"]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_WORKERS", "0")  # no dispatcher: what is queued stays queued
    monkeypatch.setenv("COLUMNS", "200")


def ctx(capsys: Capture, *words: str, code: int = 0) -> str:
    """Run a command in this process; what it printed, or its sentence where another code is expected."""
    found = main(list(words))
    out, err = capsys.readouterr()
    assert found == code, err
    assert "Traceback" not in err
    return out if code == 0 else err


def document(capsys: Capture, *words: str) -> Any:
    return json.loads(ctx(capsys, *words, "--json"))


def process(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "ctx.cli", *words]
    env = {**os.environ, **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_contexts_are_listed_with_all_that_is_promised(capsys: Capture) -> None:
    found = {one["id"]: one for one in document(capsys, "contexts")}
    promised = {"id", "application", "language", "domain", "culture", "licence", "citation", "available", "sizes"}
    assert all(promised <= set(one) for one in found.values())
    assert not found["sentiment/tweets"]["available"]
    assert found["sentiment/tweets"]["sizes"] is None
    assert found["lesson/base"]["sizes"] == {"train": 975, "validation": 225, "test": 300}
    assert found["sentiment/sample-cafes-zh"]["language"] == "zh"


def test_parts_are_listed_with_their_knobs(capsys: Capture) -> None:
    found = document(capsys, "parts")
    assert set(found) == {"schedules", "tunings", "backbones", "balancers", "penalties", "augment", "tasks"}
    knobs = next(one for one in found["schedules"] if one["name"] == "joint")["knobs"]
    lam = next(one for one in knobs if one["name"] == "lam")
    assert (lam["type"], lam["default"], lam["flag"], lam["ge"], lam["le"]) == ("number", 0.1, "lam", 0, 1000)
    readout = next(one for one in found["backbones"] if one["name"] == "minilm")["knobs"][0]
    assert (readout["type"], readout["default"], readout["optional"], readout["le"]) == ("integer", None, True, 6)


def test_a_run_prints_its_results_and_is_not_trained_twice(capsys: Capture) -> None:
    first = document(capsys, "run", *LESSON, "--name", "first")
    assert first["state"] == "done"
    assert first["config"]["schedule"] == {"name": "joint", "knobs": {}}
    for role in ("source", "target"):
        assert set(first["metrics"][role]) >= {"mse", "r2", "loss"}
        assert set(first["floor"][role]) >= {"mse", "r2"}
    assert first["labels_used"] == {"source": 975, "target": 20}
    assert first["updates"]["target"] == 100
    assert first["parameters"]["total"] == 1060
    assert first["seconds"] > 0
    assert document(capsys, "run", *LESSON)["run"] == first["run"]
    assert document(capsys, "run", *LESSON, "--again")["run"] != first["run"]
    assert len(document(capsys, "list")) == 2
    assert [run["run"] for run in document(capsys, "list", "--search", "first")] == [first["run"]]
    assert first["run"] in ctx(capsys, "show", first["run"][:6])


def test_a_run_without_a_source_has_null_for_it(capsys: Capture) -> None:
    found = document(capsys, "run", *LESSON, "--schedule", "target-only")
    assert found["metrics"]["source"] is None
    assert found["metrics"]["target"]["r2"] < 1


def test_the_command_that_show_prints_finds_the_same_run(capsys: Capture) -> None:
    run = document(capsys, "run", *LESSON, "--relatedness", "-0.5", "--tuning", "full")
    command = document(capsys, "show", run["run"])["command"]
    assert document(capsys, *command.split()[1:])["run"] == run["run"]


def test_a_rate_without_effect_is_noted_and_the_run_goes_on(capsys: Capture) -> None:
    assert main(["run", *LESSON, "--lr", "0.5", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["state"] == "done"
    assert "--lr has no effect: All layers are frozen" in err


def test_curves_are_csv_or_json(capsys: Capture) -> None:
    run = document(capsys, "run", *LESSON)["run"]
    lines = ctx(capsys, "curves", run, "--name", "total").splitlines()
    assert lines[0] == "name,step,value"
    assert len(lines) == 101
    points = document(capsys, "curves", run, "--name", "validation/")["points"]
    assert [step for step, _ in points["validation/target/r2"]] == [0, 50, 100]


def test_a_study_compares_arms_over_draws_and_says_its_verdict(capsys: Capture) -> None:
    study = ["study", *LESSON, "--draws", "2", "--tuning", "full", "--relatedness", "-1", "--schedule", "sequential"]
    found = document(capsys, *study)
    assert [(row["arm"], row["draw"]) for row in found["rows"]] == [
        (arm, draw) for draw in (0, 1) for arm in ("chosen", "target-only", "source-only")
    ]
    assert all(row["state"] == "done" for row in found["rows"])
    assert found["verdict"]["answer"] in ("helped", "hurt", "can't tell")
    assert found["verdict"]["draws"] == 2
    chosen, alone = (found["arms"][arm]["values"] for arm in ("chosen", "target-only"))
    assert found["verdict"]["mean"] == pytest.approx(sum(chosen[d] - alone[d] for d in "01") / 2)
    again = document(capsys, *study)
    assert again["study"] != found["study"]
    assert [row["run"] for row in again["rows"]] == [row["run"] for row in found["rows"]]
    text = ctx(capsys, "show", found["study"])
    assert "always one answer" in text
    assert "draw 1" in text
    compared = document(capsys, "compare", found["study"])
    assert len(compared["arms"]) == 3
    deltas = [row["delta"] for row in compared["results"] if row["metric"] == "r2" and row["role"] == "target"]
    assert deltas[0] is None
    assert deltas[-1] == pytest.approx(found["verdict"]["mean"])
    assert len(document(capsys, "list", "--studies")) == 2


def test_a_study_of_a_baseline_has_no_third_arm_and_no_verdict_on_itself(capsys: Capture) -> None:
    found = document(capsys, "study", *LESSON, "--draws", "1", "--schedule", "target-only")
    assert list(found["arms"]) == ["target-only", "source-only"]
    assert found["verdict"] is None


def test_comparing_a_run_without_results_says_so(capsys: Capture) -> None:
    run = document(capsys, "run", *LESSON, "--queue")["run"]
    assert main(["compare", run, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["results"] == []
    assert f"Run {run} is queued: it has no results." in err


def test_runs_are_queued_stopped_resumed_named_deleted_and_brought_back(capsys: Capture) -> None:
    run = document(capsys, "run", *LESSON, "--queue")
    assert (run["state"], run["metrics"]) == ("queued", {"source": None, "target": None})
    assert document(capsys, "stop", run["run"])["state"] == "stopped"
    assert document(capsys, "resume", run["run"])["state"] == "done"
    assert "only a stopped or failed run" in ctx(capsys, "resume", run["run"], code=2)
    assert document(capsys, "rename", run["run"], "--name", "<b>x</b>")["name"] == "<b>x</b>"
    ctx(capsys, "delete", run["run"])
    assert document(capsys, "list") == []
    ctx(capsys, "undelete", run["run"])
    assert len(document(capsys, "list")) == 1
    ctx(capsys, "delete", run["run"])
    assert document(capsys, "gc")["runs"] == 1
    assert "There is no run" in ctx(capsys, "show", run["run"], code=2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", *LESSON, "--lam", "-1"], "lam is '-1'"),
        (["run", *LESSON, "--lam", "nan"], "finite"),
        (["run", *LESSON, "--tuning", "freeze", "--freeze-layers", "2"], "freeze-layers is 2"),
        (["run", *LESSON, "--target-size", "5000"], "ask for at most 975"),
        (["run", "--source", "lesson/base", "--target", "lesson/base"], "named twice"),
        (["run", "--source", "lesson/base", "--target", "sentiment/tweets"], "must be of one application"),
        (["run", "--source", "lesson/base", "--target", "lesson/nowhere"], "There is no context"),
        (["run", *LESSON, "--schedule", "target-only", "--joint.lam", "2"], "belongs to the schedule joint"),
        (["run", *LESSON, "--lamm", "2"], "did you mean --lam?"),
        (["run", *LESSON, "--epochs"], "requires an argument"),
        (["run"], "name at least one context"),
        (["rnu"], "did you mean run?"),
        (["show", "ffffff"], "There is no run"),
        (["show"], "ctx show --help"),
        (["list", "--state", "lost"], "--state is “lost”"),
        (["study", *LESSON, "--draws", "1000"], "at most 50"),
        (["study", *LESSON, "--draws", "0"], "--draws"),
        (["fetch", "sentiment/nothing"], "There is no context or backbone called"),
        (["serve", "--port", "99999999"], "--port"),
        (["--nonsense"], "There is no option"),
    ],
)
def test_a_bad_argument_is_one_sentence_and_code_2(capsys: Capture, words: list[str], said: str) -> None:
    sentence = ctx(capsys, *words, code=2).strip()
    assert said in sentence
    assert "\n" not in sentence
    assert main([*words, "--json"]) == 2
    out, err = capsys.readouterr()
    assert set(json.loads(out)) == {"error"}
    assert len(err.strip().splitlines()) == 1


def test_what_cannot_be_fetched_is_one_sentence_and_code_1(capsys: Capture) -> None:
    words = ["run", "--source", "sentiment/tweets", "--target", "sentiment/editorials"]
    assert "CTX_OFFLINE forbids fetching it" in ctx(capsys, *words, code=1)
    assert "CTX_OFFLINE forbids fetching it" in ctx(capsys, "fetch", code=1)


@pytest.mark.parametrize("url", ["nonsense", "sqlite:////proc/nowhere/ctx.sqlite", "postgresql://localhost:1/none"])
def test_a_store_that_cannot_be_used_is_one_sentence_and_code_1(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("CTX_STORE", url)
    assert len(ctx(capsys, "list", code=1).strip().splitlines()) == 1


def test_a_failed_run_is_code_1(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    from ctx import worker

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the sky fell")

    monkeypatch.setattr(worker, "prepare", fail)
    assert main(["run", *LESSON, "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["state"] == "failed"
    assert "the sky fell" in err
    assert "Traceback" not in err


def test_the_doctor_looks_at_everything(capsys: Capture) -> None:
    found = document(capsys, "doctor")
    names = {check["name"] for check in found["checks"]}
    assert found["ok"]
    assert {"python", "torch", "folder", "store", "layers", "training"} <= names


def test_the_doctor_says_what_to_do_about_a_damaged_archive(capsys: Capture) -> None:
    from ctx import assets
    from ctx.backbones.minilm import ASSET

    assets.path(ASSET).parent.mkdir(parents=True)
    assets.path(ASSET).write_bytes(b"half")
    assert main(["doctor"]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("problem")]
    assert "ctx fetch all" in line


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(capsys: Capture, command: str) -> None:
    text = ctx(capsys, command, "--help")
    assert f"ctx {command}" in text


def test_json_is_all_that_a_real_process_prints_on_standard_output() -> None:
    done = process("run", *LESSON, "--lam", "0.5", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "done"
    refused = process("run", *LESSON, "--lam", "-3", "--json")
    assert refused.returncode == 2
    assert list(json.loads(refused.stdout)) == ["error"]


def test_json_stays_json_where_the_terminal_knows_only_ascii() -> None:
    done = process("parts", "--json", PYTHONIOENCODING="ascii")
    joint = next(one for one in json.loads(done.stdout)["schedules"] if one["name"] == "joint")
    assert "λ" in joint["summary"]


@pytest.mark.parametrize("command", ["contexts", "parts", "list"])
def test_listing_brings_in_no_heavy_library(command: str, home: Path) -> None:
    heavy = "{'torch', 'streamlit', 'transformers', 'sklearn', 'scipy', 'pandas', 'plotly'}"
    code = f"import sys\nfrom ctx.cli import main\nmain([{command!r}])\nsys.exit(str({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "set()"


def test_ctrl_c_stops_a_run_with_a_checkpoint_that_resume_goes_on_from(capsys: Capture, tmp_path: Path) -> None:
    words = ["run", *LESSON[:-1], "1000", "--tuning", "full", "--json"]
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        running = subprocess.Popen([sys.executable, "-m", "ctx.cli", *words], stdout=out, stderr=err)
    try:
        while "update 50 of" not in (tmp_path / "err").read_text():
            assert running.poll() is None, (tmp_path / "err").read_text()
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 1
    finally:
        running.kill()
    stopped = json.loads((tmp_path / "out").read_text())
    assert stopped["state"] == "stopped"
    assert stopped["step"] >= 50
    said = (tmp_path / "err").read_text()
    assert re.search(rf"Stopped at update {stopped['step']}.*`ctx resume {stopped['run']}`", said)
    assert "Traceback" not in said
    assert list((Path(os.environ["CTX_HOME"]) / "runs" / stopped["run"]).glob("*.safetensors"))
    assert document(capsys, "show", stopped["run"])["state"] == "stopped"
