"""A person's own data: imported from files, forgotten again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctx.commands.output import Json, emit, literal, note
from ctx.errors import BadInput

if TYPE_CHECKING:
    from ctx.imports.mapping import Mapping
    from ctx.imports.take import Look, Taken

COLUMNS, READING, SAID = "What the columns mean (guessed)", "How it is read (guessed)", "What it is called"
LONGEST = 100  # characters of a text in the preview


def _option(*names: str, help: str, panel: str, metavar: str = "COLUMN") -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar, show_default=False)


def import_data(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE [FILE2]", help="A file, a folder, hf:owner/name, or two parallel text files."),
    ],
    application: Annotated[
        str, _option("--application", help="sentiment, ner, translation or summarisation.", panel=COLUMNS, metavar="A")
    ] = "",
    text: Annotated[str, _option("--text", help="The text; the words for ner.", panel=COLUMNS)] = "",
    label: Annotated[str, _option("--label", help="The label; the tags for ner.", panel=COLUMNS)] = "",
    target: Annotated[str, _option("--target", help="The translation or the summary.", panel=COLUMNS)] = "",
    id: Annotated[str, _option("--id", help="What names a row.", panel=COLUMNS)] = "",
    group: Annotated[str, _option("--group", help="The document a row is from; “none”.", panel=COLUMNS)] = "",
    rename: Annotated[
        list[str] | None,
        _option("--rename", help="A label's new name; empty: left out.", panel=COLUMNS, metavar="OLD=NEW"),
    ] = None,
    format: Annotated[str, _option("--format", help="csv, json, …", panel=READING, metavar="NAME")] = "",
    encoding: Annotated[str, _option("--encoding", help="utf-8, gb18030, …", panel=READING, metavar="NAME")] = "",
    delimiter: Annotated[str, _option("--delimiter", help="What parts columns.", panel=READING, metavar="SIGN")] = "",
    header: Annotated[
        bool | None, _option("--header/--no-header", help="Has it a header?", panel=READING, metavar="")
    ] = None,
    sheet: Annotated[str, _option("--sheet", help="The sheet of a workbook.", panel=READING, metavar="NAME")] = "",
    as_id: Annotated[str, _option("--as", help="Its id, such as my-hotels.", panel=SAID, metavar="ID")] = "",
    title: Annotated[str, _option("--title", help="Its title.", panel=SAID, metavar="TEXT")] = "",
    language: Annotated[str, _option("--language", help="en, zh, …", panel=SAID, metavar="CODE")] = "",
    domain: Annotated[str, _option("--domain", help="What it is about.", panel=SAID, metavar="TEXT")] = "",
    culture: Annotated[str, _option("--culture", help="Whose texts.", panel=SAID, metavar="TEXT")] = "",
    licence: Annotated[str, _option("--licence", help="Its licence.", panel=SAID, metavar="TEXT")] = "",
    use: Annotated[int, _option("--use", help="Examples runs use at most.", panel=SAID, metavar="N")] = 8000,
    dry: Annotated[bool, typer.Option("--dry-run", help="Look and report, keep nothing.", show_default=False)] = False,
    json: Json = False,
) -> None:
    """Import a file of your own as a context: says what was understood, and what became of every row."""
    from ctx.imports.tables import Reading
    from ctx.imports.take import About, look, take

    seen = look(files, Reading(format, encoding, delimiter, header, sheet))
    given = {"application": application, "text": text, "label": label, "target": target, "id": id, "group": group}
    mapping = _corrected(seen, given, rename or [])
    about = About(as_id, title, language, domain, culture, licence, used=use)
    taken = take(seen, mapping, about, dry, _telling() if sys.stderr.isatty() else None)
    emit(_document(seen, mapping, taken), _lines(seen, mapping, taken), json)


def _corrected(seen: Look, given: dict[str, str], renames: list[str]) -> Mapping:
    """The guess with what was typed in its place; another application starts from nothing guessed."""
    from ctx.imports.mapping import Mapping

    start = seen.guess.mapping
    if given["application"] not in ("", start.application):
        start = Mapping()
    typed = {name: "" if value.casefold() == "none" else value for name, value in given.items() if value}
    pairs = [tuple(one.rpartition("=")[::2]) for one in renames]
    if wrong := next((one for one in renames if "=" not in one), None):
        raise BadInput(f"--rename is “{wrong}”: give OLD=NEW, such as pos=positive.")
    return replace(start, **typed, renames=tuple((str(old), str(new)) for old, new in pairs))


def _document(seen: Look, mapping: Mapping, taken: Taken) -> dict[str, Any]:
    return {
        "id": taken.meta.id if taken.meta else None,
        "format": seen.table.format,
        "columns": list(seen.table.columns),
        "mapping": asdict(mapping) | {"renames": dict(mapping.renames)},
        "reasons": seen.guess.reasons,
        "language": taken.meta.language if taken.meta else seen.guess.language,
        "labels": taken.labels,
        "preview": [{"id": one.id, "input": one.input, "output": one.output} for one in taken.preview],
        "report": taken.report.document(),
        "sources": list(seen.table.sources),
    }


def _lines(seen: Look, mapping: Mapping, taken: Taken) -> list[str]:
    from ctx.imports.names import brief, listed, quoted

    roles = ((role, getattr(mapping, role)) for role in ("text", "label", "target", "id", "group"))
    columns = ", ".join(f"{role}: {quoted(column)}" for role, column in roles if column)
    found = [
        f"{seen.table.name} ({seen.table.format}), columns {listed(seen.table.columns)}",
        f"{mapping.application}; {columns}",
        *(f"  guessed: {reason}" for reason in seen.guess.reasons.values()),
        "",
        *(f"  {_shown(one.input)}  →  {_shown(one.output)}" for one in taken.preview),
        "",
        taken.report.sentence(),
        *(f"  refused: {remark}" for remark in taken.report.refusals[:10]),
        *(f"  repaired: {remark}" for remark in taken.report.repairs[:10]),
        *(f"  {said}" for said in taken.report.notes),
    ]
    labels = ", ".join(f"{brief(name, 40)} ({count:,})" for name, count in list(taken.labels.items())[:10])
    found += [f"Labels: {labels}{' …' if len(taken.labels) > 10 else ''}"] if labels else []
    if taken.meta:
        found.append(f"Kept as {taken.meta.id}: `ctx run --target {taken.meta.id}` trains on it.")
    else:
        found.append("Nothing was kept (--dry-run).")
    return [literal(line) for line in found]


def _shown(given: str | tuple[str, ...]) -> str:
    text = given if isinstance(given, str) else " ".join(given)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _telling() -> Callable[[int], None]:
    """Says how far the reading is, every 100,000 rows or so."""
    said = 0

    def progress(rows: int) -> None:
        nonlocal said
        if rows - said >= 100_000:
            said = rows
            note(f"{rows:,} rows read")

    return progress


def forget(
    contexts: Annotated[list[str], typer.Argument(metavar="ID…", help="Imported contexts: sentiment/my-hotels.")],
    json: Json = False,
) -> None:
    """Delete imported data for good; runs that used it stay, and can still be read."""
    from ctx import cards
    from ctx.config import ContextChoice
    from ctx.imports.context import contexts as there
    from ctx.imports.stored import forget
    from ctx.registry import OWNER

    for context_id in there(OWNER).keys() & set(contexts):
        cards.drop(ContextChoice(id=context_id))  # it shows examples
    gone = [forget(context_id, OWNER) for context_id in contexts]
    documents = [{"id": meta.id, "examples": meta.examples} for meta in gone]
    lines = [f"{meta.id}: its {meta.examples:,} examples are deleted" for meta in gone]
    emit(documents, lines, json)
