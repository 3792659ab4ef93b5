"""What pages draw from the store: curves, stored outputs, and one row a run for comparing. pandas frames."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import ColumnElement, and_, or_, select

from ctx.connection import Base
from ctx.errors import CtxError
from ctx.parts import Choice
from ctx.phases import points_of
from ctx.records import Told
from ctx.registry import make
from ctx.schema import metrics, outputs, runs

if TYPE_CHECKING:
    import pandas as pd

SINGLE = (("backbone", "backbones"), ("schedule", "schedules"), ("tuning", "tunings"), ("balancer", "balancers"))
LISTS = (("penalties", "penalty"), ("augment", "augment"))
COUNTED = ("kept_step", "steps", "taken_over", "train_seconds")  # results that belong to no context


class Frames(Base):
    """Reading many rows at once."""

    def points(self, ids: Sequence[str], names: Iterable[str] = ()) -> pd.DataFrame:
        """Columns run, name, step, value, in that order; a missing value is NaN, a gap.

        ``names``: exact, or a prefix that ends in "/" ("validation/"); none means all.
        """
        import pandas as pd  # 0.3 s that commands without curves do without

        found = list(self._rows(ids, names, -1))
        frame = pd.DataFrame([row for _, rows in found for row in rows], columns=["name", "step", "value"])
        frame = frame.astype({"step": "int64", "value": "float64"})
        frame.insert(0, "run", pd.Series([run for run, rows in found for _ in rows], dtype="str"))
        return frame

    def series(self, ids: Sequence[str], names: Iterable[str] = (), after: int = -1) -> dict[str, Told]:
        """`points` as arrays: by run and name the steps and the values (float64 ``[N]`` each), in order of steps.

        ``after``: only later steps.
        """
        found: dict[str, Told] = {}
        for run, rows in self._rows(ids, names, after):
            told = {name: tuple(zip(*own, strict=True)) for name, own in groupby(rows, itemgetter(0))}
            found[run] = {
                name: (np.asarray(steps, dtype=float), np.asarray(values, dtype=float))
                for name, (_, steps, values) in told.items()
            }
        return found

    def _rows(self, ids: Sequence[str], names: Iterable[str], after: int) -> Iterator[tuple[str, Sequence[Any]]]:
        wanted = [_named(name) for name in names]
        conditions = ([or_(*wanted)] if wanted else []) + ([metrics.c.step > after] if after >= 0 else [])
        with self._reading() as connection:
            for run_id in dict.fromkeys(ids):
                cursor = connection.execute(points_of(run_id, *conditions)).cursor
                yield run_id, cursor.fetchall() if cursor else []  # plain tuples: a chart reads tens of thousands

    def output(self, run_id: str, name: str) -> np.ndarray | None:
        """What a run left behind beside its metrics ("test/target": logits, float32 ``[N, C]``), or None."""
        query = select(outputs.c.data).where(outputs.c.run_id == run_id, outputs.c.name == name)
        with self._reading() as connection:
            data = connection.execute(query).scalar()
        return None if data is None else np.load(io.BytesIO(data), allow_pickle=False)

    def table(self, ids: Iterable[str] | None = None) -> pd.DataFrame:
        """One row a run, newest first: id, name, state, created, its settings by dotted name, its final metrics.

        Settings at their default are filled in. A metric is named context/metric ("target/macro_f1"), the constant
        answer's "floor/target/macro_f1". What a run doesn't have is NaN.
        """
        import pandas as pd

        names = ("id", "name", "note", "state", "owner", "study", "created", "started", "ended", "config", "final")
        query = select(*(runs.c[name] for name in names)).where(runs.c.deleted.is_(None))
        if ids is not None:
            query = query.where(runs.c.id.in_(list(ids)))
        with self._reading() as connection:
            found = connection.execute(query.order_by(runs.c.created.desc())).mappings().all()
        rows = [{n: row[n] for n in names[:-2]} | flat(row["config"]) | _results(row["final"] or {}) for row in found]
        return pd.DataFrame(rows, columns=None if rows else list(names[:-2]))


def _named(name: str) -> ColumnElement[bool]:
    if not name.endswith("/"):
        return metrics.c.name == name
    return and_(metrics.c.name >= name, metrics.c.name < name[:-1] + "0")  # "0" follows "/"


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """A stored configuration as dotted names ("source.size", "schedule.lam", "optim.lr"), defaults filled in."""
    found: dict[str, Any] = {}
    contexts = [*(config.get("sources") or []), config.get("target")]
    for number, context in enumerate(contexts, 1):
        key = "target" if number == len(contexts) else "source" if number == 1 else f"source.{number}"
        if context:
            found |= _part(key, "contexts", {"name": context["id"], "knobs": context.get("knobs") or {}})
            found[f"{key}.size"] = context.get("size")
            if key != "target":
                found[f"{key}.weight"] = context.get("weight")
    for key, kind in SINGLE:
        if config.get(key):
            found |= _part(key, kind, config[key])
    for kind, key in LISTS:
        chosen = config.get(kind) or []
        found[kind] = ", ".join(choice["name"] for choice in chosen) or None
        for choice in chosen:
            knobs = _part("", kind, choice)
            found |= {f"{key}.{choice['name']}{name}": value for name, value in knobs.items() if name}
    found |= {f"optim.{name}": value for name, value in (config.get("optim") or {}).items()}
    found |= {name: config.get(name) for name in ("keep", "seed")}
    return found | {"beams": config.get("beams", 1), "half": config.get("half", False)}


def _part(key: str, kind: str, choice: Mapping[str, Any]) -> dict[str, Any]:
    knobs = _knobs(kind, choice["name"], json.dumps(choice.get("knobs") or {}, sort_keys=True))
    return {key: choice["name"]} | {f"{key}.{name}": value for name, value in knobs.items()}


@lru_cache(maxsize=4096)
def _knobs(kind: str, name: str, knobs: str) -> dict[str, Any]:
    try:
        made = make(kind, Choice(name=name, knobs=json.loads(knobs)))
    except CtxError:  # a part that is no longer there: what was stored is all there is to show
        return dict(json.loads(knobs))
    return dict(made.knobs.model_dump(mode="json"))


def _results(final: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for context, values in (final.get("metrics") or {}).items():
        found |= {f"{context}/{name}": value for name, value in (values or {}).items()}
    for context, values in (final.get("floor") or {}).items():
        found |= {f"floor/{context}/{name}": value for name, value in (values or {}).items()}
    for name in ("updates", "labels_used", "seen", "changed", "parameters"):
        found |= {f"{name}/{inner}": value for inner, value in (final.get(name) or {}).items()}
    return found | {name: final[name] for name in COUNTED if name in final}
