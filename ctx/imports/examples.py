"""From a row to an example of an application: what makes it one, what is repaired, and why a row is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ctx.imports import limits
from ctx.imports.conll import TAG
from ctx.imports.mapping import ANSWERS, Mapping
from ctx.imports.names import counted, quoted
from ctx.imports.tables import Cell, Row

Answer = str | tuple[str, ...]
OTHER_SCHEMES = {"E": "I", "L": "I", "S": "B", "U": "B"}  # BIOES and BILOU


class Made(NamedTuple):
    """An example before it has a context: as `ctx.parts.Example`, and how its row was repaired."""

    id: str
    input: Answer
    output: Answer
    group: str
    repaired: str = ""


class RefusedError(ValueError):
    """Why a row can't become an example."""


def maker(mapping: Mapping, columns: Sequence[str]) -> Callable[[Row], Made]:
    """A function from a row to its example; it raises RefusedError with the reason."""
    places = {name: columns.index(column) for name in ("text", "id", "group") if (column := getattr(mapping, name))}
    answer = columns.index(mapping.answer)
    renames = dict(mapping.renames)

    def make(row: Row) -> Made:
        if row.refused:
            raise RefusedError(row.refused)
        text, given = row.cells[places["text"]], row.cells[answer]
        repaired = row.repaired
        taken: Answer
        said: Answer
        if mapping.application == "ner":
            taken, said, changed = _tagged(text, given, renames)
            repaired = repaired or changed
        else:
            taken = _text(text, "text")
            if mapping.application == "sentiment":
                said, changed = _label(given, renames)
                repaired = repaired or changed
            else:
                said = _text(given, ANSWERS[mapping.application])
        number = f"{row.place}:{row.number}" if row.place else str(row.number)
        name = _name(row.cells[places["id"]], "id") if "id" in places else number
        group = _name(row.cells[places["group"]], "group") if "group" in places else name
        return Made(name, taken, said, group, repaired)

    return make


def _text(cell: Cell, what: str) -> str:
    if isinstance(cell, tuple) and len(cell) > limits.MOST_WORDS:  # readers end lists there
        raise RefusedError(f"its {what} is a list of more than {limits.MOST_WORDS:,} texts")
    if (len(cell) if isinstance(cell, str) else sum(map(len, cell))) > limits.MOST_TEXT:
        raise RefusedError(f"its {what} has more than {limits.MOST_TEXT:,} characters")
    text = cell if isinstance(cell, str) else " ".join(cell)
    if not text or text.isspace():
        raise RefusedError(f"its {what} is empty")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise RefusedError(f"its {what} holds bytes or surrogates that are no character") from None
    if "\0" in text:
        raise RefusedError(f"its {what} holds a NUL character, the {text.index(chr(0)) + 1:,}th")
    return text


def _label(cell: Cell, renames: dict[str, str]) -> tuple[str, str]:
    given = _text(cell, "label")
    label = " ".join(given.split())
    if len(label) > limits.MOST_LABEL:
        raise RefusedError(f"its label has more than {limits.MOST_LABEL} characters")
    repaired = "" if label == given else "spaces around its label were left out"
    if label in renames:
        if not renames[label]:
            raise RefusedError(f"its label is {quoted(label)}, which you left out")
        label = renames[label]
    return label, repaired


def _name(cell: Cell, what: str) -> str:
    name = _text(cell, what)
    if len(name) > 2 * limits.MOST_LABEL:
        raise RefusedError(f"its {what} has more than {2 * limits.MOST_LABEL} characters")
    return name


def _tagged(text: Cell, given: Cell, renames: dict[str, str]) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    words, tags = _words(text, "text"), _words(given, "tags")
    if len(words) != len(tags):
        raise RefusedError(f"it has {counted(len(words), 'word')} and {counted(len(tags), 'tag')}")
    wrong = next((tag for tag in tags if not TAG.fullmatch(tag) or len(tag) > limits.MOST_LABEL), None)
    if wrong is not None:
        raise RefusedError(f"{quoted(wrong)} is no tag such as O, B-PER, I-PER")
    mended = bio(tags)
    changed = [(old, new) for old, new in zip(tags, mended, strict=True) if old != new]
    renamed = tuple(_renamed(tag, renames) for tag in mended) if renames else mended
    if not changed:
        return words, renamed, ""
    first = " → ".join(changed[0])
    return words, renamed, f"{counted(len(changed), 'tag')} changed so that entities begin with B, first {first}"


def _renamed(tag: str, renames: dict[str, str]) -> str:
    sign, _, kind = tag.partition("-")
    new = renames.get(kind, kind)
    return f"{sign}-{new}" if new else "O"


def _words(cell: Cell, what: str) -> tuple[str, ...]:
    _text(cell, what)
    words = tuple(cell.split()) if isinstance(cell, str) else cell
    if len(words) > limits.MOST_WORDS:
        raise RefusedError(f"it has more than {limits.MOST_WORDS:,} words")
    for word in words:
        _text(word, what)
    return words


def bio(tags: Sequence[str]) -> tuple[str, ...]:
    """Tags that begin every entity with B: an I after O or another type, and the schemes BIOES and BILOU, mended."""
    found: list[str] = []
    before = "O"
    for tag in tags:
        sign, _, kind = tag.partition("-")
        sign = OTHER_SCHEMES.get(sign, sign)
        if sign == "I" and before not in (f"B-{kind}", f"I-{kind}"):
            sign = "B"
        before = f"{sign}-{kind}" if kind else sign
        found.append(before)
    return tuple(found)
