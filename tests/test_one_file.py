"""A new method is one file: dropped into its folder it is in the form, on the command line, in maps, in the store."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctx import flags, registry
from ctx.home import project
from ctx.lab.data import sample
from ctx.lab.settings import change, settings
from ctx.store import open_store
from ctx.sweeps.plan import Sweep, axis, checked, rows, spec
from ctx.worker import run_here
from pages import opened

STUBS = Path(__file__).parent / "stubs"
BASE = "run --source sentiment/sample-cafes-en --source-size 40 --target sentiment/sample-gadgets-en --target-size 20"
SMALL = "--backbone tiny --tuning full --epochs 1 --min-updates 4 --json"


@pytest.fixture(autouse=True)
def _dropped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A penalty and a schedule that ctx has never heard of."""

    def forget() -> None:
        registry.scanned.cache_clear()
        flags.knob_flags.cache_clear()

    forget()
    for kind in ("penalties", "schedules"):
        package = importlib.import_module(f"ctx.{kind}")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(STUBS / kind)])
    yield
    forget()


def test_they_are_in_the_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_WORKERS", "0")
    config = sample("sentiment")
    assert config is not None
    names = {one.name: one for one in settings(config)}
    assert "warmly" in names["schedule"].options
    assert names["penalty.critic"].value is False
    for name, value in (("schedule", "warmly"), ("penalty.critic", True), ("tuning", "full")):
        config = change(config, name, value)
    knobs = {one.name: one.default for one in settings(config)}
    assert (knobs["schedule.most"], knobs["penalty.critic.weight"]) == (1.0, 0.5)
    app = opened("lab", schedule="warmly", **{"penalty.critic": "on", "tuning": "full"})
    app.session_state["all settings"] = True
    app.run()
    assert not app.exception
    assert "Louder and louder (warmly)" in app.selectbox(key="all schedule").options
    assert app.toggle(key="all penalty.critic").value
    assert app.toggle(key="all penalty.critic").label == "Critic"
    captions = [one.value for one in app.caption]
    assert any("A linear critic tells the contexts apart" in said for said in captions)
    assert any("Both at once, the target louder and louder" in said for said in captions)
    assert app.number_input(key="all penalty.critic.weight").value == 0.5


def test_they_are_on_the_command_line_and_in_the_store(tmp_path: Path) -> None:
    """In a process of its own, where ctx is a copy with the two files in their folders."""
    copy = tmp_path / "checkout"
    shutil.copytree(project() / "ctx", copy / "ctx", ignore=shutil.ignore_patterns("__pycache__"))
    for kind, file in (("penalties", "critic.py"), ("schedules", "warmly.py")):
        shutil.copy(STUBS / kind / file, copy / "ctx" / kind / file)
    shutil.copytree(project() / "sample_data", copy / "sample_data")
    asked = f"{BASE} --schedule warmly --most-loud 2 --penalty critic --critic.weight 0.7 {SMALL}"
    for _ in range(2):  # the second time it is there
        told = subprocess.run(
            [sys.executable, "-m", "ctx.cli", *asked.split()],
            env={**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"},
            cwd=copy,
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 0, told.stderr
    store = open_store()
    (run,) = store.runs()
    assert (run.id, run.state) == (json.loads(told.stdout)["run"], "done")
    assert run.config.schedule.knobs == {"most": 2.0}
    assert [(one.name, one.knobs) for one in run.config.penalties] == [("critic", {"weight": 0.7})]
    assert "term/critic/critic" in store.series([run.id])[run.id]


def test_they_are_axes_of_a_map() -> None:
    config = sample("sentiment")
    assert config is not None
    for name, value in (
        *(("tuning", "full"), ("schedule", "warmly"), ("penalty.critic", True), ("optim.epochs", 1)),
        *(("optim.min_updates", 2), ("source.size", 40), ("backbone", "tiny")),
    ):
        config = change(config, name, value)
    axes = axis(config, "schedule.most", "1,2"), axis(config, "penalty.critic.weight", "0.1,0.2")
    sweep = checked(Sweep(base=config, axes=axes, draws=1))
    store = open_store()
    study = store.add_study("map", spec(sweep), rows(sweep))
    ran = [run_here(store, run) for _, _, run in store.study_runs(study.id)]
    assert [run.state for run in ran] == ["done"] * 4
    assert len({run.key for run in ran}) == 4
