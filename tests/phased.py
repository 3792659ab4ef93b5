"""Runs with a source phase in common, written by hand, in a store on SQLite or PostgreSQL.

PostgreSQL is tested where CTX_TEST_POSTGRES names a database (postgresql+psycopg://…) that schemas may be made in.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import create_engine, func, make_url, select, text
from stores import lesson, stored

from ctx.phases import Ended, Point
from ctx.records import Run
from ctx.schema import metrics
from ctx.store import Store, open_store

LAST, EPOCH = 12, 6
PHASE = Ended("a source phase", LAST)
COMMON: list[Point] = [
    (0, "phase", 0.0),
    *((step, name, 1 / (step + 3 + len(name))) for name in ("loss/source", "total") for step in range(1, LAST + 1)),
    *((step, "validation/source/r2", math.nan if not step else step / 7) for step in range(0, LAST + 1, EPOCH)),
]


SERVER = os.environ.get("CTX_TEST_POSTGRES")


@pytest.fixture(params=["sqlite", *(["postgresql"] if SERVER else [])])
def store(request: pytest.FixtureRequest, home: Path) -> Iterator[Store]:
    if request.param == "sqlite" or SERVER is None:
        yield open_store()
        return
    schema, engine = f"test_{os.getpid()}_{id(request):x}", create_engine(SERVER)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    inside = make_url(SERVER).update_query_dict({"options": f"-csearch_path={schema}"})
    made = open_store(inside.render_as_string(hide_password=False))
    yield made
    made.close()
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@dataclass
class Runs:
    """Runs with the same source phase, each with a constant guess of its own labels and a target phase of its own."""

    store: Store
    points: dict[str, list[Point]] = field(default_factory=dict)

    def begin(self, constant: float = 1.0, owner: str = "local", moves_on: bool = True) -> Run:
        """A claimed run, with the points that it is to have."""
        run = self.store.add_run(lesson(), owner, again=True)
        claimed = self.store.claim("me", only=run.id)
        assert claimed is not None
        own: list[Point] = [(0, "constant/source", 0.5), (0, "constant/target", constant)]
        if moves_on:
            own += [(LAST, "phase", 1.0)]
            own += [(step, "loss/target", constant * step) for step in range(LAST + 1, LAST + 5)]
        self.points[run.id] = [*COMMON, *own]
        return claimed

    def part(self, run: Run, first: int, last: int) -> list[Point]:
        return [point for point in self.points[run.id] if first <= point[0] <= last]

    def train(self, run: Run, finish: bool = True) -> Run:
        """The run has the phase by itself."""
        assert self.store.write(run, self.part(run, 0, 3))
        assert self.store.write(run, self.part(run, 4, LAST), ended=PHASE)
        return self.go_on(run, finish)

    def take_over(self, run: Run, finish: bool = True) -> Run:
        """The run takes the phase over: all of it is written with its end."""
        assert self.store.write(run, self.part(run, 0, LAST), ended=PHASE)
        return self.go_on(run, finish)

    def go_on(self, run: Run, finish: bool) -> Run:
        assert self.store.write(run, self.part(run, LAST + 1, 99))
        if finish:
            assert self.store.finish(run, "done", {})
        return run

    def wanted(self, run: Run) -> dict[tuple[str, int], float]:
        return {(name, step): float(value or 0) for step, name, value in self.points[run.id]}

    def whole(self, *runs: Run) -> None:
        """Each reads as it should, and not a point of it twice."""
        for run in runs:
            np.testing.assert_equal(stored(self.store, run.id), self.wanted(run))

    def purge(self, *runs: Run) -> None:
        self.store.delete([run.id for run in runs])
        assert set(self.store.purge()) == {run.id for run in runs}


@pytest.fixture
def runs(store: Store) -> Runs:
    return Runs(store)


def rows(store: Store, *of: Run) -> int:
    """Rows of the metrics, of these runs or in all."""
    query = select(func.count()).select_from(metrics)
    with store.engine.connect() as connection:
        return int(
            connection.execute(query.where(metrics.c.run_id.in_([r.id for r in of])) if of else query).scalar_one()
        )
