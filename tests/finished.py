"""A home with runs that were really trained, made once a test session and copied: small, so that it takes seconds."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest

from ctx import study
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice
from ctx.parts import Choice
from ctx.store import Store, open_store

LESSON = RunConfig(
    sources=(SourceChoice(id="lesson/relative", size=100),),
    target=ContextChoice(id="lesson/base", size=20),
    backbone=Choice(name="mlp"),
    schedule=Choice(name="sequential"),
    tuning=Choice(name="full"),
    optim=Optim(epochs=2, min_updates=5),
)
SENTIMENT = RunConfig(
    sources=(SourceChoice(id="sentiment/sample-gadgets-en", size=40),),
    target=ContextChoice(id="sentiment/sample-cafes-en", size=20),
    backbone=Choice(name="tiny", knobs={"layers": 1, "width": 16}),
    tuning=Choice(name="full"),
    optim=Optim(epochs=2, min_updates=5),
)


@cache
def _trained() -> Path:
    from ctx.worker import run_here

    folder = Path(tempfile.mkdtemp(prefix="ctx-finished-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CTX_HOME", str(folder))
        patch.setenv("CTX_STORE", f"sqlite:///{folder / 'ctx.sqlite'}")
        store = open_store()
        for name, config in (("numbers", LESSON), ("sentences", SENTIMENT)):
            made = store.add_study(name, {}, study.rows(config, 2))
            for _, _, run in store.study_runs(made.id):
                assert run_here(store, run).state == "done"
        store.close()
    return folder


def finished(home: Path) -> Store:
    """The store of a test's own home with a study of numbers and a newer one of sentences: 3 arms × 2 draws each."""
    shutil.copytree(_trained(), home, dirs_exist_ok=True)
    return open_store()
