"""Jobs in the store: work that is no run, followed by its row, such as to fetch, to judge a text, to preview."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, exists, insert, or_, select, update

from ctx.connection import Base
from ctx.errors import BadInput
from ctx.records import UNFINISHED, WAITING, Job, as_job, clean, new_id
from ctx.schema import jobs, runs, study_runs

KINDS = ("fetch", "encode", "predict", "describe", "preview", "import", "search")
LEASE_SECONDS = 20.0
MOST_ATTEMPTS = 3


def claimable(now: float) -> ColumnElement[bool]:
    """Queued jobs, and running ones whose worker has died; a search once no run of its study waits, runs or is paused.

    So a search that was queued once goes on by itself whoever ends its runs, and whatever was killed in between.
    """
    free = or_(jobs.c.state == "queued", and_(jobs.c.state == "running", jobs.c.lease_until < now))
    own = and_(study_runs.c.study_id == jobs.c.payload["study"].as_string(), study_runs.c.run_id == runs.c.id)
    unfinished = exists().where(own, runs.c.state.in_(UNFINISHED), runs.c.deleted.is_(None))
    return and_(free, or_(jobs.c.kind != "search", ~unfinished))


class Jobs(Base):
    """Adding, following, claiming and ending jobs."""

    def add_job(self, kind: str, payload: dict[str, Any], owner: str = "local") -> Job:
        """Queue a job, or return the same one that is waiting or at work."""
        if kind not in KINDS:
            raise BadInput(f"There is no kind of job called “{kind}”. There are: {', '.join(KINDS)}.")
        payload = clean(payload)
        with self._writing() as connection:
            alike = select(jobs).where(jobs.c.kind == kind, jobs.c.state.in_(WAITING))
            for row in connection.execute(alike).mappings():
                if row["payload"] == payload:
                    return as_job(row)
            return _one(connection, queued_job(connection, kind, payload, owner))

    def job(self, job_id: str) -> Job:
        """The job of this id; raises BadInput."""
        with self._reading() as connection:
            return _one(connection, job_id)

    def jobs(self, states: Iterable[str] | None = WAITING, kind: str | None = None, limit: int = 50) -> list[Job]:
        """Jobs, newest first; by default those waiting or at work."""
        query = select(jobs).order_by(jobs.c.created.desc()).limit(limit)
        if states is not None:
            query = query.where(jobs.c.state.in_(list(states)))
        if kind is not None:
            query = query.where(jobs.c.kind == kind)
        with self._reading() as connection:
            return [as_job(row) for row in connection.execute(query).mappings()]

    def latest_job(self, kind: str, payload: dict[str, Any]) -> Job | None:
        """The latest job of a kind that was told this, whatever became of it."""
        wanted = clean(payload)
        return next((job for job in self.jobs(states=None, kind=kind) if job.payload == wanted), None)

    def search_job(self, study_id: str) -> Job | None:
        """The latest job that chooses a search's next cells: it waits or is at work as long as the search goes on."""
        return self.study_job("search", study_id)

    def study_job(self, kind: str, study_id: str) -> Job | None:
        """A study's latest job of a kind, first of those that wait or are at work."""
        own = and_(jobs.c.kind == kind, jobs.c.payload["study"].as_string() == study_id)
        waiting_first = case((jobs.c.state.in_(WAITING), 0), else_=1)
        with self._reading() as connection:
            query = select(jobs).where(own).order_by(waiting_first, jobs.c.created.desc()).limit(1)
            row = connection.execute(query).mappings().first()
        return as_job(row) if row is not None else None

    def hold_search(self, study_id: str) -> None:
        """Choose no more cells for a search, not even those that are being chosen just now."""
        own = and_(jobs.c.kind == "search", jobs.c.payload["study"].as_string() == study_id)
        with self._writing() as connection:
            held = update(jobs).where(own, jobs.c.state.in_(WAITING))
            connection.execute(held.values(state="stopped", ended=time.time()))

    def claim_job(
        self,
        lease_owner: str,
        kinds: Iterable[str],
        lease_seconds: float = LEASE_SECONDS,
        only: str | None = None,
    ) -> Job | None:
        """Take the oldest waiting job of these kinds, or one whose worker has died; None where there is none.

        ``only`` names the one to take.
        """
        now = time.time()
        free = and_(claimable(now), jobs.c.id == only) if only else claimable(now)
        oldest = select(jobs.c.id).where(free, jobs.c.kind.in_(list(kinds))).order_by(jobs.c.created).limit(1)
        with self._reading() as connection:
            if not connection.execute(oldest).first():
                return None
        values = {"state": "running", "lease_owner": lease_owner, "lease_until": now + lease_seconds}
        with self._writing() as connection:
            job_id = connection.execute(oldest).scalar()
            taken = update(jobs).where(jobs.c.id == job_id, free).values(attempt=jobs.c.attempt + 1, **values)
            return _one(connection, str(job_id)) if connection.execute(taken).rowcount else None

    def report(self, job: Job, progress: str = "", done: float | None = None, total: float | None = None) -> bool:
        """Say how far a job is, and hold it for longer; False where it is another's by now."""
        values = {"progress": progress, "done": done, "total": total, "lease_until": time.time() + LEASE_SECONDS}
        return self._change_job(job, values)

    def finish_job(self, job: Job, error: str | None = None, result: dict[str, Any] | None = None) -> bool:
        """End a job: done, with what it found, or failed with a sentence."""
        state = "failed" if error else "done"
        return self._change_job(job, {"state": state, "error": error, "result": result, "ended": time.time()})

    def _change_job(self, job: Job, values: dict[str, Any]) -> bool:
        mine = and_(jobs.c.id == job.id, jobs.c.attempt == job.attempt, jobs.c.state == "running")
        with self._writing() as connection:
            return connection.execute(update(jobs).where(mine).values(**values)).rowcount == 1


def queued_job(connection: Connection, kind: str, payload: dict[str, Any], owner: str) -> str:
    """Queue a job; its id."""
    values = {"id": new_id(), "kind": kind, "payload": payload, "owner": owner, "state": "queued"}
    connection.execute(insert(jobs).values(**values, progress="", attempt=0, created=time.time()))
    return str(values["id"])


def _one(connection: Connection, job_id: str) -> Job:
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).mappings().first()
    if row is None:
        raise BadInput(f"There is no job “{job_id}” in this store: it may be of another one; queue it again.")
    return as_job(row)
