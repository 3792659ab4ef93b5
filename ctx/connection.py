"""What the store's methods share: a reading and a writing transaction, with faults said in a sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sqlalchemy import Connection, Engine

from ctx.database import said, where


class Base:
    """A database URL and its engine."""

    def __init__(self, url: str, engine: Engine) -> None:
        self.url = url
        self.engine = engine
        self.place = where(url)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        with said(self.url), self.engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Connection]:
        """One transaction, committed at its end; in SQLite it takes the write lock before anything is read."""
        with (
            said(self.url),
            self.engine.connect().execution_options(ctx_writes=True) as connection,
            connection.begin(),
        ):
            yield connection

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()
