"""What a worker writes while a run is its own: points, its lease, checkpoints, the end.

A run belongs to one attempt at a time. Every write starts with an UPDATE that names the attempt: when that changes no
row, another worker has taken the run over, and this one must stop at once.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, and_, delete, insert, select, update

from ctx.connection import Base
from ctx.phases import Ended, Point, insertion, let_go, settle
from ctx.records import Run, clean, finite
from ctx.schema import metrics, outputs, runs

LEASE_SECONDS = 20.0


class Attempts(Base):
    """Writing and ending runs."""

    def _mine(self, connection: Connection, run: Run, **values: Any) -> bool:
        """The UPDATE that every write of a worker starts with; False where the run is no longer its own."""
        mine = and_(runs.c.id == run.id, runs.c.attempt == run.attempt, runs.c.state == "running")
        return connection.execute(update(runs).where(mine).values(**values)).rowcount == 1

    def _add(self, connection: Connection, run: Run, points: Sequence[Point], ended: Ended | None) -> None:
        if ended is not None:
            points = settle(connection, run, ended, points)
        if points:
            rows = [{"run_id": run.id, "name": name, "step": step, "value": finite(v)} for step, name, v in points]
            add = insertion(connection)
            same = {"index_elements": ["run_id", "name", "step"], "set_": {"value": add.excluded.value}}
            connection.execute(add.on_conflict_do_update(**same), rows)  # an epoch's end is told again after a resume

    def write(
        self,
        run: Run,
        points: Sequence[Point],
        lease_seconds: float = LEASE_SECONDS,
        steps: int | None = None,
        ended: Ended | None = None,
    ) -> bool:
        """Add points (step, name, value) and renew the lease; False means: stop at once, the run is another's.

        ``ended``: a phase that others may share and that ends within these points.
        """
        with self._writing() as connection:
            return self._told(connection, run, points, steps, lease_seconds, ended)

    def write_all(
        self, told: Iterable[tuple[Run, Sequence[Point], int | None]], lease_seconds: float = LEASE_SECONDS
    ) -> set[str]:
        """The same of several runs, in one transaction, each with its steps in all; ids of those that are another's."""
        with self._writing() as connection:
            return {
                run.id for run, points, steps in told if not self._told(connection, run, points, steps, lease_seconds)
            }

    def _told(
        self,
        connection: Connection,
        run: Run,
        points: Sequence[Point],
        steps: int | None,
        lease_seconds: float,
        ended: Ended | None = None,
    ) -> bool:
        values: dict[str, Any] = {"lease_until": time.time() + lease_seconds}
        if points:
            values["step"] = max(point[0] for point in points)
        if steps is not None:
            values["steps"] = steps
        mine = self._mine(connection, run, **values)
        if mine:
            self._add(connection, run, points, ended)
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
                let_go(connection, runs.c.id == run.id)
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
        ended: Ended | None = None,
    ) -> bool:
        """End a run as done, stopped or failed, with its last points, in one transaction; False if it is another's.

        ``ended``: as in `write`.
        """
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
                self._add(connection, run, points, ended)
                self._keep_outputs(connection, run, outputs or {})
        return mine

    def _keep_outputs(self, connection: Connection, run: Run, found: Mapping[str, np.ndarray]) -> None:
        connection.execute(delete(outputs).where(outputs.c.run_id == run.id))
        for name, array in found.items():
            data = io.BytesIO()
            np.save(data, np.asarray(array), allow_pickle=False)
            connection.execute(insert(outputs).values(run_id=run.id, name=name, data=data.getvalue()))

    def stops_requested(self, of: Iterable[Run]) -> set[str]:
        """Those runs that somebody asked to stop, or that are there no more."""
        ids = {run.id for run in of}
        query = select(runs.c.id).where(runs.c.id.in_(ids), runs.c.stop_requested.is_(False))
        with self._reading() as connection:
            return ids - set(connection.execute(query).scalars())
