"""What a worker does with an upload: looks at it, tries every row, or takes them in as a context."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ctx.errors import BadInput
from ctx.imports import findings, hub, names, uploads
from ctx.imports import mapping as mapped
from ctx.imports.findings import ROLES, Meaning, Seen, Tried
from ctx.imports.report import Remark
from ctx.imports.tables import Cell, Reading, Row, apart
from ctx.imports.take import About, Look, Taken, look, take

KIND = "import"
FIRST_ROWS, LONGEST = 5, 300  # rows of the preview; characters of a cell
TRIED_ROWS, TRIED_SECONDS = 20_000, 60.0  # of a data set of the hub
MOST_REFUSALS = 200_000  # of a file of refusals: about 15 MB


def payload(token: str, reading: Reading, meaning: Meaning | None = None, about: About | None = None) -> dict[str, Any]:
    """What a job is told. Without ``meaning`` the guess is tried; with ``about`` the rows are taken in."""
    return {
        "upload": token,
        "reading": asdict(reading),
        "meaning": meaning.model_dump() if meaning else None,
        "about": asdict(about) if about else None,
    }


def of_job(told: Mapping[str, Any], progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Do what `payload` says; the id of the context, if one was made. Raises BadInput, Unavailable.

    ``progress(rows, 0)`` counts the rows read. It ends soon after the upload is gone: somebody chose other files.
    The upload stays until `settle`, so that a job whose worker died can be done once more.
    """
    token, reading = str(told["upload"]), Reading(**told["reading"])
    given, called = uploads.files(token)
    about = About(**told["about"]) if told["about"] else None
    meaning = Meaning.model_validate(told["meaning"]) if told["meaning"] else None
    try:
        found = look(given, reading, called, login=False)  # whoever opens the pages must not use the server's
    except BadInput as error:
        if about:
            raise
        findings.keep_seen(token, reading, Seen(error=_clean(str(error))))
        return {}

    def going(rows: int) -> None:
        uploads.touch(token)
        progress(rows, 0)

    if about and meaning:
        return _added(take(found, _mapping(found, meaning), about, progress=going))
    understood = _seen(found)
    findings.keep_seen(token, reading, understood)
    meaning = meaning or understood.guess
    if meaning.whole:
        listing = findings.listing(token, reading, meaning)
        tried = _tried(found, meaning, listing, going)
        findings.keep_tried(token, reading, meaning, tried)
    return {}


def settle(told: Mapping[str, Any]) -> None:
    """Once a job is done: the upload that was taken in goes."""
    if told["about"]:
        uploads.drop(str(told["upload"]))


def _added(taken: Taken) -> dict[str, Any]:
    if taken.meta is None:
        return {}
    return {"id": taken.meta.id, "examples": taken.meta.examples, "before": taken.before}


def _mapping(found: Look, meaning: Meaning) -> mapped.Mapping:
    columns = found.table.columns
    numbers = {role: getattr(meaning, role) for role in ROLES}
    named = {role: columns[n] for role, n in numbers.items() if n is not None and 0 <= n < len(columns)}
    return mapped.Mapping(meaning.application, **named)


def _seen(found: Look) -> Seen:
    table, guess = found.table, found.guess
    numbers = {role: table.columns.index(name) for role in ROLES if (name := getattr(guess.mapping, role))}
    rows = [row for row in found.sample if not row.refused][:FIRST_ROWS]
    return Seen(
        name=names.brief(table.name, 160),
        title=names.title(table.name),
        format=table.format,
        columns=list(apart([names.brief(column, 60) or f"column {n}" for n, column in enumerate(table.columns, 1)])),
        notes=[_clean(note) for note in table.notes],
        rows=[_shown(row) for row in rows],
        guess=Meaning(application=guess.mapping.application, **numbers),
        reasons=guess.reasons,
        language=guess.language,
    )


def _tried(found: Look, meaning: Meaning, listing: Path, progress: Callable[[int], None]) -> Tried:
    part, said = _part(found)
    with _listing(listing) as (refuse, count):
        try:
            taken = take(part, _mapping(found, meaning), dry=True, progress=progress, refused=refuse)
        except BadInput as error:
            if not listing.parent.exists():
                raise  # it was left meanwhile
            return Tried(error=_clean(" ".join([str(error), *said])), listed=count())
        taken.report.notes += said
        return _counted(taken, count())


def _part(found: Look) -> tuple[Look, list[str]]:
    """What is tried of the hub's data, which may come slowly and never end; a list that says later where it ended."""
    said: list[str] = []
    if found.table.format != hub.FORMAT:
        return found, said

    def read() -> Iterator[Row]:
        end = time.monotonic() + TRIED_SECONDS
        for count, row in enumerate(found.table.read()):
            if count == TRIED_ROWS or time.monotonic() > end:
                said.append(f"Only the first {count:,} rows were tried.")
                return
            yield row

    return replace(found, table=replace(found.table, read=read)), said


def _counted(taken: Taken, listed: int) -> Tried:
    report = taken.report
    return Tried(
        **{name: getattr(report, name) for name in ("rows", "accepted", "repaired", "refused")},
        refusals=[_clean(str(one)) for one in report.refusals],
        repairs=[_clean(str(one)) for one in report.repairs],
        notes=[_clean(one) for one in report.notes],
        labels={_clean(label): count for label, count in taken.labels.items()},
        examples=[(_text(one.input), _text(one.output)) for one in taken.preview],
        listed=listed,
    )


@contextmanager
def _listing(path: Path) -> Iterator[tuple[Callable[[Remark], None], Callable[[], int]]]:
    """A file of refusals: a function that adds one, and one that counts them."""
    count = 0
    with path.open("w", encoding="utf-8-sig", errors="replace", newline="") as file:
        write = csv.writer(file)
        write.writerow(["file", "row", "reason"])

        def refuse(one: Remark) -> None:
            nonlocal count
            if count < MOST_REFUSALS:
                count += 1
                write.writerow([_harmless(one.file), one.row, _harmless(one.reason)])

        yield refuse, lambda: count


def _harmless(text: str) -> str:
    """No formula for a program that opens the file."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _shown(row: Row) -> list[str]:
    return [_text(cell) for cell in row.cells]


def _text(cell: Cell) -> str:
    start = cell[: LONGEST + 1] if isinstance(cell, str) else " ".join(word[:LONGEST] for word in cell[:LONGEST])
    return _clean(start if len(start) <= LONGEST else f"{start[:LONGEST]}…")


def _clean(text: str) -> str:
    """Text that every encoder takes: halves of surrogate pairs are replaced."""
    return text.encode("utf-8", "replace").decode()
