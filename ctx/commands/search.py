"""A search carried out in this process: what waits is trained, then the next cells are chosen, until it is over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ctx.commands.output import note
from ctx.commands.study import trained
from ctx.errors import CtxError, RunFailed

if TYPE_CHECKING:
    from ctx.store import Job, Store, Study

POLL_SECONDS = 0.2


def searched(store: Store, found: Study, queue: bool, threads: int | None = None) -> bool:
    """Begin a search, or go on with it, run after run; or leave it to the dispatcher, then true: its runs are waiting.

    Raises RunFailed where the next cells can't be chosen.
    """
    from ctx.sweeps.plan import swept
    from ctx.sweeps.search import begin

    sweep = swept(found)
    assert sweep is not None
    begin(store, found)
    if queue:
        from ctx.dispatch import ensure

        ensure(store.url)
        note(f"The search is queued: `ctx show {found.id}` says how it stands.")
        return True
    many = f"at most {sweep.most_runs}"
    while trained(store, found, many, threads) and _goes_on(store, found):
        pass
    return False


def _goes_on(store: Store, found: Study) -> bool:
    """Choose the next cells, or wait while another process does; False where none are left or the search is paused."""
    from ctx.leases import new_holder
    from ctx.records import UNFINISHED, WAITING

    holder = new_holder()
    while True:
        job = store.search_job(found.id)
        states = {run.state for _, _, run in store.study_runs(found.id) if run.deleted is None}
        if states.intersection(WAITING):
            return True
        if job is None or job.state not in WAITING or states.intersection(UNFINISHED):
            if job is not None and job.state == "failed":
                raise RunFailed(job.error or "")
            return False
        claimed = store.claim_job(holder, ["search"], only=job.id)
        if claimed is None:
            time.sleep(POLL_SECONDS)
        else:
            _choose(store, claimed)


def _choose(store: Store, job: Job) -> None:
    from ctx.sweeps.search import carry_on

    try:
        found = carry_on(store, job)
    except CtxError as error:
        store.finish_job(job, str(error))
        raise
    for cell in found["cells"]:
        note("Next: " + ", ".join(f"{name} {value}" for name, value in cell.items()))
    store.finish_job(job, result=found)
