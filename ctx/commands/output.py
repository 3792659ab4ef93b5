"""What commands print: a result once on standard output, as text or JSON; notes and progress on standard error."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any
from unicodedata import category, east_asian_width

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.", show_default=False)]
Value = str | int | float | None


def emit(document: Any, lines: Iterable[str], as_json: bool) -> None:
    """The result of a command: the document as JSON, or the lines. Missing numbers must be None."""
    print(written(document) if as_json else "\n".join(lines), flush=True)


def written(document: Any) -> str:
    """A document as JSON, escaped where standard output can't hold every character."""
    plain = not (sys.stdout.encoding or "").casefold().startswith("utf")
    return json.dumps(document, ensure_ascii=plain, indent=2, allow_nan=False)


def note(sentence: str) -> None:
    """A sentence beside the result."""
    print(sentence, file=sys.stderr, flush=True)


def table(header: Sequence[str], rows: Sequence[Sequence[Value]]) -> list[str]:
    """Lines of columns, numbers to the right, a missing value as "-"; texts literally, control characters left out."""
    lines = [[literal(name) for name in header]] + [[_cell(value) for value in row] for row in rows]
    widths = [max(_width(line[i]) for line in lines) for i in range(len(header))]
    right = [any(isinstance(row[i], int | float) for row in rows) for i in range(len(header))]
    return ["  ".join(map(_padded, line, widths, right)).rstrip() for line in lines]


def literal(text: str) -> str:
    """The text on one line, without characters that would steer a terminal."""
    return "".join(c if category(c)[0] != "C" else " " for c in text)


def _cell(value: Value) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else literal(str(value))


def _width(text: str) -> int:
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space


def when(seconds: float | None) -> str:
    """A time of the store's as local date and time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds else "-"


def byte_progress(what: str) -> Callable[[int, int], None]:
    """A callback for fetching: one line that fills up on a terminal, its begin and end elsewhere."""
    last = [0.0]

    def show(done: int, total: int) -> None:
        ended, moving = done >= total, sys.stderr.isatty()
        if not ended and (time.monotonic() - last[0] < 0.2 if moving else last[0]):
            return
        last[0] = time.monotonic()
        end = "\n" if ended or not moving else ""
        start = "\r" if moving else ""
        share = done / total if total else 1.0
        print(f"{start}{what}: {done / 1e6:.1f} of {total / 1e6:.1f} MB ({share:.0%})", end=end, file=sys.stderr)
        sys.stderr.flush()

    return show
