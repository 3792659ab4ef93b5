"""The command that the Run page gives: read by the command line, it asks for the very same run."""

import shlex
from pathlib import Path

import pytest

from ctx import study
from ctx.cli import main
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical, key
from ctx.parts import Choice
from ctx.repeat import command
from ctx.store import open_store
from tests.finished import LESSON, SENTIMENT

VARIED = RunConfig(
    sources=(
        SourceChoice(id="sentiment/sample-gadgets-en", size=50, weight=2.0),
        SourceChoice(id="sentiment/sample-cafes-zh"),
    ),
    target=ContextChoice(id="sentiment/sample-cafes-en", size=20),
    backbone=Choice(name="tiny", knobs={"layers": 3, "readout": 2}),
    schedule=Choice(name="joint", knobs={"lam": 0.30000000000000004}),
    tuning=Choice(name="freeze", knobs={"layers": 1}),
    optim=Optim(epochs=3, lr=3e-4, head_lr=1e-5, class_balanced=True, warmup=0.0),
    keep="last",
    seed=41,
)
TEACHER = LESSON.model_copy(
    update={
        "sources": (SourceChoice(id="lesson/relative", knobs={"relatedness": -0.5}),),
        "schedule": Choice(name="sequential", knobs={"copy_weights": False}),
    }
)
ARMS = [
    pytest.param(arm, id=f"{n}-{name}")
    for n, c in enumerate((SENTIMENT, TEACHER))
    for name, arm in study.arms(c).items()
]


@pytest.mark.parametrize("config", [*ARMS, pytest.param(VARIED, id="varied"), pytest.param(LESSON, id="lesson")])
def test_the_command_asks_for_the_same_run(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_WORKERS", "0")
    words = shlex.split(command(canonical(config)))
    assert words[:2] == ["ctx", "run"]
    assert main([*words[1:], "--queue", "--json"]) == 0
    (queued,) = open_store().runs()
    assert queued.key == key(config)


def test_a_name_that_a_shell_would_read_otherwise_is_quoted(tmp_path: Path) -> None:
    config = RunConfig(
        target=ContextChoice(id="sentiment/sample-cafes-en"),
        backbone=Choice(name="folder", knobs={"path": f"{tmp_path}/a model; rm -rf $HOME"}),
        schedule=Choice(name="target-only"),
    )
    assert f"{tmp_path}/a model; rm -rf $HOME" in shlex.split(command(config))
    assert ";" not in command(config).replace(shlex.quote(f"{tmp_path}/a model; rm -rf $HOME"), "")
