"""The dispatcher: started by whoever queues, alone on its store, its workers quick and kept, gone when idle."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from dispatched import Served, served
from stores import ended, lesson, stored, truth, until

from ctx import dispatch
from ctx.config import ContextChoice, Optim, RunConfig
from ctx.hand import PRELOAD
from ctx.parts import Choice
from ctx.together import apart
from ctx.workforce import MANY

__all__ = ["served"]


def test_what_is_queued_is_trained_and_one_worker_serves_study_after_study(served: Served) -> None:
    run = served.store.add_run(lesson())
    first = served.ensure()
    assert ended(served.store, run.id).state == "done", served.log()
    assert stored(served.store, run.id) == truth(lesson())[0]
    for name in ("one", "two"):
        study = served.store.add_study(name, {}, [("both", seed, lesson(seed, 1, "head")) for seed in range(3)])
        assert not dispatch.ensure(), "a live dispatcher is left alone"
        for _, _, row in served.store.study_runs(study.id):
            assert ended(served.store, row.id).state == "done"
    assert len({row.manifest["worker"] for row in served.store.runs()}) == 1
    assert served.dispatcher() == first
    worker = psutil.Process(int(served.store.run(run.id).manifest["worker"].split(":")[1]))
    server = worker.parent()
    assert server is not None
    assert server.num_threads() == 1, "nothing has computed in the server"
    assert "not preloaded" not in served.log()
    assert psutil.Process(first).num_threads() < 10


def test_the_modules_to_preload_exist() -> None:
    """A misspelt one is silently ignored by the server."""
    code = "\n".join(f"import {name}" for name in PRELOAD)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_of_two_dispatchers_one_works_and_the_other_goes_at_once(served: Served) -> None:
    first = served.ensure()
    second = subprocess.run([sys.executable, "-m", "ctx.dispatch"], capture_output=True, text=True, timeout=60)
    assert second.returncode == 0
    assert "another dispatcher serves this store" in second.stdout
    assert served.dispatcher() == first


def test_many_pages_that_queue_at_once_start_one_dispatcher(served: Served) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: dispatch.ensure(), range(8)))
    served.ensure()
    run = served.store.add_run(lesson())
    assert ended(served.store, run.id).attempt == 1


def test_an_idle_dispatcher_goes_and_takes_its_workers_along(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_IDLE_SECONDS", "0.5")
    run = served.store.add_run(lesson(epochs=1))
    pid = served.ensure()
    done = ended(served.store, run.id)
    until(lambda: not served.dispatcher(), "the lease is given back")
    worker = int(done.manifest["worker"].split(":")[1])
    until(lambda: not psutil.pid_exists(worker), "the worker goes too")
    dispatch._started[served.store.url].wait(60)
    assert not psutil.pid_exists(pid)
    again = served.store.add_run(lesson(1, epochs=1))
    assert dispatch.ensure()
    served.ensure()
    assert ended(served.store, again.id).state == "done"


def test_two_studies_get_two_workers_with_a_thread_each(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_WORKERS", "2")
    studies = [
        served.store.add_study(owner, {}, [("both", seed, lesson(seed, 10)) for seed in range(4)], owner=owner)
        for owner in ("ann", "bob")
    ]
    served.ensure()
    runs = [ended(served.store, row.id) for study in studies for _, _, row in served.store.study_runs(study.id)]
    assert len({run.manifest["worker"] for run in runs}) == 2
    assert {run.threads for run in runs} == {1}


def test_a_study_of_runs_that_write_is_shared_out(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_WORKERS", "2")
    config = RunConfig(
        target=ContextChoice(id="summarisation/sample-notices-en", size=20),
        backbone=Choice(name="tiny"),
        schedule=Choice(name="target-only"),
        optim=Optim(epochs=2, min_updates=20, batch=8),
    )
    rows = [("target only", seed, config.model_copy(update={"seed": seed})) for seed in range(4)]
    study = served.store.add_study("notices", {}, rows)
    served.ensure()
    runs = [ended(served.store, row.id) for _, _, row in served.store.study_runs(study.id)]
    assert len({run.manifest["worker"] for run in runs}) == 2
    assert {(run.state, run.threads) for run in runs} == {("done", 1)}


@pytest.mark.parametrize(
    ("backbone", "tuning", "shared"),
    [("minilm", "freeze", True), ("e5", "lora", True), ("minilm", "head", False), ("tiny", "full", False)],
)
def test_runs_whose_pretrained_layers_learn_are_worth_a_worker_each(backbone: str, tuning: str, shared: bool) -> None:
    target = ContextChoice(id="sentiment/sample-cafes-en", size=20)
    config = RunConfig(target=target, backbone=Choice(name=backbone), tuning=Choice(name=tuning))
    assert apart(config.model_copy(update={"schedule": Choice(name="target-only")})) is shared


def test_a_map_of_many_small_runs_is_shared_out(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_WORKERS", "2")
    rows = [("both", seed, lesson(seed, epochs=1)) for seed in range(MANY + 20)]
    study = served.store.add_study("map", {}, rows)
    served.ensure()
    runs = [ended(served.store, row.id) for _, _, row in served.store.study_runs(study.id)]
    for part in (runs[: MANY // 2], runs[-MANY // 2 :]):  # to the last
        assert len({run.manifest["worker"] for run in part}) == 2
    assert {run.state for run in runs} == {"done"}


def test_jobs_are_done_beside_runs_and_say_what_went_wrong(served: Served) -> None:
    store = served.store
    encode = store.add_job("encode", lesson(tuning="head").model_dump(mode="json"))
    fetch = store.add_job("fetch", {"names": ["minilm"]})
    wrong = store.add_job("fetch", {"names": ["nowhere"]})
    served.ensure()
    until(lambda: not store.jobs(), "all jobs end")
    assert (store.job(encode.id).state, store.job(encode.id).error) == ("done", None)
    assert store.job(fetch.id).state == "failed"
    assert "CTX_OFFLINE" in str(store.job(fetch.id).error)
    assert "no context or backbone called “nowhere”" in str(store.job(wrong.id).error)


def test_a_dispatcher_from_before_a_change_of_ctx_starts_afresh_before_it_takes_more(
    served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A new part works at once: nobody has to find and end the dispatcher first."""
    copy = tmp_path / "checkout"
    shutil.copytree(Path(dispatch.__file__).parent, copy / "ctx", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(dispatch, "__file__", str(copy / "ctx" / "dispatch.py"))
    monkeypatch.setattr(dispatch, "project", lambda: copy)
    one = served.store.add_run(lesson(epochs=1))
    pid = served.ensure()
    first = ended(served.store, one.id)
    (copy / "ctx" / "errors.py").touch()
    until(lambda: not psutil.Process(int(first.manifest["worker"].split(":")[1])).cpu_percent(0.2), "it rests")
    last = ended(served.store, served.store.add_run(lesson(1, epochs=1)).id)
    assert last.state == "done"
    assert first.manifest["worker"] != last.manifest["worker"]
    assert served.dispatcher() == pid


def test_with_no_workers_allowed_here_nothing_is_started(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_WORKERS", "0")
    served.store.add_run(lesson())
    assert not dispatch.ensure()
