"""A worker process: told what to take over its pipe, it takes one run or job, ends it, and says so."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from ctx import assets, machine, memory
from ctx.errors import CtxError, StoreError
from ctx.jobs import MOST_ATTEMPTS
from ctx.leases import new_holder
from ctx.manifest import manifest
from ctx.recorder import LostError
from ctx.records import Job
from ctx.registry import fetchable
from ctx.store import Store, open_store
from ctx.worker import learn_speed, train_claimed

PRELOAD = ("torch", "torch._dynamo", "transformers.models.bert.modeling_bert", "safetensors.torch", "ctx.train")
REPORT_SECONDS = 0.3
QUIET_SECONDS = 0.5


def serve(pipe: Connection, url: str) -> None:
    """Do as told until the pipe ends, which it does when the dispatcher goes."""
    missing = [name for name in PRELOAD if name not in sys.modules]
    if missing and sys.platform != "win32":
        print(f"not preloaded: {', '.join(missing)}; the first run is slow", flush=True)
    holder = new_holder()
    store = open_store(url, migrate=False)
    study: str | None = None
    manifest()  # gathered before anybody waits for it
    try:
        pipe.send({"holder": holder, "missing": missing})
        while True:
            _measure(pipe, store)
            told = pipe.recv()
            took = False
            try:
                if told["take"] == "run":
                    run = store.claim(holder, prefer_study=study, threads=told["threads"])
                    took = run is not None
                    if run is not None:
                        study = run.study
                        train_claimed(store, run)
                else:
                    took = _take_job(store, holder, told)
            except StoreError as error:  # the run's lease expires, and it is taken up again
                print(error, flush=True)
                store.release(holder)
            pipe.send({"took": took})
    except (EOFError, OSError):
        return


def _measure(pipe: Connection, store: Store) -> None:
    """Learn how fast this machine is, once, while nobody waits."""
    if machine.speeds() or pipe.poll(QUIET_SECONDS):
        return
    try:
        learn_speed(store, leave=pipe.poll)
    except Exception as error:  # a worker can do without
        traceback.print_exception(error)


def _take_job(store: Store, holder: str, told: dict[str, Any]) -> bool:
    job = store.claim_job(holder, [told["take"]], only=told.get("job"))
    if job is None:
        return False
    try:
        if job.attempt > MOST_ATTEMPTS:
            raise CtxError(f"The worker died {job.attempt - 1} times at this: there may be too little memory.")
        found = JOBS[job.kind](store, job, told["threads"])
        store.finish_job(job, result=found)
        _settle(job)
    except LostError:
        pass
    except StoreError:
        raise
    except CtxError as error:
        store.finish_job(job, str(error))
    except Exception as error:
        traceback.print_exception(error)
        store.finish_job(job, f"It ended with an error that ctx did not expect ({type(error).__name__}: {error}).")
    finally:
        memory.tidy()
    return True


def _fetch(store: Store, job: Job, threads: int) -> None:
    """Fetch what the parts named in the payload need: {"names": ["sentiment/tweets", "minilm"]}."""
    wanted = {asset.sha256: asset for name in job.payload["names"] for asset in fetchable(name).assets}
    total = sum(asset.megabytes for asset in wanted.values())
    before, said = 0.0, 0.0
    for asset in wanted.values():

        def progress(done: int, _all: int, before: float = before, name: str = asset.filename) -> None:
            nonlocal said
            if time.monotonic() - said > REPORT_SECONDS:
                said = time.monotonic()
                store.report(job, name, before + done / 1e6, total)

        assets.fetch(asset, progress)
        before += asset.megabytes
        store.report(job, asset.filename, before, total)


def _telling(store: Store, job: Job) -> Callable[[int, int], None]:
    """Called with what is done of how much, tells the store now and then; raises LostError once nobody wants it."""
    said = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal said
        if time.monotonic() - said > REPORT_SECONDS:
            said = time.monotonic()
            if not store.report(job, "", done, total):
                raise LostError

    return progress


def _encode(store: Store, job: Job, threads: int) -> dict[str, Any]:
    """Compute the frozen features of the payload's pair; or, where it names a ``study``, what its waiting runs read."""
    import torch

    from ctx.config import RunConfig
    from ctx.warm import warm, warm_runs

    torch.set_num_threads(threads)
    study, busy = job.payload.get("study"), time.process_time()
    if study:
        waiting = {run.id: run.config for _, _, run in store.study_runs(study) if run.state == "queued"}
        encoded = warm_runs(waiting.values(), _telling(store, job))
    else:
        encoded = warm(RunConfig.model_validate(job.payload), _telling(store, job))
    return {"encoded": encoded, "cpu_seconds": time.process_time() - busy}


def _describe(store: Store, job: Job, threads: int) -> dict[str, Any]:
    """How far apart the sentences of the payload's contexts lie for its backbone; `ctx.describe.payload` makes one."""
    from ctx.describe import of_job

    return of_job(job, threads, _telling(store, job)).model_dump()


def _preview(store: Store, job: Job, threads: int) -> dict[str, Any]:
    """Solve what the payload asks, a `ctx.preview.Asked`."""
    import torch

    from ctx.preview import Asked
    from ctx.probe import probe

    torch.set_num_threads(threads)
    return probe(Asked.model_validate(job.payload), _telling(store, job)).model_dump()


def _import(store: Store, job: Job, threads: int) -> dict[str, Any]:
    """Look at an upload, try its rows, or take them in; `ctx.imports.trial.payload` makes one."""
    from ctx.imports.trial import of_job

    return of_job(job.payload, _telling(store, job))


def _settle(job: Job) -> None:
    """An upload that was taken in is not needed any more."""
    if job.kind == "import":
        from ctx.imports.trial import settle

        settle(job.payload)


def _predict(store: Store, job: Job, threads: int) -> dict[str, Any]:
    """What each of the payload's runs says of its text, and whose modules did: by the run's id, as `Judged` has it.

    The payload: {"runs": [id, …], "text": …, "of": a context's id, or none for a run's target}.
    """
    from ctx.predict import of_run

    text, of = job.payload["text"], job.payload.get("of") or ""
    return {run_id: of_run(store.run(run_id), text, of)._asdict() for run_id in job.payload["runs"]}


def _search(store: Store, job: Job, threads: int) -> dict[str, Any]:
    """Choose what a search trains next, and queue it: {"study": id}."""
    from ctx.sweeps.search import carry_on

    return carry_on(store, job)


JOBS: dict[str, Callable[[Store, Job, int], dict[str, Any] | None]] = {
    "fetch": _fetch,
    "encode": _encode,
    "describe": _describe,
    "preview": _preview,
    "import": _import,
    "predict": _predict,
    "search": _search,
}
