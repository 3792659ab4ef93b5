"""What frozen layers give is computed before the runs of a map begin, once, and nothing is left to compute."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from dispatched import Served, served
from stores import until

from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical
from ctx.evaluation import first_looked
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.records import ENDED
from ctx.registry import part
from ctx.setup import Setup
from ctx.sweeps.found import spent
from ctx.sweeps.plan import Axis, Sweep, rows, spec
from ctx.train import Trainer, train
from ctx.warm import warm_runs
from tests.test_folder import save

__all__ = ["served"]
TAGGING = RunConfig(
    target=ContextChoice(id="ner/sample-office-en", size=40),
    backbone=Choice(name="tiny"),
    schedule=Choice(name="target-only"),
    optim=Optim(epochs=1, min_updates=2, batch=8),
)


def sweep(backbone: Choice, layers: tuple[int, ...], draws: int = 2) -> Sweep:
    base = RunConfig(
        sources=(SourceChoice(id="sentiment/sample-cafes-en", size=40),),
        target=ContextChoice(id="sentiment/sample-gadgets-en", size=20),
        backbone=backbone,
        tuning=Choice(name="freeze"),
        optim=Optim(epochs=1, min_updates=3, batch=8),
    )
    axes = Axis(name="schedule.lam", values=(0.0, 1.0)), Axis(name="tuning.layers", values=layers)
    return Sweep(base=base, axes=axes, draws=draws)


@pytest.fixture
def pretrained(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As though the tiny encoder were one that others share."""
    monkeypatch.setattr(part("backbones", "tiny"), "pretrained", True)


@pytest.mark.usefixtures("pretrained")
def test_a_maps_runs_find_all_that_frozen_layers_give() -> None:
    asked = [config for _, _, config in rows(sweep(Choice(name="tiny"), (0, 1, 2)))]
    memo, seen = Memo(shared=True), list[tuple[int, int]]()
    computed = warm_runs(asked, lambda done, of: seen.append((done, of)), memo)
    assert computed == memo.computed > 0
    assert seen[-1][0] == seen[-1][1] >= computed
    for config in asked:
        list(train(config, features=memo))
    assert memo.computed == computed
    assert warm_runs(asked, features=memo) == 0


@pytest.mark.usefixtures("pretrained")
def test_nothing_that_no_run_reads_is_computed() -> None:
    asked = [config for _, _, config in rows(sweep(Choice(name="tiny"), (1,), draws=1))]
    ahead, cold = Memo(shared=False), Memo(shared=False)
    warm_runs(asked, features=ahead)
    for config in asked:
        list(train(config, features=cold))
    assert ahead.computed == cold.computed


@pytest.mark.usefixtures("pretrained")
@pytest.mark.parametrize("half", [False, True])
def test_of_names_and_in_half_precision_too(half: bool) -> None:
    config = TAGGING.model_copy(update={"half": half, "tuning": Choice(name="freeze", knobs={"layers": 1})})
    memo = Memo(shared=True)
    warm_runs([config], features=memo)
    computed = memo.computed
    list(train(config, features=memo))
    assert memo.computed == computed > 0


def test_of_random_encoders_nothing_is_computed() -> None:
    memo = Memo(shared=True)
    assert warm_runs([TAGGING], features=memo) == memo.computed == 0


@pytest.mark.usefixtures("pretrained")
def test_runs_of_any_depth_begin_alike_and_say_what_a_plain_forward_says() -> None:
    starts = []
    for layers in (0, 1, 2):
        config = rows(sweep(Choice(name="tiny"), (layers,), draws=1))[0][2]
        starts.append(next(train(config, features=Memo())).values)
    metrics = [{name: value for name, value in one.items() if name.startswith("validation/")} for one in starts]
    assert metrics[0] == metrics[1] == metrics[2]
    trainer = Trainer(Setup(canonical(config)), Memo())
    trainer.begin()
    batch = trainer.setup.rows["target"].encoded.batch(first_looked(trainer.setup, "target"))
    trainer.model.eval()
    with torch.inference_mode():
        ours, plain = trainer._hidden(batch), trainer.model.run(batch)
    assert (ours - plain).abs().max() <= 1e-5 * plain.abs().max()


def test_workers_encode_a_map_before_its_runs(served: Served, tmp_path: Path) -> None:
    save(tmp_path / "model", "bert")
    asked = sweep(Choice(name="folder", knobs={"path": str(tmp_path / "model")}), (1, 2))
    store = served.store
    study = store.add_study("map", spec(asked), rows(asked), ahead=True)
    served.ensure()
    until(lambda: all(run.state in ENDED for _, _, run in store.study_runs(study.id)), "the map ends")
    found, job = store.study_runs(study.id), store.study_job("encode", study.id)
    assert job is not None
    assert (job.state, job.error) == ("done", None)
    assert all(run.state == "done" and run.started > job.ended for _, _, run in found)
    assert all(run.final["encoded"] == 0 for _, _, run in found)
    assert job.result["encoded"] > 0
    together, alone = spent(study, found, job), spent(study, found)
    assert together["shared"]["examples_encoded"] == job.result["encoded"]
    assert together["cpu_seconds"] - alone["cpu_seconds"] == pytest.approx(job.result["cpu_seconds"])
