"""What frozen layers give is computed before the runs of a map begin, once, and nothing is left to compute."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from dispatched import Served, served
from stores import until

from ctx import hand
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical
from ctx.evaluation import first_looked
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.recorder import LostError
from ctx.records import ENDED, Study
from ctx.registry import part
from ctx.setup import Setup
from ctx.store import Store, open_store
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
    ours, plain = first_look(config, Memo())
    assert (ours - plain).abs().max() <= 1e-5 * plain.abs().max()


def first_look(config: RunConfig, memo: Memo) -> tuple[torch.Tensor, torch.Tensor]:
    """What the head reads of the source's rows before any update, and what a plain forward pass gives for them."""
    trainer = Trainer(Setup(canonical(config)), memo)
    trainer.begin()
    batch = trainer.setup.rows["source"].encoded.batch(first_looked(trainer.setup, "source"))
    with torch.inference_mode():
        with trainer.frozen.beginning():
            ours = trainer._hidden(batch)  # while the layers that learn are in training mode
        trainer.model.eval()
        return ours, trainer.model.run(batch)


def test_what_was_encoded_ahead_is_what_runs_compute_themselves(home: Path, tmp_path: Path) -> None:
    """With an encoder that has dropout, which must not reach what is kept."""
    save(tmp_path / "model", "bert")
    backbone = Choice(name="folder", knobs={"path": str(tmp_path / "model")})
    asked = [config for _, _, config in rows(sweep(backbone, (0, 1, 3), draws=1))]
    cold = [list(train(config, features=Memo())) for config in asked]
    ahead = Memo()
    warm_runs(asked, features=ahead)
    for config, events in zip(asked, cold, strict=True):
        assert [(e.step, e.values) for e in train(config, features=ahead)] == [(e.step, e.values) for e in events]
        for memo in (ahead, Memo()):
            ours, plain = first_look(config, memo)
            assert (ours - plain).abs().max() <= 1e-5 * plain.abs().max()


@pytest.fixture
def queued(home: Path) -> tuple[Store, Study]:
    """A map of Ann's that waits, and whose texts are to be encoded."""
    store, asked = open_store(), sweep(Choice(name="tiny"), (0, 1))
    return store, store.add_study("map", spec(asked), rows(asked), owner="ann", ahead=True)


def test_a_map_that_is_encoded_holds_nobody_else_up(queued: tuple[Store, Study]) -> None:
    store, study = queued
    bobs = store.add_run(rows(sweep(Choice(name="tiny"), (2,)))[0][2], owner="bob")
    older = store.add_job("encode", TAGGING.model_dump(mode="json"))
    job = store.study_job("encode", study.id)
    assert job is not None
    assert older.id != job.id == store.load().ahead
    taken = store.claim_job("worker", ["encode"], only=job.id)
    assert taken is not None
    assert store.load().ahead is None
    assert (store.load().waiting, store.load().running) == (1, 0)
    claimed = store.claim("other")
    assert claimed is not None
    assert claimed.id == bobs.id
    assert store.claim("third") is None
    store.finish_job(taken)
    assert store.load().waiting == len({run.id for _, _, run in store.study_runs(study.id)})


def test_once_a_run_has_begun_it_is_too_late_to_encode_ahead(queued: tuple[Store, Study]) -> None:
    store, study = queued
    assert store.claim("worker") is not None
    assert store.load().ahead is None
    assert store.study_job("encode", study.id).state == "stopped"  # type: ignore[union-attr]


def test_a_map_that_is_paused_is_not_encoded_on(queued: tuple[Store, Study]) -> None:
    store, study = queued
    job = store.claim_job("worker", ["encode"])
    assert job is not None
    ids = [run.id for _, _, run in store.study_runs(study.id)]
    store.request_stop(ids[:1])
    assert store.report(job, "", 1, 2)
    store.request_stop(ids)
    with pytest.raises(LostError):
        hand._telling(store, job)(1, 2)


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
