"""The store: runs, their curves and results, studies and jobs in one database. Pages and commands read and queue here.

`ctx.queue` hands runs out, `ctx.attempts` takes what workers write, `ctx.frames` gives tables and curves, `ctx.jobs`
and `ctx.leases` do what their names say.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, String, and_, case, cast, delete, func, insert, or_, select, update

from ctx.attempts import Attempts
from ctx.config import RunConfig, canonical, key
from ctx.database import connect
from ctx.errors import BadInput
from ctx.frames import Frames
from ctx.home import store_url
from ctx.jobs import Jobs, queued_job
from ctx.leases import Leases
from ctx.phases import let_go
from ctx.queue import Queue
from ctx.records import ENDED, WAITING, Job, Row, Run, Study, as_run, new_id
from ctx.schema import jobs, metrics, outputs, runs, studies, study_runs

__all__ = ["Job", "Run", "Store", "Study", "open_store"]
SHORTEST = 6  # characters of an id that are enough to name it
AT_ONCE = 1000  # ids in one statement


def open_store(url: str | None = None, migrate: bool = True) -> Store:
    """The store at a database URL, by default this machine's; created or migrated where needed. Raises StoreError."""
    url = url or store_url()
    return Store(url, connect(url, migrate))


class Store(Queue, Attempts, Jobs, Leases, Frames):
    """One open database. Its methods may be called from several threads; after a fork open another."""

    def add_run(self, config: RunConfig, owner: str = "local", again: bool = False, name: str = "") -> Run:
        """Queue a run, or return the one that is there (done, queued, running) for this owner unless ``again``.

        Raises BadInput or Unavailable where the configuration can't be run.
        """
        config = canonical(config)
        named = key(config)
        with self._writing() as connection:
            run_id = self._reuse_or_add(connection, config, named, owner, again, name, None, time.time())
        return self.run(run_id)

    def add_study(
        self,
        name: str,
        spec: dict[str, Any],
        rows: Sequence[tuple[str, int, RunConfig]],
        owner: str = "local",
        again: bool = False,
        ahead: bool = False,
    ) -> Study:
        """Queue runs that belong together, in the order of ``rows`` (arm, draw, configuration), all or none.

        Rows that train alike share one run, and runs that are there are used unless ``again``. ``ahead``: what frozen
        layers give for them is computed first, by a job, where no other work is at hand.
        """
        prepared = [(arm, draw, canonical(config), key(config)) for arm, draw, config in rows]
        now = time.time()
        study = Study(new_id(), owner, name, spec, now)
        with self._writing() as connection:
            connection.execute(insert(studies).values(id=study.id, owner=owner, name=name, config=spec, created=now))
            self._add_rows(connection, study, prepared, again, {})
            if ahead and prepared:
                queued_job(connection, "encode", {"study": study.id}, owner)
        return study

    def extend_study(
        self, study: Study, rows: Sequence[tuple[str, int, RunConfig]], job: Job, again: bool = False
    ) -> bool:
        """Queue more runs of a search, and the job that goes on after them; ``job``, which chose them, is done.

        All or nothing; False, and nothing, where the job is another's by now or was stopped.
        """
        prepared = [(arm, draw, canonical(config), key(config)) for arm, draw, config in rows]
        mine = and_(jobs.c.id == job.id, jobs.c.attempt == job.attempt, jobs.c.state == "running")
        there = select(runs.c.key, runs.c.id).join(study_runs, study_runs.c.run_id == runs.c.id)
        last = select(func.max(study_runs.c.position)).where(study_runs.c.study_id == study.id)
        with self._writing() as connection:
            if not connection.execute(update(jobs).where(mine).values(state="done", ended=time.time())).rowcount:
                return False
            added: dict[str, str] = {
                row.key: row.id for row in connection.execute(there.where(study_runs.c.study_id == study.id))
            }
            highest = connection.execute(last).scalar()
            self._add_rows(connection, study, prepared, again, added, 0 if highest is None else highest + 1)
            queued_job(connection, job.kind, job.payload, job.owner)
        return True

    def _add_rows(
        self,
        connection: Connection,
        study: Study,
        rows: Sequence[tuple[str, int, RunConfig, str]],
        again: bool,
        added: dict[str, str],
        first: int = 0,
    ) -> None:
        """Rows (arm, draw, configuration, its key) from a position on; ``added``: ids of the study's runs by key."""
        now = time.time()
        for position, (arm, draw, config, named) in enumerate(rows, first):
            if named not in added:
                when = now + position * 1e-5  # the queue's order is the order of the rows
                args = (config, named, study.owner, again, "", study.id, when)
                added[named] = self._reuse_or_add(connection, *args)
            connection.execute(
                insert(study_runs).values(study_id=study.id, position=position, run_id=added[named], arm=arm, draw=draw)
            )

    def _reuse_or_add(
        self,
        connection: Connection,
        config: RunConfig,
        named: str,
        owner: str,
        again: bool,
        name: str,
        study: str | None,
        when: float,
    ) -> str:
        if not again:
            usable = and_(runs.c.key == named, runs.c.owner == owner, runs.c.deleted.is_(None))
            states = and_(runs.c.state.in_((*WAITING, "done")), runs.c.stop_requested.is_(False))
            done_first = case((runs.c.state == "done", 0), else_=1)
            reusable = select(runs.c.id).where(usable, states).order_by(done_first, runs.c.created).limit(1)
            found = connection.execute(reusable).scalar()
            if found:
                return str(found)
        values: dict[str, Any] = {
            "id": new_id(),
            "key": named,
            "state": "queued",
            "owner": owner,
            "name": name,
            "note": "",
        }
        values |= {"study": study, "config": config.model_dump(mode="json"), "manifest": {}, "created": when}
        connection.execute(
            insert(runs).values(**values, attempt=0, crashes=0, stop_requested=False, step=0),
        )
        return str(values["id"])

    def run(self, run_id: str) -> Run:
        """The run of this id, or of its first characters (6 or more); raises BadInput."""
        with self._reading() as connection:
            exact = connection.execute(select(runs).where(runs.c.id == run_id)).first()
            if exact:
                return as_run(exact._mapping)
            starts = select(runs).where(runs.c.id.startswith(run_id, autoescape=True)).limit(2)
            found = connection.execute(starts).all() if len(run_id) >= SHORTEST else []
            latest = connection.execute(select(runs.c.id).order_by(runs.c.created.desc()).limit(3)).scalars().all()
        if len(found) > 1:
            raise BadInput(f"Several runs begin with “{run_id}”: give more of its characters.")
        if not found:
            known = ", ".join(latest) or "none yet"
            raise BadInput(f"There is no run “{run_id}” in {self.place}. The latest: {known}; `ctx list` shows more.")
        return as_run(found[0]._mapping)

    def runs(
        self,
        states: Iterable[str] | None = None,
        search: str = "",
        limit: int | None = 100,
        deleted: bool = False,
        ids: Iterable[str] | None = None,
        owner: str | None = None,
    ) -> list[Run]:
        """Runs, newest first. ``search``: words that all occur in its id, name, note, owner, state or settings."""
        query = select(runs).where(runs.c.deleted.is_not(None) if deleted else runs.c.deleted.is_(None))
        if states is not None:
            query = query.where(runs.c.state.in_(list(states)))
        if ids is not None:
            query = query.where(runs.c.id.in_(list(ids)))
        if owner is not None:
            query = query.where(runs.c.owner == owner)
        columns = [runs.c.id, runs.c.name, runs.c.note, runs.c.owner, runs.c.state, cast(runs.c.config, String)]
        for word in search.split():
            query = query.where(or_(*(column.icontains(word, autoescape=True) for column in columns)))
        with self._reading() as connection:
            return [
                as_run(row) for row in connection.execute(query.order_by(runs.c.created.desc()).limit(limit)).mappings()
            ]

    def study(self, study_id: str) -> Study:
        """The study of this id, or of its first characters (6 or more); raises BadInput."""
        with self._reading() as connection:
            starts = studies.c.id.startswith(study_id, autoescape=True)
            found = connection.execute(select(studies).where(starts).limit(2)).all()
        if len(study_id) < SHORTEST or len(found) != 1:
            raise BadInput(f"There is no one study “{study_id}” in {self.place}: open one of the latest, or start one.")
        return Study(**found[0]._mapping)

    def study_runs(self, study_id: str) -> list[Row]:
        """(arm, draw, run) of each of a study's rows, in order; several rows may share a run."""
        joined = select(runs, study_runs.c.arm, study_runs.c.draw).join(study_runs, study_runs.c.run_id == runs.c.id)
        query = joined.where(study_runs.c.study_id == study_id).order_by(study_runs.c.position)
        with self._reading() as connection:
            found = connection.execute(query).all()
        return [(row.arm, row.draw, as_run(row._mapping)) for row in found]

    def studies(self, owner: str | None = None, limit: int = 20) -> list[Study]:
        """The latest studies, newest first."""
        query = select(studies).order_by(studies.c.created.desc()).limit(limit)
        with self._reading() as connection:
            found = connection.execute(query if owner is None else query.where(studies.c.owner == owner)).all()
        return [Study(**row._mapping) for row in found]

    def rename(self, run_id: str, name: str | None = None, note: str | None = None) -> None:
        """Change a run's name, its note, or both."""
        values = {key: value for key, value in (("name", name), ("note", note)) if value is not None}
        if values:
            self._change([run_id], values)

    def delete(self, ids: Iterable[str]) -> None:
        """Put runs aside; waiting and running ones are stopped, and so is a search that has no others.

        `undelete` brings them back until ``ctx gc``.
        """
        ids = list(ids)
        self.request_stop(ids)
        self._change(ids, {"deleted": time.time()})
        of = select(study_runs.c.study_id).where(study_runs.c.run_id.in_(ids))
        left = (
            select(study_runs.c.study_id).join(runs, runs.c.id == study_runs.c.run_id).where(runs.c.deleted.is_(None))
        )
        with self._reading() as connection:
            gone = set(connection.execute(of).scalars()) - set(
                connection.execute(left.where(study_runs.c.study_id.in_(of))).scalars()
            )
        for study_id in gone:
            self.hold_search(study_id)

    def undelete(self, ids: Iterable[str]) -> None:
        """Bring back runs that `delete` put aside."""
        self._change(list(ids), {"deleted": None})

    def _change(self, ids: list[str], values: dict[str, Any]) -> None:
        with self._writing() as connection:
            connection.execute(update(runs).where(runs.c.id.in_(ids)).values(**values))

    def purge(self, before: float | None = None) -> list[str]:
        """Remove for good what was deleted (before a time); the ids of what went."""
        gone = and_(runs.c.deleted.is_not(None), runs.c.state.in_(ENDED))
        if before is not None:
            gone = and_(gone, runs.c.deleted < before)
        with self._writing() as connection:
            ids = list(
                connection.execute(select(runs.c.id).where(gone).order_by(runs.c.id).with_for_update()).scalars()
            )
            for at in range(0, len(ids), AT_ONCE):
                some = ids[at : at + AT_ONCE]
                going = runs.c.id.in_(some)
                let_go(connection, going)
                for table in (metrics, outputs, study_runs):
                    connection.execute(delete(table).where(table.c.run_id.in_(some)))
                connection.execute(delete(runs).where(going))
            used = select(study_runs.c.study_id)
            connection.execute(delete(studies).where(studies.c.id.not_in(used), studies.c.created < time.time() - 60))
        return ids

    def count(self) -> int:
        """How many runs there are, deleted ones aside."""
        with self._reading() as connection:
            return int(connection.execute(select(func.count()).where(runs.c.deleted.is_(None))).scalar() or 0)
