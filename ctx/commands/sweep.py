"""A sweep: a configuration with some flags given several values, over draws; one document of all its runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctx.commands.method import check_several, expanded
from ctx.commands.output import Json, Value, emit, note, table
from ctx.commands.search import searched
from ctx.commands.study import carried_out
from ctx.commands.training import Again, Name, Owner, Queue, prepared
from ctx.config import Optim, RunConfig
from ctx.errors import BadInput, CtxError
from ctx.flags import SEVERAL, SINGLE, dashed, knob_flags
from ctx.recipes import METHOD, RECIPES, Recipe, with_recipe

if TYPE_CHECKING:
    from ctx.store import Store, Study
    from ctx.sweeps.cost import Cost
    from ctx.sweeps.plan import Sweep

Seeds = Annotated[int | None, typer.Option("--seeds", help="Draws of every cell; 3.", metavar="N", min=1)]
Sample = Annotated[
    int | None, typer.Option("--random", help="Only so many cells, chosen at random.", metavar="N", min=1)
]
Search = Annotated[
    int | None,
    typer.Option(
        "--search",
        help="At most so many cells, one chosen after the other: Optuna (TPE) goes by the validation score on the "
        "target, the mean over the draws, and never by the test split. Needs the package optuna.",
        metavar="N",
        min=1,
    ),
]
Baseline = Annotated[
    bool | None, typer.Option("--baseline", help="Target only beside every cell, with as many target updates.")
]
File = Annotated[
    Path | None,
    typer.Option("--file", help="A YAML file: flags without dashes, several values as a list.", metavar="FILE"),
]
Estimate = Annotated[
    bool, typer.Option("--estimate", help="Say what it would take, and train nothing.", show_default=False)
]

FETCHED = ("source", "backbone")  # axes whose every value may have to be fetched


def sweep(
    given: dict[str, Any],
    seeds: Seeds = None,
    sample: Sample = None,
    search: Search = None,
    baseline: Baseline = None,
    file: File = None,
    estimate: Estimate = False,
    again: Again = False,
    queue: Queue = False,
    owner: Owner = "local",
    name: Name = "",
    json: Json = False,
) -> int:
    """Train every combination of the flags that have several values (--lam 0,0.5,1 --freeze-layers 4..6)."""
    from ctx.store import open_store
    from ctx.sweeps.file import read
    from ctx.sweeps.plan import rows, spec
    from ctx.worker import learn_speed

    own: dict[str, Any] = {"seeds": 3, "random": None, "search": None, "baseline": False}
    if file is not None:
        written, said = read(file)
        given, own = written | given, own | said
    typed = {"seeds": seeds, "random": sample, "search": search, "baseline": baseline}
    if sample or search:
        own |= {"random": None, "search": None}
    own |= {name: value for name, value in typed.items() if value is not None}  # what is typed counts more
    asked = planned(given, own["seeds"], own["random"], own["search"], own["baseline"])
    store = open_store()
    runs = [] if asked.search else rows(asked)
    if not queue:  # else the dispatcher's workers do, and torch need not be loaded here
        learn_speed(store)
    takes = _cost(store, asked, runs, owner, again, queue)
    note(takes.sentence)
    if estimate:
        emit(asdict(takes), [], json)
        return 0
    keeps = spec(asked) | ({"again": again} if asked.search else {})
    study = store.add_study(name, keeps, runs, owner=owner, again=again, ahead=queue)
    carry = searched if asked.search else carried_out
    return shown(store, study, json, waiting=carry(store, study, queue, threads=1))


def planned(given: dict[str, Any], seeds: int, sample: int | None, search: int | None, baseline: bool) -> Sweep:
    """The sweep that flags ask for: those with several values are its axes. Raises BadInput, Unavailable."""
    from ctx.sweeps.plan import Sweep, axis, checked
    from ctx.sweeps.search import check_installed

    if search:
        check_installed()

    methods = _several(METHOD, given.get(METHOD))
    if methods:
        check_several(given)
    method, given = given.get(METHOD), given if methods else expanded(given)
    several = {name: text for name, typed in given.items() if (text := _several(name, typed))}
    first = dict(given)
    for name, text in several.items():
        one = text.split(",")[0].partition("..")[0].strip()
        first[name] = [one] if isinstance(given[name], list) else one
    first = _implied(first, several)
    base = prepared(first)
    axes = tuple(axis(base, _setting(name, base), text) for name, text in several.items())
    for name, value in ((one.name, value) for one in axes if one.name in FETCHED for value in one.values):
        prepared(first | {name: [value] if name == "source" else value})
    sweep = checked(Sweep(base=base, axes=axes, draws=seeds, sample=sample, search=search, baseline=baseline))
    if method and not methods:
        _check_method(sweep, RECIPES[method])
    return sweep


def _check_method(sweep: Sweep, recipe: Recipe) -> None:
    """Raise BadInput where no cell can have the method."""
    from ctx.sweeps.plan import configured

    refusal: CtxError | None = None
    for cell in sweep.cells:
        try:
            with_recipe(configured(sweep.base, cell), recipe)
        except CtxError as error:
            refusal = refusal or error
        else:
            return
    if refusal is not None:
        raise refusal


def _several(name: str, typed: Any) -> str:
    """What was typed, where it stands for several values; else ""."""
    text = typed[0] if isinstance(typed, list) and len(typed) == 1 else typed
    flag = knob_flags().get(name)
    if name in SEVERAL or name == "seed" or not isinstance(text, str) or (flag and flag.field.annotation is str):
        return ""
    return text if "," in text or ".." in text else ""


def _implied(given: dict[str, Any], several: dict[str, str]) -> dict[str, Any]:
    """With the parts whose knobs vary, where none of their kind was asked for: --freeze-layers means freeze."""
    found = dict(given)
    for option in several:
        flag = knob_flags().get(option)
        for name, kind in SINGLE.items():
            owners = [owner.part for owner in flag.owners if owner.kind == kind] if flag else []
            usual: str = getattr(RunConfig(), name).name
            if owners and name not in found and usual not in owners:
                found[name] = owners[0]
    return found


def _setting(name: str, base: RunConfig) -> str:
    """The name that settings have elsewhere of what a flag sets; raises BadInput where a map can't vary it."""
    if name.endswith("-size"):
        return name.replace("-size", ".size")
    if name in (*SINGLE, METHOD, "source", "keep", "beams", "half"):
        return name
    if name in {dashed(field) for field in Optim.model_fields}:
        return f"optim.{name.replace('-', '_')}"
    flag = knob_flags().get(name)
    if flag is None:
        raise BadInput(f"--{name} takes one value in a sweep: give it one.")
    places = {(SINGLE[one], getattr(base, one).name): one for one in SINGLE}
    places |= {
        (kind, choice.name): f"{one}.{choice.name}" for one, kind in SEVERAL.items() for choice in getattr(base, kind)
    }
    places |= {("contexts", choice.id): role for role, choice in base.contexts().items() if flag.role in ("", role)}
    for owner in flag.owners:
        if (owner.kind, owner.part) in places:
            return f"{places[owner.kind, owner.part]}.{owner.knob}"
    raise BadInput(f"{name} belongs to a part that this sweep does not use: choose the part, or leave the flag out.")


def _cost(
    store: Store, asked: Sweep, runs: list[tuple[str, int, RunConfig]], owner: str, again: bool, queue: bool
) -> Cost:
    """What it takes here, a run after the other on one thread, or queued."""
    from ctx.manifest import slots
    from ctx.sweeps.cost import cost, cost_of_search

    workers, threads = (slots(), None) if queue else (1, 1)
    finished = store.runs(["done"], limit=200)
    if asked.search:
        return cost_of_search(asked, finished, workers, threads)
    held = [] if again else [run.key for run in store.runs(["done"], owner=owner, limit=None)]
    return cost(runs, held, finished, workers, threads)


def shown(store: Store, study: Study, json: bool, waiting: bool = False) -> int:
    """Print a map: its cells' means over the draws, and with --json every run. The exit code."""
    from ctx.sweeps.found import TARGET, document, folded, frame, importance, spent
    from ctx.sweeps.plan import metric, swept
    from ctx.sweeps.search import caution, sentence, summary

    asked, rows = swept(study), store.study_runs(study.id)
    assert asked is not None
    names = [axis.name for axis in asked.axes]
    found = frame(asked, rows)
    places = {axis.name: list(map(str, axis.values)) for axis in asked.axes}
    cells = folded(found, names, TARGET).to_dict("records")
    cells.sort(key=lambda cell: [places[name].index(str(cell[name])) for name in names])
    lines = [
        f"map {study.id}: {int((found['state'] == 'done').sum())} of {len(found)} runs done; "
        f"{metric(asked).label} on the target's test split"
    ]
    values: list[list[Value]] = [
        [*(str(cell[name]) for name in names), cell["mean"], *_ends(cell), cell["n"]] for cell in cells
    ]
    lines += table([*names, "mean", "95 % from", "to", "draws"], values)
    shares = importance(found, names, TARGET)
    lines += [f"{name} by itself explains {share:.0%} of the variance" for name, share in shares.items()]
    trials = summary(store, asked, rows) if asked.search else None
    lines += [sentence(trials), *_best(trials, metric(asked).label), caution()] if trials else []
    emit(
        {
            "study": study.id,
            "metric": metric(asked).name,
            "axes": {axis.name: list(axis.values) for axis in asked.axes},
            "runs": document(asked, rows),
            "importance": shares,
            **spent(study, rows, store.study_job("encode", study.id)),
            **({"search": trials} if trials else {}),
        },
        lines,
        json,
    )
    return 0 if waiting or all(run.state == "done" for _, _, run in rows) else 1


def _best(trials: dict[str, Any], label: str) -> list[str]:
    """The line on the cell that did best on validation, if one has a score."""
    best = trials["best"]
    if best is None:
        return []
    said = ", ".join(f"{name} {value}" for name, value in best["cell"].items())
    return [f"best on validation: {said} ({label} {best['validation']:.3f})"]


def _ends(cell: Any) -> list[Value]:
    """The interval of a cell's mean, nothing where one draw has none."""
    return [cell[end] if cell[end] == cell[end] else None for end in ("low", "high")]
