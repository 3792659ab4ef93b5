"""What workers do with the store: claim a run, hold its lease, write its points, end it.

A run belongs to one attempt at a time. Every write of a worker starts with an UPDATE that names its attempt: when that
changes no row, another worker has taken the run over, and this one must stop at once.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ctx.connection import Base
from ctx.errors import BadInput
from ctx.records import WAITING, Run, as_run, clean, finite
from ctx.schema import jobs, metrics, outputs, runs

LEASE_SECONDS = 20.0
MOST_CRASHES = 5  # workers that a run may lose in a row without getting any further
Point = tuple[int, str, float | None]  # step, name, value


def _insert(connection: Connection) -> Any:
    """An INSERT into the metrics that may meet rows that are there; SQLite and PostgreSQL say it alike."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(metrics)


def claimable(now: float) -> ColumnElement[bool]:
    """Queued runs, and running ones whose worker has let the lease expire."""
    return or_(runs.c.state == "queued", and_(runs.c.state == "running", runs.c.lease_until < now))


@dataclass(frozen=True)
class Load:
    """What there is to do: ``groups`` counts studies (and runs in none) that wait or run, ``waiting`` runs to claim,
    ``running`` live ones, ``jobs`` claimable jobs by kind; ``next`` the settings of a waiting run.
    """

    groups: int
    waiting: int
    running: int
    jobs: dict[str, int]
    next: dict[str, Any] | None


class Queue(Base):
    """Claiming, writing and ending runs."""

    def load(self) -> Load:
        """What there is to do now, for the dispatcher."""
        now = time.time()
        free = case((claimable(now), 1), else_=0)
        group = func.coalesce(runs.c.study, runs.c.id)
        counted = select(func.count(group.distinct()), func.count(), func.coalesce(func.sum(free), 0))
        waiting_job = or_(jobs.c.state == "queued", and_(jobs.c.state == "running", jobs.c.lease_until < now))
        with self._reading() as connection:
            groups, total, waiting = connection.execute(counted.where(runs.c.state.in_(WAITING))).one()
            kinds = connection.execute(select(jobs.c.kind, func.count()).where(waiting_job).group_by(jobs.c.kind))
            found: dict[str, int] = dict(kinds.tuples().all())
            first = None
            if waiting:
                first = connection.execute(select(runs.c.config).where(claimable(now)).limit(1)).scalar()
        return Load(groups, waiting, total - waiting, found, first)

    def claim(
        self,
        lease_owner: str,
        lease_seconds: float = LEASE_SECONDS,
        prefer_study: str | None = None,
        threads: int | None = None,
        only: str | None = None,
    ) -> Run | None:
        """Take the next run, or None. Points after its checkpoint are deleted in the same transaction.

        In turn for each owner (fewest running, then served longest ago), then ``prefer_study``, then the study that
        fewest work on, then the oldest. ``threads`` counts for a run that has none yet; ``only`` names the one to take.
        """
        now = time.time()
        with self._reading() as connection:  # an empty queue costs no write lock
            if not connection.execute(select(runs.c.id).where(claimable(now)).limit(1)).first():
                return None
        with self._writing() as connection:
            run_id = only or self._next(connection, now, prefer_study)
            taken = update(runs).where(runs.c.id == run_id, claimable(now))
            held = connection.execute(
                taken.values(
                    crashes=runs.c.crashes + (runs.c.state == "running").cast(runs.c.crashes.type),
                    state="running",
                    attempt=runs.c.attempt + 1,
                    lease_owner=lease_owner,
                    lease_until=now + lease_seconds,
                    started=func.coalesce(runs.c.started, now),
                    threads=func.coalesce(runs.c.threads, threads),
                    ended=None,
                    error=None,
                )
            )
            if held.rowcount == 0:
                return None
            after = select(func.coalesce(runs.c.checkpoint_step, -1)).where(runs.c.id == run_id).scalar_subquery()
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
        served = dict(
            connection.execute(
                select(runs.c.owner, func.max(runs.c.started))
                .where(runs.c.owner.in_({row.owner for row in waiting}))
                .group_by(runs.c.owner)
            )
            .tuples()
            .all()
        )

        def turn(row: Any) -> tuple[Any, ...]:
            owned = sum(other.n for other in working if other.owner == row.owner)
            beside = sum(other.n for other in working if other.owner == row.owner and other.study == row.study)
            mine = row.study is not None and row.study == prefer_study
            return owned, served[row.owner] or 0.0, not mine, beside, row.oldest

        first = min(waiting, key=turn)
        of_group = and_(runs.c.owner == first.owner, runs.c.study.is_not_distinct_from(first.study), claimable(now))
        oldest = select(runs.c.id).where(of_group).order_by(runs.c.created, runs.c.id).limit(1)
        found = connection.execute(oldest).scalar()
        return str(found) if found else None

    def _mine(self, connection: Connection, run: Run, **values: Any) -> bool:
        """The UPDATE that every write of a worker starts with; False where the run is no longer its own."""
        mine = and_(runs.c.id == run.id, runs.c.attempt == run.attempt, runs.c.state == "running")
        return connection.execute(update(runs).where(mine).values(**values)).rowcount == 1

    def _add(self, connection: Connection, run: Run, points: Sequence[Point]) -> None:
        if points:
            rows = [{"run_id": run.id, "name": name, "step": step, "value": finite(v)} for step, name, v in points]
            add = _insert(connection)
            same = {"index_elements": ["run_id", "name", "step"], "set_": {"value": add.excluded.value}}
            connection.execute(add.on_conflict_do_update(**same), rows)  # an epoch's end is told again after a resume

    def write(
        self, run: Run, points: Sequence[Point], lease_seconds: float = LEASE_SECONDS, steps: int | None = None
    ) -> bool:
        """Add points (step, name, value) and renew the lease; False means: stop at once, the run is another's."""
        values: dict[str, Any] = {"lease_until": time.time() + lease_seconds}
        if points:
            values["step"] = max(point[0] for point in points)
        if steps is not None:
            values["steps"] = steps
        with self._writing() as connection:
            mine = self._mine(connection, run, **values)
            if mine:
                self._add(connection, run, points)
        return mine

    def renew(self, run: Run, lease_seconds: float = LEASE_SECONDS) -> bool:
        """Hold the run for longer; False where it is another's by now."""
        return self.write(run, [], lease_seconds)

    def note_run(self, run: Run, **values: Any) -> bool:
        """Set a running run's ``manifest``, or the ``error`` that didn't end it."""
        with self._writing() as connection:
            return self._mine(connection, run, **values)

    def checkpointed(self, run: Run, step: int, name: str | None = None) -> bool:
        """Record that everything up to ``step`` is safe in the checkpoint file ``name``."""
        values = {"checkpoint": name or str(step), "checkpoint_step": step, "crashes": 0, "error": None}
        with self._writing() as connection:
            return self._mine(connection, run, **values)

    def restart(self, run: Run) -> bool:
        """Forget a checkpoint that can't be read, and every point with it: the run starts over."""
        with self._writing() as connection:
            mine = self._mine(connection, run, checkpoint=None, checkpoint_step=None, step=0)
            if mine:
                connection.execute(delete(metrics).where(metrics.c.run_id == run.id))
        return mine

    def finish(
        self,
        run: Run,
        state: str,
        final: Mapping[str, Any] | None = None,
        error: str | None = None,
        outputs: Mapping[str, np.ndarray] | None = None,
        points: Sequence[Point] = (),
    ) -> bool:
        """End a run as done, stopped or failed, with its last points, in one transaction; False if it is another's."""
        values: dict[str, Any] = {"state": state, "error": error, "ended": time.time(), "lease_owner": None}
        if final is not None:
            values["final"] = clean(final)
        if state == "done":
            values |= {"checkpoint": None, "checkpoint_step": None, "crashes": 0}
        if points:
            values["step"] = max(point[0] for point in points)
        with self._writing() as connection:
            mine = self._mine(connection, run, **values, lease_until=None, stop_requested=False)
            if mine:
                self._add(connection, run, points)
                self._keep_outputs(connection, run, outputs or {})
        return mine

    def _keep_outputs(self, connection: Connection, run: Run, found: Mapping[str, np.ndarray]) -> None:
        connection.execute(delete(outputs).where(outputs.c.run_id == run.id))
        for name, array in found.items():
            data = io.BytesIO()
            np.save(data, np.asarray(array), allow_pickle=False)
            connection.execute(insert(outputs).values(run_id=run.id, name=name, data=data.getvalue()))

    def stop_requested(self, run: Run) -> bool:
        """Whether somebody asked the run to stop, or it is no longer running."""
        query = select(runs.c.stop_requested, runs.c.state).where(runs.c.id == run.id)
        with self._reading() as connection:
            found = connection.execute(query).first()
        return found is None or bool(found.stop_requested)

    def request_stop(self, ids: Iterable[str]) -> None:
        """Ask runs to stop: waiting ones stop now, running ones at their next step, with a checkpoint."""
        named = runs.c.id.in_(list(ids))
        now = time.time()
        with self._writing() as connection:
            connection.execute(
                update(runs).where(named, runs.c.state == "queued").values(state="stopped", ended=now, error=None)
            )
            connection.execute(update(runs).where(named, runs.c.state == "running").values(stop_requested=True))

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

    def release(self, lease_owner: str) -> int:
        """Let the leases of a worker that has died expire now, so that its runs are taken up at once; how many."""
        held = and_(runs.c.lease_owner == lease_owner, runs.c.state == "running")
        with self._writing() as connection:
            return int(connection.execute(update(runs).where(held).values(lease_until=0.0)).rowcount)

    def position(self, ids: Iterable[str]) -> int:
        """How many other runs are running or were queued before these."""
        named = list(ids)
        first = select(func.min(runs.c.created)).where(runs.c.id.in_(named), runs.c.state == "queued").scalar_subquery()
        ahead = and_(runs.c.state.in_(WAITING), runs.c.id.not_in(named), runs.c.created < first)
        with self._reading() as connection:
            return int(connection.execute(select(func.count()).where(ahead)).scalar() or 0)
