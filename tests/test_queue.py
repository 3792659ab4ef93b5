"""The queue: one attempt at a time, nothing written by a worker that has lost its run."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import text
from stores import lesson, stored

from ctx import leases
from ctx.errors import BadInput
from ctx.manifest import cores
from ctx.records import Run
from ctx.store import Store, open_store
from ctx.worker import fair_threads


@pytest.fixture
def store(home: Path) -> Store:
    return open_store()


def claim(store: Store, **wish: object) -> Run:
    run = store.claim("me", **wish)  # type: ignore[arg-type]
    assert run is not None
    return run


def expire(store: Store) -> None:
    store.release("me")


def test_an_empty_queue_gives_nothing(store: Store) -> None:
    assert store.claim("me") is None


def test_threads_are_fixed_when_a_run_is_first_claimed(store: Store) -> None:
    store.add_run(lesson())
    assert claim(store, threads=1).threads == 1
    expire(store)
    assert claim(store, threads=8).threads == 1


def test_a_worker_that_lost_its_run_can_write_nothing(store: Store) -> None:
    store.add_run(lesson())
    before = claim(store)
    expire(store)
    after = claim(store)
    assert (before.attempt, after.attempt) == (1, 2)
    assert not store.write(before, [(1, "loss", 1.0)])
    assert not store.renew(before)
    assert not store.checkpointed(before, 1)
    assert not store.finish(before, "failed", error="too late")
    assert store.points([after.id]).empty
    assert store.write(after, [(1, "loss", 2.0)])
    assert store.finish(after, "done", {})
    assert not store.write(after, [(2, "loss", 2.0)]), "an ended run takes no points"


def test_taking_over_drops_the_points_after_the_checkpoint(store: Store) -> None:
    store.add_run(lesson())
    run = claim(store)
    store.write(run, [(step, "loss", float(step)) for step in range(10)])
    store.checkpointed(run, 6, "1-6")
    expire(store)
    again = claim(store)
    assert (again.checkpoint, again.checkpoint_step, again.step) == ("1-6", 6, 6)
    assert sorted(stored(store, run.id)) == [("loss", step) for step in range(7)]


def test_an_epoch_told_again_after_a_resume_is_not_doubled(store: Store) -> None:
    store.add_run(lesson())
    run = claim(store)
    store.write(run, [(5, "validation", 1.0)])
    store.write(run, [(5, "validation", 1.0), (6, "loss", 2.0)])
    assert stored(store, run.id) == {("validation", 5): 1.0, ("loss", 6): 2.0}


def test_a_checkpoint_that_is_gone_means_starting_over_with_no_points(store: Store) -> None:
    store.add_run(lesson())
    run = claim(store)
    store.write(run, [(step, "loss", 0.0) for step in range(10)])
    store.checkpointed(run, 6)
    assert store.restart(run)
    assert store.points([run.id]).empty
    assert store.run(run.id).checkpoint is None


def test_a_queued_run_stops_at_once_and_a_running_one_when_its_worker_hears_of_it(store: Store) -> None:
    one, two = store.add_run(lesson(0)), store.add_run(lesson(1))
    run = claim(store)
    store.request_stop([one.id, two.id])
    assert store.run(two.id).state == "stopped"
    assert store.run(one.id).state == "running"
    assert store.stops_requested([run]) == {run.id}
    store.finish(run, "stopped")
    store.resume(one.id)
    resumed = store.run(one.id)
    assert (resumed.state, resumed.stop_requested, resumed.ended) == ("queued", False, None)


def test_only_what_stopped_or_failed_is_resumed(store: Store) -> None:
    run = store.add_run(lesson())
    with pytest.raises(BadInput, match="is queued"):
        store.resume(run.id)
    with pytest.raises(BadInput, match="no run"):
        store.resume("nowhere")


def test_many_workers_at_once_never_claim_the_same_run(store: Store) -> None:
    store.add_study("many", {}, [("both", seed, lesson(seed)) for seed in range(40)])
    claimed: list[str] = []

    def work() -> None:
        own = open_store()
        while (run := own.claim("me")) is not None:
            claimed.append(run.id)
            own.write(run, [(0, "loss", 1.0)])
            own.finish(run, "done", {})

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed)) == 40
    assert all(run.attempt == 1 for run in store.runs(limit=None))


def test_the_position_counts_what_comes_before(store: Store) -> None:
    runs = [store.add_run(lesson(seed)) for seed in range(3)]
    assert [store.position([run.id]) for run in runs] == [0, 1, 2]
    claim(store)
    assert store.position([runs[2].id]) == 2
    assert store.position([run.id for run in runs]) == 0


def test_one_dispatcher_holds_the_lease_until_it_gives_it_back_or_dies(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.take_lease("dispatcher", "elsewhere:1:a", 30)
    assert not store.take_lease("dispatcher", "elsewhere:2:b", 30)
    assert store.take_lease("dispatcher", "elsewhere:1:a", 30)
    store.give_lease("dispatcher", "elsewhere:1:a")
    assert store.lease_holder("dispatcher") is None
    dead = f"{leases.machine()}:{2**22 + 1}:c"  # beyond the largest process number
    assert store.take_lease("dispatcher", dead, 3600)
    assert store.lease_holder("dispatcher") is None
    assert store.take_lease("dispatcher", "elsewhere:2:b", -1)
    assert store.take_lease("dispatcher", "elsewhere:3:d", 30), "an expired lease is free"


def test_what_dead_processes_of_this_machine_held_is_free_at_once(store: Store) -> None:
    store.add_run(lesson())
    job = store.add_job("fetch", {"names": ["minilm"]})
    dead = f"{leases.machine()}:{2**22 + 1}:c"
    assert store.claim(dead) is not None
    assert store.claim_job(dead, ["fetch"]) is not None
    assert store.claim("me") is None
    store.release_dead()
    assert claim(store).attempt == 2
    again = store.claim_job("me", ["fetch"])
    assert again is not None
    assert (again.id, again.attempt) == (job.id, 2)


def test_a_job_is_queued_once_and_its_progress_can_be_followed(store: Store) -> None:
    job = store.add_job("fetch", {"names": ["minilm"]})
    assert store.add_job("fetch", {"names": ["minilm"]}).id == job.id
    held = store.claim_job("me", ["fetch"])
    assert held is not None
    assert store.claim_job("me", ["encode"]) is None
    assert store.report(held, "model.whl", 3.0, 10.0)
    now = store.job(job.id)
    assert (now.state, now.progress, now.done, now.total) == ("running", "model.whl", 3.0, 10.0)
    store.finish_job(held, "No space left.")
    assert store.jobs() == []
    assert (store.job(job.id).state, store.job(job.id).error) == ("failed", "No space left.")
    assert store.add_job("fetch", {"names": ["minilm"]}).id != job.id
    with pytest.raises(BadInput, match="fetch, encode"):
        store.add_job("nonsense", {})


def test_the_load_counts_studies_not_runs(store: Store) -> None:
    assert (store.load().groups, store.load().waiting) == (0, 0)
    store.add_study("one", {}, [("both", seed, lesson(seed)) for seed in range(5)])
    store.add_run(lesson(9))
    claim(store)
    load = store.load()
    assert (load.groups, load.waiting, load.running) == (2, 5, 1)


def test_every_write_of_a_worker_starts_with_its_update(store: Store) -> None:
    store.add_run(lesson())
    run = claim(store)
    said: list[str] = []
    with store.engine.connect() as connection:
        raw = connection.connection.driver_connection
        raw.set_trace_callback(said.append)  # type: ignore[union-attr]
    store.write(run, [(0, "loss", 1.0)])
    store.checkpointed(run, 0)
    store.finish(run, "done", {})
    after_begin = [said[i + 1] for i, line in enumerate(said[:-1]) if line.startswith("BEGIN IMMEDIATE")]
    assert len(after_begin) == 3
    assert all(line.startswith("UPDATE runs") for line in after_begin)
    with store.engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"


def test_a_running_run_whose_worker_is_gone_can_be_stopped_and_resumed(store: Store) -> None:
    run = store.add_run(lesson(0))
    claim(store)
    expire(store)
    store.request_stop([run.id])
    assert store.run(run.id).state == "stopped"
    store.resume(run.id)
    assert store.run(run.id).state == "queued"


def test_a_deleted_run_is_claimed_by_nobody(store: Store) -> None:
    run = store.add_run(lesson(0))
    claim(store)
    expire(store)
    store.delete([run.id])
    assert store.claim("me") is None


def test_a_run_that_is_stopping_is_not_joined_and_a_done_one_is_used_first(store: Store) -> None:
    stopping = store.add_run(lesson(0))
    held = claim(store)
    store.request_stop([stopping.id])
    fresh = store.add_run(lesson(0))
    assert fresh.id != stopping.id
    store.finish(held, "done", {})
    assert store.add_run(lesson(0)).id == stopping.id


def test_a_dead_workers_run_costs_the_next_no_threads(store: Store) -> None:
    store.add_run(lesson(0))
    claim(store)
    assert fair_threads(store) == 1
    expire(store)
    assert fair_threads(store) == cores()
