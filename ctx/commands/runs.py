"""Runs and studies in the store: listed, shown, their curves, compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctx.commands import results
from ctx.commands.output import Json, Value, emit, note, table, when
from ctx.errors import BadInput

if TYPE_CHECKING:
    from ctx.store import Run, Store, Study

STATES = ("queued", "running", "done", "stopped", "failed")
Id = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or its first 6 characters.")]
Ids = Annotated[list[str], typer.Argument(metavar="RUN…", help="Ids of runs or studies, or their first 6 characters.")]


def list_runs(
    search: Annotated[str, typer.Option("--search", help="Words that all occur in a run.", metavar="WORDS")] = "",
    state: Annotated[list[str] | None, typer.Option("--state", help=f"One of {', '.join(STATES)}.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="The most to list.", min=1)] = 20,
    studies: Annotated[bool, typer.Option("--studies", help="Studies instead of runs.", show_default=False)] = False,
    json: Json = False,
) -> None:
    """List the latest runs."""
    from ctx.store import open_store

    unknown = next((name for name in state or [] if name not in STATES), None)
    if unknown is not None:
        raise BadInput(f"--state is “{unknown}”: there are {', '.join(STATES)}.")
    store = open_store()
    if studies:
        found = [
            {"study": s.id, "name": s.name, "owner": s.owner, "created": s.created, **s.config}
            for s in store.studies(limit=limit)
        ]
        lines = table(
            ("study", "begun", "draws", "what"),
            [(s["study"], when(s["created"]), s.get("draws"), _about(s)) for s in found],
        )
        emit(found, lines if found else ["No study yet: `ctx study` starts one."], json)
        return
    runs = store.runs(states=state, search=search, limit=limit)
    emit([results.document(run) for run in runs], _list(runs, bool(search or state)), json)


def _list(runs: list[Run], narrowed: bool) -> list[str]:
    if not runs:
        return ["No run is like that." if narrowed else "No run yet: `ctx run` trains one."]
    rows: list[list[Value]] = []
    for run in runs:
        tested = {key: values for key, values in ((run.final or {}).get("metrics") or {}).items() if values}
        score = (tested.get("target") or {}).get(results.headline(run.settings)) if tested else None
        rows.append([run.id, when(run.created), run.state, score, run.name, results.describe(run.settings)])
    return table(("run", "begun", "state", "on target", "name", "what"), rows)


def show(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's or a study's id.")], json: Json = False
) -> int:
    """Show a run: its settings, how it stands, its results; or a study with its answer."""
    from ctx.commands.study import shown
    from ctx.repeat import command
    from ctx.store import open_store

    store = open_store()
    found = _named(store, run)
    if not isinstance(found, _run_type()):
        from ctx.commands.sweep import shown as map_shown

        return (map_shown if found.is_map else shown)(store, found, json, waiting=True)
    repeat = command(found.config)
    emit(results.document(found) | {"command": repeat}, [*results.lines(found), f"  {repeat}"], json)
    return 0


def _about(study: dict[str, Any]) -> str:
    axes = [axis["name"] for axis in (study.get("map") or {}).get("axes", ())]
    return results.describe(study.get("chosen") or {}) + (f"; a map of {' × '.join(axes)}" if axes else "")


def _run_type() -> type[Run]:
    from ctx.store import Run

    return Run


def _named(store: Store, name: str) -> Any:
    """The run or the study of an id; raises BadInput."""
    try:
        return store.run(name)
    except BadInput:
        try:
            return store.study(name)
        except BadInput:
            pass
        raise


def named_runs(store: Store, names: list[str]) -> list[Run]:
    """The runs that ids name, those of a study in its place, its baselines first; each once."""
    from ctx.study import ARMS

    found: dict[str, Run] = {}
    for name in names:
        one = _named(store, name)
        if isinstance(one, _run_type()):
            found[one.id] = one
            continue
        rows = store.study_runs(one.id)
        if not one.is_map:  # a map's arms are its cells
            rows.sort(key=lambda row: ARMS.index(row[0]))
        found |= {run.id: run for _, _, run in rows}
    return list(found.values())


def named_searches(store: Store, names: list[str]) -> list[Study]:
    """The searches among what ids name."""
    found = [_named(store, name) for name in names]
    return [one for one in found if not isinstance(one, _run_type()) and one.is_search]


def curves(
    run: Id,
    name: Annotated[
        list[str] | None, typer.Option("--name", help="A curve, or many by their beginning (“validation/”).")
    ] = None,
    json: Json = False,
) -> None:
    """Print a run's curves: CSV with name, step, value; a missing value is empty."""
    from ctx.records import finite
    from ctx.store import open_store

    store = open_store()
    found = store.run(run)
    frame = store.points([found.id], name or ())
    points: dict[str, list[list[float | None]]] = {}
    for curve, step, value in zip(frame["name"], frame["step"], frame["value"], strict=True):
        points.setdefault(str(curve), []).append([int(step), finite(value)])
    if name and not points:
        note(f"Run {found.id} has no curve named {', '.join(name)}: without --name all are printed.")
    text = frame[["name", "step", "value"]].to_csv(index=False).rstrip("\n")
    emit({"run": found.id, "state": found.state, "points": points}, [text], json)


def predict(
    run: Id,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="A sentence to judge.")],
    context: Annotated[
        str, typer.Option(metavar="CONTEXT", help="The context that it belongs to; without, the run's target.")
    ] = "",
    json: Json = False,
) -> None:
    """Let a finished run judge a sentence of your own."""
    from ctx.labels import answering
    from ctx.predict import of_run
    from ctx.store import open_store

    found = open_store().run(run)
    said, modules = of_run(found, text, context)
    whose_module = answering(modules, context or found.settings["target"]["id"])
    document = {"run": found.id, "text": text, "context": context or found.settings["target"]["id"]}
    document |= {"module": whose_module} if whose_module else {}
    more = [whose_module] if whose_module else []
    if isinstance(said, str):
        emit(document | {"answer": said}, [said, *more], json)
    else:
        emit(document | {"labels": said}, [*(f"{n} {p:.0%}" for n, p in said.items()), *more], json)


def compare(runs: Ids, json: Json = False) -> None:
    """Compare runs: the settings in which they differ and what came out, draws folded; the first is the baseline."""
    from ctx.compare import arms, differing
    from ctx.records import clean
    from ctx.results import as_table
    from ctx.results import results as found_results
    from ctx.store import open_store

    store = open_store()
    asked = named_runs(store, runs)
    named = [run for run in asked if run.deleted is None]
    gone = ", ".join(run.id for run in asked if run.deleted is not None)
    if not named:
        raise BadInput(f"These runs are deleted: `ctx undelete {gone}` brings them back.")
    if gone:
        note(f"Left out, since it is deleted: {gone}.")
    rows = store.table([run.id for run in named]).set_index("id", drop=False).loc[[run.id for run in named]]
    found = arms(rows.reset_index(drop=True))
    outcome = as_table(found_results(found, found[0]))
    unlike = differing(found)
    for run in named:
        if run.final is None:
            note(f"Run {run.id} is {run.state}: it has no results.")
    document = {
        "arms": [{"arm": arm.label, "runs": [str(one) for one in arm.runs["id"]]} for arm in found],
        "settings": {
            str(name): dict(zip([arm.label for arm in found], texts, strict=True))
            for name, *texts in unlike.itertuples()
        },
        "results": clean(outcome.astype(object).where(outcome.notna(), None).to_dict("records")),
    }
    lines = table(["setting", *(arm.label for arm in found)], [[str(n), *map(str, t)] for n, *t in unlike.itertuples()])
    columns = ("arm", "role", "metric", "draws", "mean", "spread", "floor", "delta", "delta_low", "delta_high")
    lines += ["", *table(columns, [[row.get(name) for name in columns] for row in document["results"]])]
    emit(document, lines, json)
