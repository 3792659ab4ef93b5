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
from ctx.queue import Load
from ctx.schema import runs
from ctx.together import shared_out, threads
from ctx.workforce import MANY, Workforce

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


LEARN, HEAD = ("minilm", "freeze"), ("minilm", "head")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(LEARN, (True, 4)), (("e5", "lora"), (True, 4)), (HEAD, (False, 1)), (("tiny", "full"), (False, 1))],
)
def test_runs_whose_pretrained_layers_learn_are_worth_a_worker_each(
    kind: tuple[str, str], expected: tuple[bool, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctx.together.cores", lambda: 8)
    monkeypatch.setattr("ctx.machine.fastest", lambda: 6)
    assert (shared_out(alone(*kind)), threads(alone(*kind), at_once=2)) == expected


def alone(backbone: str, tuning: str) -> RunConfig:
    return RunConfig(
        target=ContextChoice(id="sentiment/sample-cafes-en", size=20),
        backbone=Choice(name=backbone),
        tuning=Choice(name=tuning),
        schedule=Choice(name="target-only"),
    )


@pytest.mark.parametrize(
    ("kind", "groups", "at_work", "running", "wanted"),
    [
        (LEARN, 1, 0, 0, 2),
        (LEARN, 1, 1, 2, 2),
        (LEARN, 2, 1, 2, 3),  # another study waits, and this one has every slot
        (LEARN, 2, 2, 2, 2),
        (HEAD, 1, 0, 0, 1),
        (HEAD, 2, 1, 1, 2),
        (None, 1, 0, 0, 1),
    ],
)
def test_a_study_shared_out_leaves_room_for_another(
    kind: tuple[str, str] | None, groups: int, at_work: int, running: int, wanted: int, served: Served
) -> None:
    settings = alone(*kind).model_dump(mode="json") if kind else {"target": "nonsense"}
    force = Workforce(served.store, slots=2)
    try:
        assert force._wanted(Load(groups, at_work, 8, running, {}, settings))[0] == wanted
    finally:
        force.dismiss()


def test_a_run_that_cannot_be_read_stops_no_dispatcher(served: Served) -> None:
    wrong = alone("tiny", "head").model_copy(update={"target": ContextChoice(id="sentiment/gone", size=20)})
    bad = served.store.add_run(lesson(1)).id
    with served.store._writing() as connection:
        connection.execute(runs.update().where(runs.c.id == bad).values(config=wrong.model_dump(mode="json")))
    good = served.store.add_run(lesson(2))
    served.ensure()
    assert ended(served.store, good.id).state == "done", served.log()
    assert ended(served.store, bad).state == "failed"


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
