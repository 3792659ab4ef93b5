"""Own data on the Contexts page in tests: the page opened, files given, the worker's part done."""

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from ctx.config import ContextChoice, RunConfig
from ctx.hand import _take_job
from ctx.imports import stored, trial
from ctx.imports.take import About, look, take
from ctx.parts import Choice
from ctx.store import open_store
from tests.imported import REVIEWS, csv_text, written
from tests.pages import opened
from tests.test_contexts_page import shown

MANY = [(f"{text} Visit {n}.", label) for n in range(5) for text, label in REVIEWS]


@pytest.fixture(autouse=True)
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_WORKERS", "0")
    open_store().close()


def worked(app: AppTest) -> AppTest:
    """The page after a worker has done all that it asked for."""
    while _take_job(open_store(), "worker", {"take": trial.KIND, "threads": 1}):
        pass
    app.run()
    assert not app.exception
    return app


def page(**address: str) -> AppTest:
    """The page with the line opened that takes files."""
    app = opened("contexts", **address)
    app.session_state["own open 0"] = True
    return app.run()


def uploaded(*files: tuple[str, bytes | str], app: AppTest | None = None) -> AppTest:
    app = app or page()
    given = [(name, content.encode() if isinstance(content, str) else content, "") for name, content in files]
    app.file_uploader[0].set_value(given).run()
    assert not app.exception
    return worked(app)


def box(app: AppTest, label: str) -> Any:
    return next(one for one in app.selectbox if one.label == label)


def said(app: AppTest) -> str:
    """All text of the page as a person reads it."""
    return shown(app).replace("\u2060", "").replace("\\", "")


def reviews(folder: Path, **about: str) -> stored.Meta:
    meta = take(look([written(folder, "r.csv", csv_text(MANY))]), about=About(**about)).meta  # type: ignore[arg-type]
    assert meta is not None
    return meta


def run_config(target: str) -> RunConfig:
    return RunConfig(
        target=ContextChoice(id=target, size=20), schedule=Choice(name="target-only"), backbone=Choice(name="tiny")
    )
