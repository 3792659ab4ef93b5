"""The worker: what a run leaves in the store and on the disk, with real training in this process."""

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlalchemy import text
from stores import lesson, stored, truth

from ctx import checkpoint, database
from ctx.config import RunConfig
from ctx.gc import collect
from ctx.recorder import Recorder
from ctx.records import Run
from ctx.state import Event, State
from ctx.store import Store, open_store
from ctx.train import train
from ctx.worker import run_here, train_run


@pytest.fixture
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return open_store()


def test_a_run_leaves_every_point_its_results_its_outputs_and_its_weights(store: Store) -> None:
    points, weights, final = truth(lesson())
    run = run_here(store, store.add_run(lesson()))
    assert (run.state, run.error, run.step, run.steps, run.threads) == ("done", None, 100, 100, 1)
    assert stored(store, run.id) == points
    assert run.final is not None
    assert {key: run.final[key] for key in final if key != "train_seconds"} == {
        key: final[key] for key in final if key != "train_seconds"
    }
    assert run.final["train_seconds"] > 0
    output = store.output(run.id, "test/target")
    assert output is not None
    assert output.dtype == "float32"
    kept = checkpoint.final_weights(run.id)
    assert kept is not None
    assert kept.tensors.keys() == weights.keys()
    assert all(torch.equal(kept.tensors[name], weights[name]) for name in weights)
    assert [path.name for path in checkpoint.folder(run.id).iterdir()] == ["final.safetensors"]
    assert run.manifest["threads"] == 1
    assert run.manifest["libraries"]["torch"] == version("torch")


def test_a_run_stopped_and_resumed_ends_as_if_never_stopped(store: Store) -> None:
    points, weights, _ = truth(lesson(epochs=4))
    queued = store.add_run(lesson(epochs=4))

    def stop_at_70(event: Event) -> None:
        if event.step == 70:
            store.request_stop([queued.id])
            asked.set()

    asked = threading.Event()
    claimed = store.claim("me", threads=1)
    assert claimed is not None
    train_run(store, claimed, stop_at_70, asked)
    stopped = store.run(queued.id)
    assert (stopped.state, stopped.step, stopped.checkpoint_step) == ("stopped", 70, 70)
    store.resume(queued.id)
    done = run_here(store, store.run(queued.id))
    assert (done.state, done.attempt) == ("done", 2)
    assert stored(store, done.id) == points
    kept = checkpoint.final_weights(done.id)
    assert kept is not None
    assert all(torch.equal(kept.tensors[name], weights[name]) for name in weights)


@pytest.mark.parametrize("damaged", [True, False])
def test_a_checkpoint_that_is_damaged_or_of_an_earlier_engine_means_starting_over(
    store: Store, damaged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    points, _, _ = truth(lesson())
    store.add_run(lesson())
    claimed = store.claim("me", threads=1)
    assert claimed is not None
    asked = threading.Event()
    asked.set()
    train_run(store, claimed, None, asked)
    name = store.run(claimed.id).checkpoint
    assert name is not None
    if damaged:
        (checkpoint.folder(claimed.id) / f"{name}.safetensors").write_bytes(b"half-writ")
    else:
        monkeypatch.setattr("ctx.config.ENGINE_VERSION", 10_000)
    begun: list[object] = []

    def noted(config: RunConfig, resume: State | None, **how: Any) -> Iterator[Event]:
        begun.append(resume)
        return train(config, resume, **how)

    monkeypatch.setattr("ctx.train.train", noted)
    store.resume(claimed.id)
    done = run_here(store, store.run(claimed.id))
    assert done.state == "done"
    assert begun == [None]
    assert stored(store, done.id) == points


def test_only_the_latest_checkpoint_is_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_CHECKPOINT_SECONDS", "0")
    seen: list[int] = []
    queued = store.add_run(lesson(epochs=1))

    def look(event: Event) -> None:
        seen.append(len(list(checkpoint.folder(queued.id).glob("*"))))

    assert run_here(store, queued, look).state == "done"
    assert max(seen) == 1


@pytest.fixture
def small_disk() -> Iterator[Callable[[Path], None]]:
    """Call it with a folder to make that a disk of 4 kB; needs the right to mount."""
    mounted: list[Path] = []

    def mount(folder: Path) -> None:
        folder.mkdir(parents=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", folder], check=False)
        if done.returncode:
            pytest.skip("a small disk can't be mounted here")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


def check_that_it_went_on(done: Run, said: list[str | None], store: Store) -> None:
    assert done.state == "done"
    assert done.final is not None
    assert said[0] is None
    assert "could not be saved" in str(said[2])
    assert "it would start from step 0" in str(said[2])
    assert str(done.error).startswith("The results are here, the weights are not.")
    assert stored(store, done.id) == truth(lesson(epochs=1))[0]


@pytest.mark.skipif(not shutil.which("mount"), reason="there is no mount here")
def test_a_full_disk_costs_the_checkpoints_not_the_run(
    store: Store, monkeypatch: pytest.MonkeyPatch, small_disk: Callable[[Path], None]
) -> None:
    monkeypatch.setenv("CTX_CHECKPOINT_SECONDS", "0")
    queued = store.add_run(lesson(epochs=1))
    small_disk(checkpoint.folder(queued.id))
    said: list[str | None] = []
    done = run_here(store, queued, lambda event: said.append(store.run(queued.id).error))
    assert "No space left" in str(said[2])
    check_that_it_went_on(done, said, store)
    assert list(checkpoint.folder(queued.id).iterdir()) == [], "nothing half-written is left"


def test_a_folder_that_cannot_be_written_costs_the_checkpoints_not_the_run(
    store: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTX_CHECKPOINT_SECONDS", "0")
    (home / "runs").write_text("a file where the folder should be")
    queued = store.add_run(lesson(epochs=1))
    said: list[str | None] = []
    done = run_here(store, queued, lambda event: said.append(store.run(queued.id).error))
    check_that_it_went_on(done, said, store)


def test_a_store_that_is_full_or_held_for_a_moment_loses_no_point(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    hasty = open_store()
    queued = hasty.add_run(lesson(epochs=1))
    claimed = hasty.claim("me", threads=1)
    assert claimed is not None
    recorder = Recorder(hasty, claimed)
    with store.engine.connect().execution_options(ctx_writes=True) as other, other.begin():
        other.execute(text("UPDATE leases SET until = 0"))
        recorder.add(event(0, {"loss": 1.0}))
        recorder.add(event(1, {"loss": 2.0}))
        assert hasty.points([queued.id]).empty
    recorder.flush()
    assert stored(hasty, queued.id) == {("loss", 0): 1.0, ("loss", 1): 2.0}


def event(step: int, values: dict[str, float]) -> Any:
    return Event(step, 10, "step", values, lambda: None)  # type: ignore[arg-type,return-value]


def test_a_run_whose_configuration_no_longer_loads_fails_with_a_sentence(store: Store) -> None:
    runs = [store.add_run(lesson(seed)) for seed in range(2)]
    with store.engine.begin() as connection:
        for run, settings in zip(runs, ('{"colour": "blue"}', '{"backbone": {"name": "gone"}}'), strict=True):
            connection.execute(text("UPDATE runs SET config = :c WHERE id = :i"), {"c": settings, "i": run.id})
    first, second = (run_here(store, store.run(run.id)) for run in runs)
    assert first.state == second.state == "failed"
    assert "another version of ctx" in str(first.error)
    assert "colour" in str(first.error)
    assert second.error
    assert len(store.table()) == 2, "a run that can't be read is still listed"


def test_an_unexpected_error_is_a_sentence_and_a_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(event: Event) -> None:
        raise ZeroDivisionError("by nothing")

    failed = run_here(store, store.add_run(lesson()), broken)
    assert failed.state == "failed"
    assert "ZeroDivisionError: by nothing" in str(failed.error)
    assert "Traceback" in (checkpoint.folder(failed.id) / "error.txt").read_text(encoding="utf-8")


def test_a_run_that_kills_every_worker_is_given_up(store: Store) -> None:
    queued = store.add_run(lesson())
    for _ in range(5):
        assert store.claim("me") is not None
        store.release("me")
    failed = run_here(store, store.run(queued.id))
    assert failed.state == "failed"
    assert "died 5 times" in str(failed.error)
    store.resume(failed.id)
    assert run_here(store, store.run(failed.id)).state == "done"


def test_gc_removes_deleted_runs_and_then_the_oldest_weights(store: Store, home: Path) -> None:
    old, middle, new = (run_here(store, store.add_run(lesson(seed, epochs=1))) for seed in range(3))
    store.delete([middle.id])
    size = (checkpoint.folder(new.id) / "final.safetensors").stat().st_size
    gone = collect(store, keep_gb=1.5 * size / 1e9)
    assert (gone.runs, gone.files) == (1, 1)
    assert not checkpoint.folder(middle.id).exists()
    assert checkpoint.final_weights(old.id) is None
    assert checkpoint.final_weights(new.id) is not None
    assert store.run(old.id).final is not None
