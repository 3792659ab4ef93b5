"""Whose turn it is: owners one after another, short studies before long ones."""

import time

import pytest
from sqlalchemy import text
from stores import lesson

from ctx.queue import level
from ctx.records import Run
from ctx.store import Store
from tests.test_queue import claim, store

__all__ = ["store"]


def test_owners_take_turns_however_much_one_of_them_queues(store: Store) -> None:
    store.add_study("many", {}, [("both", seed, lesson(seed)) for seed in range(20)], owner="ann")
    store.add_study("few", {}, [("both", seed, lesson(seed)) for seed in range(3)], owner="bob")
    store.add_run(lesson(0), owner="cem")
    served = []
    for _ in range(8):
        run = claim(store, prefer_study=None)
        served.append(run.owner)
        store.finish(run, "done", {})
    assert served == ["ann", "bob", "cem", "ann", "bob", "ann", "bob", "ann"]


def test_an_owner_with_fewer_running_comes_first(store: Store) -> None:
    store.add_study("many", {}, [("both", seed, lesson(seed)) for seed in range(5)], owner="ann")
    held = [claim(store), claim(store)]
    store.add_run(lesson(0), owner="bob")
    store.add_run(lesson(1), owner="bob")
    assert [claim(store).owner for _ in range(2)] == ["bob", "bob"]
    assert {run.owner for run in held} == {"ann"}


def test_a_worker_stays_with_its_study_and_a_second_one_takes_another(store: Store) -> None:
    first = store.add_study("first", {}, [("both", seed, lesson(seed)) for seed in range(4)])
    second = store.add_study("second", {}, [("both", seed, lesson(seed)) for seed in range(10, 14)])
    assert claim(store).study == first.id
    assert claim(store).study == second.id
    assert claim(store, prefer_study=second.id).study == second.id
    assert claim(store, prefer_study=first.id).study == first.id


def began(store: Store, run: Run, seconds_ago: float) -> None:
    """As if a run had been started so long ago."""
    with store.engine.begin() as connection:
        connection.execute(
            text("UPDATE runs SET started = :s WHERE id = :i"), {"s": time.time() - seconds_ago, "i": run.id}
        )


@pytest.mark.parametrize(("seconds", "expected"), [(0, 0), (5, 0), (5.1, 1), (10, 1), (11, 2), (40, 3), (81, 5)])
def test_a_study_rises_a_level_with_each_doubling_of_what_it_had(seconds: float, expected: int) -> None:
    assert level(seconds) == expected


def test_a_short_study_does_not_wait_behind_a_long_one(store: Store) -> None:
    long = store.add_study("long", {}, [("both", seed, lesson(seed)) for seed in range(4)])
    held = claim(store)
    began(store, held, 60)
    store.finish(held, "done", {})
    short = store.add_study("short", {}, [("both", seed, lesson(seed)) for seed in range(10, 12)])
    assert claim(store, prefer_study=long.id).study == short.id
    assert claim(store, prefer_study=long.id).study == short.id
    assert claim(store, prefer_study=long.id).study == long.id


def had(store: Store) -> dict[tuple[str, str | None], float]:
    with store.engine.connect() as connection:
        return store._had(connection, time.time())


def test_runs_that_train_together_count_once(store: Store) -> None:
    store.add_study("a group", {}, [("both", seed, lesson(seed)) for seed in range(4)])
    first = claim(store)
    time.sleep(0.01)
    together = store.claim_beside(first, "me", lambda run: True, 2)
    assert {run.started for run in together} == {first.started}
    for run in (first, *together):
        began(store, run, 4)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE runs SET started = (SELECT min(started) FROM runs) WHERE started IS NOT NULL"))
    for run in (first, *together):
        store.finish(run, "done", {})
    assert had(store)["local", first.study] == pytest.approx(4, abs=1)


def test_of_a_long_run_the_last_hour_counts_and_what_only_waits_does_not(store: Store) -> None:
    store.add_study("long", {}, [("both", seed, lesson(seed)) for seed in range(2)])
    long, waits = claim(store), claim(store)
    began(store, long, 7200)
    began(store, waits, 600)
    store.finish(waits, "stopped")
    store.resume(waits.id)
    assert had(store)["local", long.study] == pytest.approx(3600, abs=1)
    store.finish(long, "done", {})
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE runs SET ended = ended - 4000 WHERE id = :i"), {"i": long.id})
    assert had(store) == {}
