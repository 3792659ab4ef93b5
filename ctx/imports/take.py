"""The import itself: look at files and guess, then take every row in, count what became of it, keep the examples."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path

from ctx.errors import BadInput
from ctx.imports import context, limits, stored
from ctx.imports.counting import Counting
from ctx.imports.examples import Made, RefusedError, maker
from ctx.imports.formats import open_table
from ctx.imports.guess import Guess, guess
from ctx.imports.mapping import Mapping
from ctx.imports.names import shown, slug, title
from ctx.imports.report import Remark, Report
from ctx.imports.tables import Reading, Row, Table

PREVIEW = 3
EVERY = 0.5  # seconds between two reports of progress


@dataclass(frozen=True)
class Look:
    """A file as it was understood: its table, its first rows, and what they are likely to mean."""

    table: Table
    sample: list[Row]
    guess: Guess


@dataclass(frozen=True)
class About:
    """What a person says of the data; empty: guessed, or left open. ``used``: examples that runs use at most."""

    id: str = ""
    title: str = ""
    language: str = ""
    domain: str = ""
    culture: str = ""
    licence: str = ""
    owner: str = "local"
    used: int = limits.USED


@dataclass(frozen=True)
class Taken:
    """What an import gave: the report, the first examples, the counts of labels; the context, None for a dry run.

    ``before``: the context was there already, with the same examples.
    """

    report: Report
    preview: list[Made] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    meta: stored.Meta | None = None
    before: bool = False


def look(
    given: Sequence[str | Path], reading: Reading | None = None, names: Sequence[str] = (), login: bool = True
) -> Look:
    """Open files and guess what they are; reads little of them. Raises BadInput, Unavailable."""
    table = open_table(given, reading, names, login)
    sample = list(islice(table.rows(), limits.SAMPLE))
    if not sample:
        raise BadInput(f"{table.name} has no rows: choose another file.")
    return Look(table, sample, guess(table, sample))


def take(
    seen: Look,
    mapping: Mapping | None = None,
    about: About | None = None,
    dry: bool = False,
    progress: Callable[[int], None] | None = None,
    refused: Callable[[Remark], None] | None = None,
) -> Taken:
    """Read every row, and keep the examples unless ``dry``. Raises BadInput where they make no context, Unavailable.

    ``progress`` is told how many rows were read, ``refused`` every row that is not taken; the report has the first.
    """
    mapping = (mapping or seen.guess.mapping).checked(seen.table.columns)
    about = about or About()
    if about.used < limits.LEAST_TEXTS:
        raise BadInput(f"Runs would use {about.used} examples: give at least {limits.LEAST_TEXTS}.")
    if not dry:
        context.free_id(mapping.application, about.id, slug(seen.table.name), about.owner)  # said before the work
    with nullcontext() if dry else stored.drafted(mapping.application) as writer:
        report, counting = Report(), Counting(mapping)
        preview: list[Made] = []
        said = time.monotonic()
        make = maker(mapping, seen.table.columns)
        for number, row in enumerate(seen.table.rows(), 1):
            made = _one(row, make, counting, report, refused)
            if made:
                rank = counting.rank(made)
                if writer:
                    writer.add(made, rank)
                if len(preview) < PREVIEW:
                    preview.append(made)
            if progress and time.monotonic() - said > EVERY:
                said = time.monotonic()
                progress(number)
        report.notes += [*seen.table.notes, *counting.checked(report)]
        about = replace(about, used=counting.used(about.used))
        if counting.texts > about.used:
            report.notes.append(f"Runs use {about.used:,} of the examples, chosen by a hash of their ids.")
        meta, before = _kept(writer, seen, mapping, about, report, counting) if writer else (None, False)
    return Taken(report, preview, dict(sorted(counting.labels.items(), key=lambda item: -item[1])), meta, before)


def _one(
    row: Row,
    make: Callable[[Row], Made],
    counting: Counting,
    report: Report,
    refused: Callable[[Remark], None] | None,
) -> Made | None:
    """The example of a row, counted; None where it is refused."""
    try:
        made = make(row)
        counting.add(made)
    except RefusedError as error:
        remark = Remark(row.number, str(error), row.place)
        report.refuse(remark)
        if refused:
            refused(remark)
        return None
    if made.repaired:
        report.repair(Remark(row.number, made.repaired, row.place))
    else:
        report.accept()
    return made


def _kept(
    writer: stored.Writer, seen: Look, mapping: Mapping, about: About, report: Report, counting: Counting
) -> tuple[stored.Meta, bool]:
    """What is kept, and whether it was there before."""
    content, file = writer.finish()
    called = shown(about.title)[:80] if about.title.strip() else title(seen.table.name)
    same = _same(content, about, mapping, called)
    if same:
        report.notes.append(f"It was there already, as {same.id}.")
        return same, True
    meta = stored.Meta(
        id=context.free_id(mapping.application, about.id, slug(seen.table.name), about.owner),
        application=mapping.application,
        title=called,
        owner=about.owner,
        language=about.language or seen.guess.language,
        domain=about.domain,
        culture=about.culture,
        licence=about.licence,
        created=time.time(),
        sources=list(seen.table.sources) or [{"name": seen.table.name, "sha256": "", "bytes": 0}],
        format=seen.table.format,
        mapping=asdict(mapping),
        labels=counting.label_space(),
        counts=dict(counting.labels),
        report=report.document(),
        examples=report.accepted + report.repaired,
        used=about.used,
        content=content,
        file=file,
    )
    while True:
        try:
            return stored.keep(writer, meta), False
        except FileExistsError:  # another process was quicker: the next number, or its refusal
            renamed = context.free_id(mapping.application, about.id, slug(seen.table.name), about.owner)
            meta = meta.model_copy(update={"id": renamed})


def _same(content: str, about: About, mapping: Mapping, called: str) -> stored.Meta | None:
    """The same examples imported before by the same person, where nothing else is said of them now."""
    if about.id:
        return None
    for cls in context.contexts(about.owner).values():
        meta = cls.meta
        alike = (content, mapping.application, about.owner, about.used)
        said = [(name, getattr(about, name)) for name in ("language", "domain", "culture", "licence")]
        said += [("title", called)] if about.title.strip() else []
        same = all(not value or value == getattr(meta, name) for name, value in said)
        if same and (meta.content, meta.application, meta.owner, meta.used) == alike:
            return meta
    return None
