"""What is done to runs: stopped, taken up again, named, deleted and brought back, cleared away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ctx.commands import results
from ctx.commands.output import Json, emit, note
from ctx.commands.runs import Id, Ids, named_runs, named_searches
from ctx.commands.search import searched
from ctx.commands.training import Queue, here
from ctx.errors import BadInput

if TYPE_CHECKING:
    from ctx.store import Run, Store


def stop(runs: Ids, json: Json = False) -> None:
    """Stop runs: waiting ones now, running ones at their next step, with a checkpoint."""
    from ctx.store import open_store

    store = open_store()
    for search in named_searches(store, runs):
        store.hold_search(search.id)
    before = named_runs(store, runs)
    store.request_stop([run.id for run in before])
    said = {"queued": "is stopped", "running": "stops at its next step, with a checkpoint"}
    lines = [f"run {run.id} {said.get(run.state, f'was {run.state} already')}" for run in before]
    _emit(store, before, lines, json)


def resume(runs: Ids, queue: Queue = False, json: Json = False) -> int:
    """Take stopped or failed runs up again from their checkpoints, here and now; a search goes on with more."""
    from ctx.store import open_store

    store = open_store()
    named, searches = named_runs(store, runs), named_searches(store, runs)
    ended = [run for run in named if run.state in ("stopped", "failed")]
    if not ended and not searches:
        run = named[0]
        raise BadInput(f"Run {run.id} is {run.state}: only a stopped or failed run can be resumed.")
    for run in ended:
        store.resume(run.id)
    if queue:
        from ctx.dispatch import ensure

        for search in searches:
            searched(store, search, queue=True)
        ensure(store.url)
        _emit(store, ended, [f"run {run.id} is queued" for run in ended], json)
        return 0
    for number, run in enumerate(ended):
        if run.checkpoint_step:
            note(f"Run {run.id} goes on from update {run.checkpoint_step}.")
        if here(store, store.run(run.id)).state == "stopped":
            store.request_stop([other.id for other in ended[number:]])
            break
    else:
        for search in searches:
            searched(store, search, queue=False)
        ended = named_runs(store, runs) if searches else ended
    now = [store.run(run.id) for run in ended]
    _emit(store, now, [line for run in now for line in results.lines(run)], json)
    return 0 if all(run.state == "done" for run in now) else 1


def rename(
    run: Id,
    name: Annotated[str | None, typer.Option("--name", help="Its new name.", metavar="TEXT")] = None,
    note: Annotated[str | None, typer.Option("--note", help="Its new note.", metavar="TEXT")] = None,
    json: Json = False,
) -> None:
    """Change a run's name, its note, or both."""
    from ctx.store import open_store

    store = open_store()
    found = store.run(run)
    if name is None and note is None:
        raise BadInput("Nothing to change: give --name, --note, or both.")
    store.rename(found.id, name, note)
    _emit(store, [found], results.lines(store.run(found.id)), json)


def delete(runs: Ids, json: Json = False) -> None:
    """Put runs aside; `ctx undelete` brings them back until `ctx gc`."""
    from ctx.store import open_store

    store = open_store()
    named = named_runs(store, runs)
    store.delete([run.id for run in named])
    _emit(store, named, [f"run {run.id} is deleted: `ctx undelete {run.id}` brings it back" for run in named], json)


def undelete(runs: Ids, json: Json = False) -> None:
    """Bring deleted runs back."""
    from ctx.store import open_store

    store = open_store()
    named = named_runs(store, runs)
    store.undelete([run.id for run in named])
    _emit(store, named, [f"run {run.id} is back" for run in named], json)


def gc(
    keep: Annotated[
        float | None,
        typer.Option("--keep-gb", help="Gigabytes of weights to keep (CTX_KEEP_GB, 5).", metavar="NUMBER", min=0),
    ] = None,
    json: Json = False,
) -> None:
    """Make room: deleted runs go for good, then the oldest runs' weights; settings, curves and results stay.

    What can be computed again goes after 90 days without use, and beyond 500 MB (frozen layers' outputs: 2 GB).
    """
    from dataclasses import asdict

    from ctx.gc import collect
    from ctx.store import open_store

    found = collect(open_store(), keep)
    document = asdict(found)
    line = f"{found.runs} deleted runs and {found.files} files of weights are gone: {found.freed / 1e6:.1f} MB freed, "
    line += f"{found.left / 1e6:.1f} MB of weights are left."
    again = f" {found.cached / 1e6:.1f} MB that can be computed again are gone." if found.cached else ""
    emit(document, [line + again], json)


def _emit(store: Store, runs: list[Run], lines: list[str], json: bool) -> None:
    """One run's document, or a list of several."""
    documents = [results.document(store.run(run.id)) for run in runs]
    emit(documents[0] if len(documents) == 1 else documents, lines, json)
