"""What a sweep asks for, and its runs: in an order in which a coarse map appears first and sharpens."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ctx.config import MOST_SEED, RunConfig, canonical, check
from ctx.errors import BadInput, CtxError
from ctx.i18n import t
from ctx.lab.settings import Setting, change, from_text, setting
from ctx.parts import Metric
from ctx.recipes import METHOD, RECIPES, made_by, with_recipe
from ctx.records import Study
from ctx.study import arms

MOST_RUNS, MOST_AXES, MOST_VALUES = 1000, 4, 100
MOST_CELLS = 1000  # that a search chooses among: each is checked before anything is queued
ALONE = "target-only"  # the arm of a cell's baseline


class Axis(BaseModel):
    """A setting and the values that it takes, in the order of a chart's axis."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    values: tuple[Any, ...]


class Sweep(BaseModel):
    """``base`` with every combination of the axes' values; or ``sample`` of them at random; or at most ``search`` of
    them, chosen one after the other by what those before gave (`ctx.sweeps.search`). Each ``draws`` times.

    ``baseline``: target only beside every cell, with as many target updates.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    base: RunConfig
    axes: tuple[Axis, ...]
    draws: int = Field(3, ge=1)
    sample: int | None = Field(None, ge=1)
    search: int | None = Field(None, ge=1)
    baseline: bool = False

    @property
    def size(self) -> int:
        """How many cells the whole grid has."""
        return math.prod(len(axis.values) for axis in self.axes)

    @property
    def most(self) -> int:
        """How many cells are trained at most."""
        return min(self.size, self.sample or self.search or self.size)

    @property
    def around(self) -> RunConfig:
        """The base for a headline: without a size that varies."""
        varies = any(axis.name == "target.size" for axis in self.axes)
        return change(self.base, "target.size", None) if varies else self.base

    @property
    def most_runs(self) -> int:
        """How many runs that are, with the draws and the baselines, if no two are alike."""
        return self.most * self.draws * (1 + self.baseline)

    @property
    def cells(self) -> list[dict[str, Any]]:
        """Settings by name, as a grid is read: the last axis fastest; those of a random sample in their order.

        Of a search all that it chooses among.
        """
        names, shape = [axis.name for axis in self.axes], [len(axis.values) for axis in self.axes]
        if self.sample is None or self.sample >= self.size:
            grid = itertools.product(*(axis.values for axis in self.axes))
            return [dict(zip(names, values, strict=True)) for values in grid]
        chosen = np.random.default_rng(self.base.seed).choice(self.size, self.sample, replace=False)
        places = zip(*(place.tolist() for place in np.unravel_index(np.sort(chosen), shape)), strict=True)
        return [{axis.name: axis.values[i] for axis, i in zip(self.axes, place, strict=True)} for place in places]


def checked(sweep: Sweep) -> Sweep:
    """The sweep itself; raises BadInput with the first thing that can't be, before anything is queued."""
    if sweep.base.target is None:
        raise BadInput(t("A map judges runs by the target's test split: choose a target."))
    _check_axes(sweep.axes)
    _check_part(sweep)
    count = sweep.most_runs
    if count > MOST_RUNS:
        raise BadInput(
            t(
                "That is {n} runs: a map has at most {most}. Take fewer values, fewer draws, or a random part of them.",
                n=count,
                most=MOST_RUNS,
            )
        )
    if sweep.base.seed + sweep.draws > MOST_SEED:
        raise BadInput(
            t(
                "The seed {seed} leaves no room for {n} draws: choose a smaller one.",
                seed=sweep.base.seed,
                n=sweep.draws,
            )
        )
    for cell in sweep.cells:
        configured(sweep.base, cell)
    return sweep


def _check_part(sweep: Sweep) -> None:
    if sweep.search is None:
        return
    if sweep.sample is not None:
        raise BadInput(t("A map is searched, or a random part of it is taken: leave one of the two out."))
    if sweep.size > MOST_CELLS:
        raise BadInput(
            t(
                "That is a grid of {n} cells: a search chooses among at most {most}. Take fewer values.",
                n=sweep.size,
                most=MOST_CELLS,
            )
        )


def metric(sweep: Sweep) -> Metric:
    """What cells are judged by: the task's headline metric."""
    found: Metric = sweep.base.task().metrics[0]
    return found


def stand_in(sweep: Sweep) -> Sweep:
    """A sweep whose runs are known before it begins: itself; for a search as many cells, at random."""
    return sweep.model_copy(update={"sample": sweep.search, "search": None}) if sweep.search else sweep


def _check_axes(axes: Sequence[Axis]) -> None:
    if not axes:
        raise BadInput(t("Nothing varies: give at least one setting several values, for instance λ."))
    if len(axes) > MOST_AXES:
        raise BadInput(t("{n} settings vary: a map has at most {most}.", n=len(axes), most=MOST_AXES))
    names = [axis.name for axis in axes]
    for axis in axes:
        if names.count(axis.name) > 1:
            raise BadInput(t("{name} varies twice: leave one out.", name=axis.name))
        if len(set(map(str, axis.values))) < len(axis.values):
            raise BadInput(t("{name} has a value twice: leave one out.", name=axis.name))
        if not 1 <= len(axis.values) <= MOST_VALUES:
            raise BadInput(
                t("{name} has {n} values: give 1 to {most}.", name=axis.name, n=len(axis.values), most=MOST_VALUES)
            )


def configured(base: RunConfig, cell: Mapping[str, Any]) -> RunConfig:
    """The configuration of a cell, checked; raises BadInput, which names the cell."""
    try:
        for name in sorted(cell, key=lambda name: (name != METHOD, name.count("."))):  # a part before its knobs
            method = name == METHOD
            base = with_recipe(base, RECIPES[cell[name]]) if method else change(base, name, cell[name])
        return check(base)
    except CtxError as error:
        said = ", ".join(f"{name} {value}" for name, value in cell.items())
        raise BadInput(t("The map has no run at {cell}: {why}", cell=said, why=str(error))) from None


def rows(sweep: Sweep, cells: Sequence[Mapping[str, Any]] | None = None) -> list[tuple[str, int, RunConfig]]:
    """(arm, draw, configuration) of every run, as `Store.add_study` takes them; of these ``cells`` in their order.

    Without: the whole map with one draw comes before the next draw; within a draw corners, then what lies between them.
    """
    places = [{value: i for i, value in enumerate(map(_plain, axis.values))} for axis in sweep.axes]
    planned: list[tuple[tuple[int, ...], str, int, RunConfig]] = []
    for number, cell in enumerate(sweep.cells if cells is None else cells):
        config = configured(sweep.base, cell)
        fineness = [
            0 if cells is not None else level(place[_plain(cell[axis.name])], len(axis.values))
            for axis, place in zip(sweep.axes, places, strict=True)
        ]
        for draw in range(sweep.draws):
            own = config.model_copy(update={"seed": config.seed + draw})
            order = (draw, max(fineness), sum(fineness), number)
            planned.append(((*order, 0), arm(cell), draw, canonical(own)))
            alone = arms(own).get(ALONE) if sweep.baseline else None
            if alone is not None:
                planned.append(((*order, 1), arm(cell, ALONE), draw, alone))
    return [(name, draw, config) for _, name, draw, config in sorted(planned, key=lambda row: row[0])]


def level(place: int, count: int) -> int:
    """How early a place among so many comes: 0 for both ends, 1 for the middle, and so on by halves."""
    low, high, found = 0, count - 1, 0
    while place not in (low, high):
        middle, found = (low + high) // 2, found + 1
        if place == middle:
            return found
        low, high = (low, middle) if place < middle else (middle, high)
    return found


def arm(cell: Mapping[str, Any], baseline: str = "") -> str:
    """A cell as the name of a study's arm."""
    return json.dumps({**cell, **({"": baseline} if baseline else {})}, sort_keys=True)


def cell_of(arm: str) -> tuple[dict[str, Any], str]:
    """What `arm` made: the settings, and the baseline ("" for the cell itself)."""
    found = json.loads(arm)
    return found, found.pop("", "")


def _plain(value: Any) -> str:
    return json.dumps(value)


# -- in a study


def spec(sweep: Sweep) -> dict[str, Any]:
    """What a study keeps of a sweep."""
    return {"map": sweep.model_dump(mode="json"), "chosen": sweep.base.model_dump(mode="json"), "draws": sweep.draws}


def swept(study: Study) -> Sweep | None:
    """The sweep that a study is of; None where it is none. Raises BadInput where this version can't read it."""
    if not study.is_map:
        return None
    try:
        return Sweep.model_validate(study.config["map"])
    except ValueError:
        raise BadInput(t("Map {id} was stored by another version of ctx: start a new one.", id=study.id)) from None


# -- axes as people write them


def varied(config: RunConfig, name: str) -> Setting:
    """What an axis varies: a setting, or the method, which sets several at once; raises BadInput where it isn't there.

    The method's value is that which a configuration has; "" for none of them.
    """
    if name != METHOD:
        return setting(config, name)
    return Setting(METHOD, METHOD, "choice", made_by(config), "", options=tuple(RECIPES))


def axis(config: RunConfig, name: str, text: str) -> Axis:
    """An axis from text: values with commas between, or ``low..high:n`` for n of them, spread as the knob asks.

    Raises BadInput.
    """
    one = varied(config, name)
    values: list[Any] = []
    for piece in filter(None, (piece.strip() for piece in text.split(","))):
        values += _spread(one, piece) if ".." in piece else [value(one, piece)]
    if not values:
        raise BadInput(t("{name} has no values: give some, with commas between them.", name=name))
    return Axis(name=name, values=tuple(dict.fromkeys(values)))


def value(one: Setting, text: str) -> Any:
    """One value of a setting; raises BadInput, which names it."""
    try:
        return from_text(one, text)
    except BadInput as error:
        raise BadInput(
            t("{name} is “{text}”: {why}.", name=one.name, text=text[:40], why=str(error).rstrip("."))
        ) from None


def _spread(one: Setting, text: str) -> Sequence[Any]:
    ends, _, count = text.partition(":")
    low, _, high = ends.partition("..")
    first, last = value(one, low), value(one, high)
    if one.kind not in ("whole", "number") or not (isinstance(first, (int, float)) and isinstance(last, (int, float))):
        raise BadInput(t("{name} is “{text}”: only numbers have a range.", name=one.name, text=text[:40]))
    if one.kind == "whole" and not count and 0 <= last - first < MOST_VALUES:
        return range(int(first), int(last) + 1)
    if not count.isdecimal() or len(count) > 3 or not 2 <= int(count) <= MOST_VALUES or not first < last:
        raise BadInput(
            t(
                "{name} is “{text}”: write a range as low..high:n, with n from 2 to {most} values.",
                name=one.name,
                text=text[:40],
                most=MOST_VALUES,
            )
        )
    if one.log and first <= 0:
        raise BadInput(
            t(
                "{name} is “{text}”: its values are spread by their logarithm; begin above 0 and add 0 by itself.",
                name=one.name,
                text=text[:40],
            )
        )
    found = np.geomspace(first, last, int(count)) if one.log else np.linspace(first, last, int(count))
    return [round(x) if one.kind == "whole" else float(f"{x:.3g}") for x in found.tolist()]
