"""A source phase that several runs had is stored once: one of them holds its points, the others refer to that one.

``runs.phase`` names the phase (`ctx.handover`), ``phase_step`` is the update it ended with, ``phase_run`` the run whose
points before that update are this run's too; NULL: it has its own. A run's own points win. Points that others refer to
never go: whatever deletes them calls `let_go` first, after it has locked the run's row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Connection, Select, and_, exists, not_, select, union_all, update
from sqlalchemy.dialects import postgresql, sqlite

from ctx.records import Run, finite
from ctx.schema import metrics, runs

Point = tuple[int, str, float | None]  # step, name, value
NO_PHASE: dict[str, Any] = {"phase": None, "phase_step": None, "phase_run": None}


@dataclass(frozen=True)
class Ended:
    """A phase that runs may share, and the update that a run ended it with."""

    name: str
    step: int


def insertion(connection: Connection) -> Any:
    """An INSERT into the metrics that may meet rows that are there; SQLite and PostgreSQL say it alike."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(metrics)


def points_of(run_id: str, *conditions: ColumnElement[bool]) -> CompoundSelect[Any]:
    """Name, step and value of a run's points, those that it refers to among them, in that order.

    ``conditions`` are on the columns of the metrics.
    """
    own = metrics.alias()
    covered = exists().where(own.c.run_id == run_id, own.c.name == metrics.c.name, own.c.step == metrics.c.step)
    shared = and_(metrics.c.run_id == runs.c.phase_run, metrics.c.step < runs.c.phase_step)
    columns = (metrics.c.name, metrics.c.step, metrics.c.value)
    both = union_all(
        select(*columns).where(metrics.c.run_id == run_id, *conditions),
        select(*columns).join(runs, shared).where(runs.c.id == run_id, *conditions, not_(covered)),
    )
    return both.order_by("name", "step")


def settle(connection: Connection, run: Run, phase: Ended, points: Sequence[Point]) -> Sequence[Point]:
    """A run has ended a phase, and ``points`` are not written yet: those that must be.

    A run that took the phase over has written none of it. It refers to a run of the same owner that holds the phase;
    its own are the points that differ, as its constant guesses may, and those of the last update. A run that trained
    the phase has written most of it and holds it, as does one that finds nobody all of whose points are its own too.
    """
    holds = and_(runs.c.phase == phase.name, runs.c.phase_run.is_(None), runs.c.owner == run.owner)
    kept = select(runs.c.id).where(holds, runs.c.deleted.is_(None), runs.c.id != run.id)
    first = kept.order_by(runs.c.created, runs.c.id).limit(1)
    holder = connection.execute(first.with_for_update(read=True)).scalar()  # its points stay until this is written
    before = select(metrics.c.step, metrics.c.name, metrics.c.value)
    found = connection.execute(before.where(metrics.c.run_id == holder, metrics.c.step < phase.step))
    there = {(row.step, row.name): row.value for row in found}
    mine = {(step, name): finite(value) for step, name, value in points}
    if not there.keys() <= mine.keys():
        holder, there = None, {}
    values = {"phase": phase.name, "phase_step": phase.step, "phase_run": holder}
    connection.execute(update(runs).where(runs.c.id == run.id).values(values))
    return [(*at, value) for at, value in mine.items() if at not in there or there[at] != value]


def let_go(connection: Connection, going: ColumnElement[bool]) -> None:
    """The points of some runs are about to go: those that other runs refer to are given to one of these first.

    The runs ``going``, whose rows this transaction has locked, neither hold a phase nor refer to one afterwards.
    """
    holding = select(runs.c.id).where(going, runs.c.phase.is_not(None), runs.c.phase_run.is_(None))
    for holder in connection.execute(holding.order_by(runs.c.id)).scalars().all():
        referring = select(runs.c.id, runs.c.phase_step).where(runs.c.phase_run == holder, not_(going))
        heirs = connection.execute(referring.order_by(runs.c.id).with_for_update()).all()
        if heirs:
            _inherit(connection, holder, *heirs[0])
    connection.execute(update(runs).where(going, runs.c.phase.is_not(None)).values(NO_PHASE))


def _inherit(connection: Connection, holder: str, heir: str, end: int) -> None:
    """Give the holder's points before the end of the phase to an heir, to whom the others refer from now on."""
    theirs, other = metrics.alias(), runs.alias()
    same = and_(theirs.c.run_id == heir, theirs.c.name == metrics.c.name, theirs.c.step == metrics.c.step)
    held = and_(metrics.c.run_id == holder, metrics.c.step < end)
    point = (metrics.c.name, metrics.c.step, metrics.c.value)
    refers = and_(other.c.phase_run == holder, other.c.id != heir)
    # what the heir has otherwise goes to each of the others: it won't stand in what they refer to any more
    _copy(connection, select(other.c.id, *point).join(theirs, same).join(other, refers).where(held))
    _copy(connection, select(runs.c.id, *point).join(runs, runs.c.id == heir).where(held))
    connection.execute(update(runs).where(runs.c.phase_run == holder, runs.c.id != heir).values(phase_run=heir))
    connection.execute(update(runs).where(runs.c.id == heir).values(phase_run=None))


def _copy(connection: Connection, rows: Select[Any]) -> None:
    """Write points (run, name, step, value) where there are none."""
    copied = insertion(connection).from_select(["run_id", "name", "step", "value"], rows)
    connection.execute(copied.on_conflict_do_nothing())
