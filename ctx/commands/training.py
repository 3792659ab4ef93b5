"""Training a run: here and now, or left to the dispatcher; stopped and taken up again."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctx.commands import results
from ctx.commands.asked import build
from ctx.commands.catalogue import get
from ctx.commands.output import Json, emit, note
from ctx.config import Optim, RunConfig, canonical
from ctx.flags import dashed
from ctx.parts import Asset
from ctx.registry import part

if TYPE_CHECKING:
    from ctx.store import Run, Store

Again = Annotated[bool, typer.Option("--again", help="Train even what the store already holds.", show_default=False)]
Queue = Annotated[bool, typer.Option("--queue", help="Leave it to the dispatcher and return.", show_default=False)]
Owner = Annotated[str, typer.Option("--owner", help="Whose it is; owners take turns in the queue.", metavar="NAME")]
Name = Annotated[str, typer.Option("--name", help="A name to find it by.", metavar="TEXT", show_default=False)]


def run(
    given: dict[str, Any],
    again: Again = False,
    queue: Queue = False,
    owner: Owner = "local",
    name: Name = "",
    json: Json = False,
) -> int:
    """Train one configuration and one draw, here and now, and print its results on the test splits."""
    from ctx.store import open_store
    from ctx.worker import run_here  # noqa: F401  here, so that no dispatcher takes the run while it loads

    config = prepared(given)
    other_names(config, given)
    store = open_store()
    found = store.add_run(config, owner=owner, again=again, name=name)
    if found.state == "done":
        note(f"The store already holds this run ({found.id}): --again trains it once more.")
        return results.ended(found, json)
    if queue:
        return queued(store, found, json)
    return results.ended(here(store, found), json)


def prepared(given: dict[str, Any]) -> RunConfig:
    """The configuration that was typed, checked, and what it needs fetched. Raises BadInput, Unavailable."""
    from ctx.lab.effect import not_kept, why_off

    config, notes = build(given)
    needed = canonical(config)
    idle = {name: why_off(config, f"optim.{name}") for name in Optim.model_fields if dashed(name) in given}
    idle |= {"half": why_off(config, "half")} if given.get("half") else {}
    for sentence in notes + [f"--{dashed(name)} has no effect: {why}" for name, why in idle.items() if why]:
        note(sentence)
    if off := not_kept(config):
        note(off)
    get([asset for choice in needed.contexts().values() for asset in _assets("contexts", choice.id)])
    get(list(_assets("backbones", needed.backbone.name)))
    return config


def other_names(config: RunConfig, given: dict[str, Any]) -> None:
    """Say of a schedule or a tuning that was typed where another one trains alike and gives the run its name."""
    found = canonical(config)
    for name in ("schedule", "tuning"):
        asked, trains = getattr(config, name).name, getattr(found, name).name
        if name in given and asked != trains:
            note(f"--{name} {asked} trains what {trains} does here, and is stored under that name.")


def _assets(kind: str, name: str) -> tuple[Asset, ...]:
    found: tuple[Asset, ...] = part(kind, name).assets
    return found


def queued(store: Store, found: Run, json: bool) -> int:
    """Leave a run to the dispatcher."""
    from ctx.dispatch import ensure

    ensure(store.url)
    ahead = store.position([found.id])
    lines = [f"run {found.id} is {found.state}, {ahead} ahead of it: `ctx show {found.id}` says how it stands."]
    emit(results.document(found) | {"ahead": ahead}, lines, json)
    return 0


def quiet() -> None:
    """No bars of a library amid ours."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def here(store: Store, found: Run, watch: Callable[[Any], None] | None = None, threads: int | None = None) -> Run:
    """Train a run in this process, or wait for the process that does; Ctrl-C stops it with a checkpoint."""
    from ctx.records import ENDED
    from ctx.worker import run_here

    quiet()
    if watch is None and found.state == "running":
        note(f"Another process is training run {found.id}: waiting for it, or going on where it died.")
    elif watch is None:
        note("Preparing: the backbone is loaded, the texts are read.")
    try:
        return run_here(store, found, watch or Progress(found), threads)
    except KeyboardInterrupt:
        store.request_stop([found.id])
        note("Stopping; a second Ctrl-C leaves at once.")
        while (now := store.run(found.id)).state not in ENDED:
            time.sleep(0.1)
        return now


class Progress:
    """Says on standard error, at each epoch's end, how far a run is and how it does on validation."""

    def __init__(self, run: Run) -> None:
        self.metric = results.headline(run.settings)
        self.shown = 0.0

    def __call__(self, event: Any) -> None:
        """Take an event of the training loop."""
        if event.kind == "start":
            note(f"Training: {event.steps} updates.")
        if event.kind == "epoch":
            self._say(event, "\n")
        elif sys.stderr.isatty() and time.monotonic() - self.shown > 0.5:
            self._say(event, "")

    def _say(self, event: Any, end: str) -> None:
        self.shown = time.monotonic()
        values = {
            name.split("/")[1]: value
            for name, value in event.values.items()
            if name.startswith("validation/") and name.endswith(f"/{self.metric}")
        }
        scores = "".join(f" · {role} {self.metric} {value:.3f}" for role, value in values.items())
        start = "\r" if sys.stderr.isatty() else ""
        print(f"{start}  update {event.step} of {event.steps}{scores}", end=end, file=sys.stderr, flush=True)
