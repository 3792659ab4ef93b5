"""Processes killed in mid-run: nothing is lost, nothing is doubled, and the weights are the same to the bit."""

import os
import signal
import sqlite3
import subprocess
import sys

import psutil
import torch
from dispatched import Served, served
from stores import ended, lesson, stored, truth, until

from ctx import checkpoint, database, dispatch
from ctx.records import Run

__all__ = ["served"]
LONG = lesson(seed=3, epochs=60)  # some seconds


def in_mid_run(served: Served, run: Run) -> int:
    """Wait until the run has kept its state once; the worker that trains it."""
    until(lambda: (served.store.run(run.id).checkpoint_step or 0) > 100, f"a checkpoint; log:\n{served.log()}")
    assert served.store.run(run.id).state == "running"
    return served.worker(run.id)


def check_whole(served: Served, run: Run, attempts: int) -> None:
    """The run is done, and is what it would have been had nothing happened."""
    done = ended(served.store, run.id)
    assert (done.state, done.error, done.attempt) == ("done", None, attempts), served.log()
    points, weights, final = truth(LONG)
    assert stored(served.store, run.id) == points
    kept = checkpoint.final_weights(run.id)
    assert kept is not None
    assert kept.tensors.keys() == weights.keys()
    assert all(torch.equal(kept.tensors[name], weights[name]) for name in weights)
    assert done.final is not None
    assert done.final["metrics"] == final["metrics"]


def test_a_killed_worker_is_replaced_and_its_run_goes_on_from_the_checkpoint(served: Served) -> None:
    run = served.store.add_run(LONG)
    served.ensure()
    os.kill(in_mid_run(served, run), signal.SIGKILL)
    check_whole(served, run, attempts=2)


def test_a_killed_dispatcher_costs_nothing_and_the_next_one_goes_on(served: Served) -> None:
    run, later = served.store.add_run(LONG), served.store.add_run(lesson(epochs=1))
    pid = served.ensure()
    worker = in_mid_run(served, run)
    os.kill(pid, signal.SIGKILL)
    dispatch._started[served.store.url].wait()
    assert served.ensure() != pid
    check_whole(served, run, attempts=1)
    assert ended(served.store, later.id).state == "done"
    until(lambda: not psutil.pid_exists(worker), "the worker without a dispatcher goes after its run")


def test_after_a_power_cut_the_next_dispatcher_resumes_what_ran(served: Served) -> None:
    run = served.store.add_run(LONG)
    served.ensure()
    in_mid_run(served, run)
    served.kill_session()
    assert served.store.run(run.id).state == "running"
    served.ensure()
    check_whole(served, run, attempts=2)


def test_the_program_that_queued_may_end(served: Served) -> None:
    code = (
        "from stores import lesson; from ctx.store import open_store; from ctx.dispatch import ensure, _started\n"
        "store = open_store(); run = store.add_run(lesson(seed=3, epochs=60)); ensure()\n"
        "print(run.id, _started[store.url].pid, flush=True)\n"
        "import os; os.kill(os.getpid(), 9)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(["tests", "."])}
    page = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    run_id, session = page.stdout.split()
    served.sessions.add(int(session))
    check_whole(served, served.store.run(run_id), attempts=1)


def test_stop_and_resume_through_the_dispatcher(served: Served) -> None:
    run = served.store.add_run(LONG)
    served.ensure()
    in_mid_run(served, run)
    served.store.request_stop([run.id])
    stopped = ended(served.store, run.id)
    assert stopped.state == "stopped"
    assert stopped.checkpoint_step == stopped.step
    served.store.resume(run.id)
    check_whole(served, run, attempts=2)


def test_a_store_held_by_another_program_for_long_delays_points_and_loses_none(served: Served) -> None:
    run = served.store.add_run(LONG)
    served.ensure()
    in_mid_run(served, run)
    with sqlite3.connect(database.file_of(served.store.url) or "", isolation_level=None, timeout=30) as other:
        other.execute("BEGIN IMMEDIATE")
        seen = served.store.run(run.id).step
        subprocess.run([sys.executable, "-c", f"import time; time.sleep({database.BUSY_SECONDS + 1})"], check=True)
        assert served.store.run(run.id).step == seen
        other.execute("ROLLBACK")
    check_whole(served, run, attempts=1)
