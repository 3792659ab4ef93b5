"""Opening the store's database: SQLite settings, migrations under a lock, and its faults in one sentence each.

An engine is made in the process that uses it, after any fork.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc, make_url, text

from ctx.errors import StoreError
from ctx.filelock import locked
from ctx.schema import REVISION

BUSY_SECONDS = 5.0
MIGRATIONS = Path(__file__).resolve().parent / "migrations"


class StoreBusy(StoreError):
    """Another program holds the store, or its disk is full: worth another try."""


def connect(url: str, migrate: bool = True) -> Engine:
    """The engine of an up-to-date store, created or migrated where needed; raises StoreError.

    With ``migrate`` false only an empty store is set up; an older one is left as it is, with a sentence.
    """
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        raise StoreError(
            f"“{url}” is no database URL: set CTX_STORE to something like sqlite:////home/me/ctx.sqlite."
        ) from None
    path = file_of(url)
    if path:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(str(path), error.strerror or str(error)) from None
    try:
        engine = create_engine(parsed)
    except (ImportError, exc.NoSuchModuleError):
        raise StoreError(
            f"The store {where(url)} needs a database driver that is not installed: install it, or unset CTX_STORE."
        ) from None
    if engine.dialect.name == "sqlite":
        _sqlite(engine)
    with said(url):
        found = revision(engine)
        if found != REVISION:
            _bring_up(engine, url, migrate)
    return engine


def where(url: str) -> str:
    """The store's place as a person knows it, without a password."""
    return str(file_of(url) or make_url(url).render_as_string(hide_password=True))


def file_of(url: str) -> Path | None:
    """The file of an SQLite store; None for a server or for memory."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        return None
    return Path(str(parsed.database)).absolute()


def revision(engine: Engine) -> str | None:
    """The version that the store's tables are of; None before there are any."""
    with engine.connect() as connection:
        try:
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except (exc.OperationalError, exc.ProgrammingError) as error:
            if "no such table" in str(error.orig) or "does not exist" in str(error.orig):
                return None
            raise
    return str(found) if found is not None else None


@contextlib.contextmanager
def said(url: str) -> Iterator[None]:
    """Turn what the database reports into one sentence: raises StoreError, StoreBusy where waiting may help."""
    try:
        yield
    except (exc.DBAPIError, sqlite3.Error) as error:
        if isinstance(error, exc.IntegrityError):  # not the database's fault: the caller's
            raise
        found = " ".join(str(getattr(error, "orig", None) or error).split())  # PostgreSQL's driver takes lines
        raise _sentence(where(url), found) from error


def _sentence(place: str, found: str) -> StoreError:
    if "locked" in found or "busy" in found:
        return StoreBusy(
            f"The store {place} is in use by another program that doesn't let go of it: "
            "close that program, or try again."
        )
    if "is full" in found:
        return StoreBusy(f"There is no space left to write to the store {place}: free some space, then try again.")
    if re.search("malformed|not a database|corrupt|disk I/O error", found):
        return StoreError(
            f"The store {place} is damaged ({found}): move it away, or put a backup in its place, "
            "and start again; a new one is made where there is none."
        )
    if "readonly" in found or "unable to open" in found:
        return _unwritable(place, found)
    return StoreError(f"The store {place} can't be used: {found.rstrip('.')}.")


def _unwritable(place: str, found: str) -> StoreError:
    return StoreError(
        f"The store {place} can't be written ({found}): change the folder's permissions, or point CTX_HOME elsewhere."
    )


def _sqlite(engine: Engine) -> None:
    """Explicit transactions (a writer takes the lock at once, so that no read can go stale), WAL, foreign keys."""

    @event.listens_for(engine, "connect")
    def settings(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("ctx_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _bring_up(engine: Engine, url: str, migrate: bool) -> None:
    path = file_of(url)
    with locked(path.with_name(f"{path.name}.lock")) if path else contextlib.nullcontext():
        found = revision(engine)  # another process may have been quicker
        if found == REVISION:
            return
        if found is not None and found > REVISION:
            raise StoreError(
                f"The store {where(url)} was written by a newer version of ctx (its version is {found}, this one reads "
                f"{REVISION}): update ctx, or point CTX_STORE at another store."
            )
        if found is not None and not migrate:
            raise StoreError(
                f"The store {where(url)} was written by an older version of ctx: run `ctx list` once, which keeps a "
                "backup and brings it up to date."
            )
        if found is not None and path:
            _back_up(path, path.with_name(f"{path.name}.backup-{found}"))
        _upgrade(engine)


def _back_up(path: Path, copy: Path) -> None:
    with (
        contextlib.closing(sqlite3.connect(path)) as source,
        contextlib.closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)


def _upgrade(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.connect().execution_options(ctx_writes=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(7391)"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(
                f"The store {engine.url.render_as_string()} can't be brought up to date ({error}): "
                "move it away and start again; a new one is made where there is none."
            ) from error
