"""How a run learned as lines to draw, and the reading of runs at work that all sessions share."""

import threading

import numpy as np
import pytest

from ctx.curves import evenly, examples
from ctx.lab import curve
from ctx.readings import FRESH_SECONDS, Readings, Shelf
from ctx.records import Run, Told
from ctx.store import Store, open_store
from ctx.train import train
from tests.stores import lesson


def steps(**metrics: tuple[list[float], list[float]]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    names = {name.replace("__", "/"): (np.asarray(s), np.asarray(v)) for name, (s, v) in metrics.items()}
    return names


def test_loss_is_drawn_as_a_share_of_the_constant_guess_over_the_examples_seen() -> None:
    points = steps(
        validation__target__loss=([0, 10, 20], [1.4, 0.7, 0.35]),
        constant__target=([0], [0.7]),
        seen__target=([0, 10, 20], [0, 320, 640]),
        seen__source=([0, 10, 20], [0, 640, 1280]),
    )
    x, y = curve.curve(points, "validation/target/loss", "target", curve.How())
    assert x.tolist() == [0, 320, 640]
    assert y.tolist() == pytest.approx([200, 100, 50])
    x, y = curve.curve(points, "validation/target/loss", "target", curve.How(percent=False, own=False))
    assert x.tolist() == [0, 960, 1920]
    assert y.tolist() == [1.4, 0.7, 0.35]


def test_an_epoch_that_is_not_over_goes_on_like_the_last() -> None:
    points = steps(seen__target=([0, 10], [0, 320]))
    assert examples(points, np.asarray([5.0, 10.0, 15.0]), "target").tolist() == [160, 320, 480]


def test_several_draws_are_folded_into_their_mean() -> None:
    draws = [
        steps(
            validation__target__loss=([0, 10], [1.0, v]), constant__target=([0], [1.0]), seen__target=([0, 10], [0, 9])
        )
        for v in (0.2, 0.4)
    ]
    *each, mean = curve.lines(draws, "target", curve.How(), {"draw": "each", "validation": "mean", "training": "t"})
    assert len(each) == 2
    assert list(mean.y) == pytest.approx([100, 30])
    assert mean.bold


def test_hand_over_and_kept_weights_are_marked() -> None:
    points = steps(seen__target=([0, 10, 20], [0, 0, 320]), phase=([0, 10], [0, 1]), kept=([5, 20], [1, 1]))
    assert [(mark.x, mark.text) for mark in curve.marks([points], "target", curve.How())] == [
        (0.0, "hand-over"),
        (320.0, "kept"),
    ]


def test_a_chart_is_thinned_evenly_and_keeps_both_ends() -> None:
    assert evenly(3, 10).tolist() == [0, 1, 2]
    assert evenly(1001, 5).tolist() == [0, 250, 500, 750, 1000]
    assert evenly(0, 5).tolist() == []


def test_the_first_epoch_has_a_scale_from_its_first_update_on() -> None:
    events = list(train(lesson(epochs=1)))
    assert examples({"seen/target": (np.zeros(1), np.zeros(1))}, np.asarray([7.0])).tolist() == [7.0]
    first = next(event for event in events if event.kind == "step")
    told = {name: (np.asarray([0.0, 1.0]), np.asarray([0.0, first.values[name]])) for name in ("seen/target",)}
    last = [event for event in events if event.kind == "epoch"][-1]
    assert examples(told, np.asarray([float(last.step)]), "target")[0] == pytest.approx(last.values["seen/target"])


# -- what sessions share


class Counted:
    """A real store that counts what is asked of it."""

    def __init__(self) -> None:
        self.store, self.asked = open_store(), 0

    def series(self, ids: list[str], names: tuple[str, ...] = (), after: int = -1) -> dict[str, Told]:
        self.asked += 1
        return self.store.series(ids, names, after)

    def study_runs(self, study_id: str) -> list[tuple[str, int, Run]]:
        self.asked += 1
        return self.store.study_runs(study_id)


def at_work(store: Store) -> Run:
    store.add_run(lesson())
    claimed = store.claim("me")
    assert claimed is not None
    store.write(claimed, [(step, "loss/target", float(step)) for step in range(5)], steps=100)
    return store.run(claimed.id)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("ctx.readings.time.monotonic", lambda: now[0])
    return now


def test_thirty_viewers_of_a_run_read_it_once_a_moment(clock: list[float]) -> None:
    store = Counted()
    run = at_work(store.store)
    read = Readings(store)
    for _ in range(30):
        assert len(read.curves(run, ["loss/"]).told["loss/target"][0]) == 5
    assert store.asked == 1
    clock[0] += 2 * FRESH_SECONDS
    read.curves(run, ["loss/"])
    assert store.asked == 2


def test_new_points_are_joined_to_the_old_ones_and_none_is_doubled(clock: list[float]) -> None:
    store = Counted()
    run = at_work(store.store)
    read = Readings(store)
    before = read.curves(run, ["loss/", "validation/"])
    # the last step gains the value of an epoch's end, and training goes on
    store.store.write(run, [(4, "validation/target/loss", 0.5)] + [(s, "loss/target", float(s)) for s in (5, 6)])
    assert read.curves(run, ["loss/", "validation/"]).revision == before.revision
    clock[0] += 2 * FRESH_SECONDS
    after = read.curves(run, ["loss/", "validation/"])
    assert after.revision != before.revision
    assert after.told["loss/target"][0].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert after.told["validation/target/loss"][1].tolist() == [0.5]


def test_a_run_that_another_worker_took_over_is_read_anew(clock: list[float]) -> None:
    store = Counted()
    run = at_work(store.store)
    read = Readings(store)
    read.curves(run, ["loss/"])
    store.store.release("me")
    again = store.store.claim("another")
    assert again is not None
    assert again.attempt > run.attempt
    store.store.write(again, [(0, "loss/target", 9.0)])
    assert read.curves(store.store.run(run.id), ["loss/"]).told["loss/target"][1].tolist() == [9.0]


def test_a_run_that_has_ended_is_read_once(clock: list[float]) -> None:
    store = Counted()
    run = at_work(store.store)
    store.store.finish(run, "done", {})
    read = Readings(store)
    ended = store.store.run(run.id)
    for _ in range(3):
        read.curves(ended, ["loss/"])
        clock[0] += 10
    assert store.asked == 1


def test_the_last_points_of_a_run_are_read_when_it_has_ended_however_fresh_the_others_are(clock: list[float]) -> None:
    store = Counted()
    run = at_work(store.store)
    read = Readings(store)
    read.curves(run, ["loss/"])
    store.store.finish(run, "done", {}, points=[(5, "loss/target", 5.0)])
    ended = read.curves(store.store.run(run.id), ["loss/"])
    assert ended.told["loss/target"][0].tolist() == [0, 1, 2, 3, 4, 5]
    assert ended.final


def test_a_run_that_starts_over_for_want_of_its_checkpoint_shows_no_point_that_is_gone(clock: list[float]) -> None:
    store = Counted()
    run = at_work(store.store)
    store.store.write(run, [(99, "loss/target", 1.0)])
    read = Readings(store)
    assert read.curves(store.store.run(run.id), ["loss/"]).points == 6
    assert store.store.restart(run)
    store.store.write(run, [(1, "loss/target", 0.5)])
    clock[0] += 2 * FRESH_SECONDS
    assert read.curves(store.store.run(run.id), ["loss/"]).told["loss/target"][0].tolist() == [1]


def test_a_thread_makes_a_value_others_wait_and_another_key_does_not() -> None:
    shelf, made, go = Shelf[int](10), [], threading.Event()

    def slow(_: int | None) -> int:
        go.wait(10)
        made.append(1)
        return 1

    threads = [threading.Thread(target=shelf.get, args=("slow", lambda _: True, slow)) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert shelf.get("other", lambda _: True, lambda _: 2) == 2  # while the slow one is being made
    go.set()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_what_was_not_asked_for_longest_goes_when_there_is_too_much() -> None:
    shelf, made = Shelf[list[int]](10, len), []

    def make(_: list[int] | None) -> list[int]:
        made.append(1)
        return [0] * 4

    for key in ("a", "b", "a", "c"):  # 12 are too many: b goes
        shelf.get(key, lambda _: True, make)
    shelf.get("a", lambda _: True, make)
    assert len(made) == 3
    shelf.get("b", lambda _: True, make)
    assert len(made) == 4


def test_a_page_that_has_just_opened_reads_a_study_as_it_is(clock: list[float]) -> None:
    store = Counted()
    study = store.store.add_study("", {}, [("chosen", 0, lesson())])
    read = Readings(store)
    assert read.study(study.id)[0][2].state == "queued"
    store.store.claim("me")
    assert read.study(study.id)[0][2].state == "queued"
    assert read.study(study.id, now=True)[0][2].state == "running"
    assert read.study(study.id)[0][2].state == "running"
