"""The queue: which run is next and for whom, what there is to do, stopping, resuming, taking back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil, log2
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, or_, select, update

from ctx.attempts import LEASE_SECONDS
from ctx.connection import Base
from ctx.errors import BadInput
from ctx.jobs import claimable as claimable_job
from ctx.leases import surely_dead
from ctx.phases import let_go
from ctx.records import WAITING, Run, as_run
from ctx.schema import jobs, metrics, runs

AHEAD = jobs.c.payload["study"].as_string()  # the study that a job is for, NULL where it is for none
HOUR, SHORT_SECONDS = 3600.0, 5.0  # work that counts; a study that has had less comes before all that have had more
MOST_CRASHES = 5  # workers that a run may lose in a row without getting any further


def claimable(now: float) -> ColumnElement[bool]:
    """Queued runs, and running ones whose worker has let the lease expire; not those that were deleted.

    Nor those of a study that is being encoded just now: what they read comes sooner so.
    """
    left = and_(runs.c.state == "running", runs.c.lease_until < now)
    encoded = select(AHEAD).where(AHEAD.is_not(None), jobs.c.kind == "encode", jobs.c.state == "running")
    free = or_(runs.c.study.is_(None), runs.c.study.not_in(encoded.where(jobs.c.lease_until >= now)))
    return and_(runs.c.deleted.is_(None), or_(runs.c.state == "queued", left), free)


def level(seconds: float) -> int:
    """How much a study has had: 0 below 5 s, then one more with each doubling (feedback queues: Corbató et al. 1962).

    Studies of a lower level go first, so that a short one doesn't wait behind a long one, whose length nobody knows.
    """
    return max(0, ceil(log2(max(seconds, 1e-9) / SHORT_SECONDS)))


@dataclass(frozen=True)
class Load:
    """What there is to do: ``groups`` counts studies (and runs in none) that wait or run, ``at_work`` those that run;
    ``waiting`` runs to claim, ``running`` live ones, ``jobs`` claimable jobs by kind; ``next`` the settings of a
    waiting run; ``ahead`` the oldest job that is to encode what a study's runs read, before any of them has begun.
    """

    groups: int
    at_work: int
    waiting: int
    running: int
    jobs: dict[str, int]
    next: dict[str, Any] | None
    ahead: str | None = None

    def anything(self) -> bool:
        """Whether anything waits for a worker."""
        return bool(self.waiting or self.jobs)


class Queue(Base):
    """Runs that wait, and who takes them."""

    def load(self) -> Load:
        """What there is to do now, for the dispatcher."""
        now = time.time()
        free = case((claimable(now), 1), else_=0)
        lives = and_(runs.c.state == "running", runs.c.lease_until >= now)
        group = func.coalesce(runs.c.study, runs.c.id)
        sums = (func.coalesce(func.sum(one), 0) for one in (free, case((lives, 1), else_=0)))
        at_work = func.count(case((lives, group)).distinct())
        counted = select(func.count(group.distinct()), at_work, *sums)
        with self._reading() as connection:
            groups, busy, waiting, running = connection.execute(counted.where(runs.c.state.in_(WAITING))).one()
            there = select(jobs.c.kind, func.count()).where(claimable_job(now))
            kinds = connection.execute(there.group_by(jobs.c.kind))
            found: dict[str, int] = {row[0]: row[1] for row in kinds}
            first = None
            if waiting:
                first = connection.execute(select(runs.c.config).where(claimable(now)).limit(1)).scalar()
            ahead = select(jobs.c.id).where(jobs.c.kind == "encode", AHEAD.is_not(None), claimable_job(now))
            job = connection.execute(ahead.order_by(jobs.c.created).limit(1)).scalar() if "encode" in found else None
        return Load(groups, busy, waiting, running, found, first, job)

    def claim(
        self,
        lease_owner: str,
        lease_seconds: float = LEASE_SECONDS,
        prefer_study: str | None = None,
        threads: int | None = None,
        only: str | None = None,
    ) -> Run | None:
        """Take the next run, or None. Points after its checkpoint are deleted in the same transaction.

        In turn for each owner (fewest running, then served longest ago), then the study that has had least (`level`),
        then ``prefer_study``, then the study that fewest work on, then the oldest. ``threads`` counts for a run that
        has none yet; ``only`` names the one to take.
        """
        now = time.time()
        with self._reading() as connection:  # an empty queue costs no write lock
            if not connection.execute(select(runs.c.id).where(claimable(now)).limit(1)).first():
                return None
        with self._writing() as connection:
            run_id = only or self._next(connection, now, prefer_study)
            run = self._take(connection, run_id, lease_owner, now, lease_seconds, threads)
            if run is not None and run.study is not None:  # its runs have begun: too late to encode ahead of them
                late = and_(jobs.c.kind == "encode", jobs.c.state == "queued", run.study == AHEAD)
                connection.execute(update(jobs).where(late).values(state="stopped", ended=now))
            return run

    def claim_beside(
        self,
        first: Run,
        lease_owner: str,
        alike: Callable[[Run], bool],
        most: int,
        lease_seconds: float = LEASE_SECONDS,
    ) -> list[Run]:
        """Take at most so many more runs of a claimed run's study that are like it, oldest first, all at once."""
        now = time.time()
        mine = and_(runs.c.owner == first.owner, runs.c.study == first.study, claimable(now))
        waiting = select(runs).where(mine).order_by(runs.c.created, runs.c.id)
        with self._reading() as connection:
            found = [as_run(row) for row in connection.execute(waiting).mappings()]
        ids = [run.id for run in found if alike(run)][:most]
        began = first.started if first.attempt == 1 and first.started else now
        with self._writing() as connection:
            taken = [self._take(connection, one, lease_owner, now, lease_seconds, first.threads, began) for one in ids]
        return [run for run in taken if run is not None]

    def _take(
        self,
        connection: Connection,
        run_id: str | None,
        holder: str,
        now: float,
        lease: float,
        threads: int | None,
        began: float | None = None,
    ) -> Run | None:
        taken = update(runs).where(runs.c.id == run_id, claimable(now))
        held = connection.execute(
            taken.values(
                crashes=runs.c.crashes + (runs.c.state == "running").cast(runs.c.crashes.type),
                state="running",
                attempt=runs.c.attempt + 1,
                lease_owner=holder,
                lease_until=now + lease,
                started=func.coalesce(runs.c.started, began or now),
                threads=func.coalesce(runs.c.threads, threads),
                ended=None,
                error=None,
            )
        )
        if held.rowcount == 0:
            return None
        safe = func.coalesce(runs.c.checkpoint_step, -1)
        let_go(connection, and_(runs.c.id == run_id, runs.c.phase_step > safe))
        after = select(safe).where(runs.c.id == run_id).scalar_subquery()
        connection.execute(delete(metrics).where(metrics.c.run_id == run_id, metrics.c.step > after))
        connection.execute(
            update(runs).where(runs.c.id == run_id).values(step=func.coalesce(runs.c.checkpoint_step, 0))
        )
        return as_run(connection.execute(select(runs).where(runs.c.id == run_id)).mappings().one())

    def _next(self, connection: Connection, now: float, prefer_study: str | None) -> str | None:
        groups = (runs.c.owner, runs.c.study)
        waiting = connection.execute(
            select(*groups, func.min(runs.c.created).label("oldest")).where(claimable(now)).group_by(*groups)
        ).all()
        if not waiting:
            return None
        active = and_(runs.c.state == "running", runs.c.lease_until >= now)
        working = connection.execute(select(*groups, func.count().label("n")).where(active).group_by(*groups)).all()
        last = select(runs.c.owner, func.max(runs.c.started)).group_by(runs.c.owner)
        mine = connection.execute(last.where(runs.c.owner.in_({row.owner for row in waiting})))
        served = {row[0]: row[1] for row in mine}
        had = self._had(connection, now)

        def turn(row: Any) -> tuple[Any, ...]:
            owned = sum(other.n for other in working if other.owner == row.owner)
            beside = sum(other.n for other in working if other.owner == row.owner and other.study == row.study)
            preferred = row.study is not None and row.study == prefer_study
            had_so_far = level(had.get((row.owner, row.study), 0.0))
            return owned, served[row.owner] or 0.0, had_so_far, not preferred, beside, row.oldest

        first = min(waiting, key=turn)
        of_group = and_(runs.c.owner == first.owner, runs.c.study.is_not_distinct_from(first.study), claimable(now))
        oldest = select(runs.c.id).where(of_group).order_by(runs.c.created, runs.c.id).limit(1)
        found = connection.execute(oldest).scalar()
        return str(found) if found else None

    def _had(self, connection: Connection, now: float) -> dict[tuple[str, str | None], float]:
        """The seconds of work that each owner's studies had in the last hour; runs that train together count once."""
        groups = (runs.c.owner, runs.c.study)
        end = case((runs.c.state == "running", now), else_=runs.c.ended)
        begin = case((runs.c.started > now - HOUR, runs.c.started), else_=now - HOUR).label("begin")
        spans = select(*groups, begin, func.max(end).label("end")).where(runs.c.started.is_not(None), end > now - HOUR)
        one = spans.group_by(*groups, begin).subquery()
        whose = (one.c.owner, one.c.study)
        found = connection.execute(select(*whose, func.sum(one.c.end - one.c.begin)).group_by(*whose))
        return {(owner, study): float(seconds) for owner, study, seconds in found}

    def request_stop(self, ids: Iterable[str]) -> None:
        """Ask runs to stop: waiting ones and those whose worker is gone now, others at their next step."""
        named = runs.c.id.in_(list(ids))
        now = time.time()
        nobodys = or_(runs.c.state == "queued", and_(runs.c.state == "running", runs.c.lease_until < now))
        stopped = {"state": "stopped", "ended": now, "error": None, "stop_requested": False, "lease_owner": None}
        with self._writing() as connection:
            connection.execute(update(runs).where(named, nobodys).values(**stopped))
            connection.execute(update(runs).where(named, runs.c.state == "running").values(stop_requested=True))
            waits = select(runs.c.study).where(runs.c.state == "queued", runs.c.study.is_not(None))
            idle = and_(AHEAD.in_(select(runs.c.study).where(named)), AHEAD.not_in(waits))
            encode = and_(jobs.c.kind == "encode", jobs.c.state.in_(WAITING), idle)
            connection.execute(update(jobs).where(encode).values(state="stopped", ended=now))

    def resume(self, run_id: str) -> None:
        """Queue a stopped or failed run again, from its checkpoint; raises BadInput for any other."""
        ended = and_(runs.c.id == run_id, runs.c.state.in_(("stopped", "failed")))
        values = {"state": "queued", "stop_requested": False, "error": None, "ended": None, "crashes": 0}
        with self._writing() as connection:
            if connection.execute(update(runs).where(ended).values(**values, deleted=None)).rowcount:
                return
            state = connection.execute(select(runs.c.state).where(runs.c.id == run_id)).scalar()
        if state is None:
            raise BadInput(f"There is no run “{run_id}” in {self.place}: `ctx list` shows what there is.")
        raise BadInput(f"Run {run_id} is {state}: only a stopped or failed run can be resumed.")

    def release(self, lease_owner: str) -> None:
        """Let the leases of a worker that has died expire now, so that what it held is taken up at once."""
        with self._writing() as connection:
            for table in (runs, jobs):
                held = and_(table.c.lease_owner == lease_owner, table.c.state == "running")
                connection.execute(update(table).where(held).values(lease_until=0.0))

    def release_dead(self) -> None:
        """Let the leases of all processes of this machine that are there no more expire now."""
        live = select(runs.c.lease_owner).where(runs.c.state == "running", runs.c.lease_until > 0)
        other = select(jobs.c.lease_owner).where(jobs.c.state == "running", jobs.c.lease_until > 0)
        with self._reading() as connection:
            holders = set(connection.execute(live.union(other)).scalars())
        for holder in filter(surely_dead, holders):
            self.release(holder)

    def position(self, ids: Iterable[str]) -> int:
        """How many other runs are running or were queued before these."""
        named = list(ids)
        first = select(func.min(runs.c.created)).where(runs.c.id.in_(named), runs.c.state == "queued").scalar_subquery()
        ahead = and_(runs.c.state.in_(WAITING), runs.c.id.not_in(named), runs.c.created < first)
        with self._reading() as connection:
            return int(connection.execute(select(func.count()).where(ahead)).scalar() or 0)
