"""Studies queued as the Lab's button queues them, without a page."""

import os
import time
from collections.abc import Callable
from unittest.mock import patch

from ctx import assets
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice
from ctx.dispatch import ensure
from ctx.lab.data import archives, needed
from ctx.lab.history import about
from ctx.lab.link import spec
from ctx.parts import Choice
from ctx.study import rows
from tests.served import Served

SLOW = RunConfig(  # a draw takes some seconds
    sources=(SourceChoice(id="sentiment/sample-gadgets-en"),),
    target=ContextChoice(id="sentiment/sample-cafes-en", size=20),
    backbone=Choice(name="tiny"),
    tuning=Choice(name="full"),
    optim=Optim(epochs=3),
)


def study(
    server: Served, config: RunConfig, draws: int, wait: bool = True, guess: str | None = None, seconds: float = 120
) -> str:
    """Queue a study on a server's store, and wait until all its runs are done; its id."""
    with patch.dict(os.environ, server.environment):
        if wait:
            fetch(config)
        store = server.store()
        made = store.add_study(about(config), spec(config, draws, guess), rows(config, draws))
        ensure(server.store_url)
    if wait:
        wait_for(lambda: {run.state for _, _, run in store.study_runs(made.id)} == {"done"}, "all runs done", seconds)
    return made.id


def fetch(config: RunConfig) -> None:
    """Have what the configuration needs; raises Unavailable."""
    for asset in archives(needed(config)):
        assets.fetch(asset)


def wait_for(found: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Wait until the store says so."""
    patience = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < patience, f"waited {seconds:g} s for: {what}"
        time.sleep(0.1)
