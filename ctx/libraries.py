"""The docstrings of an installed library, as texts and summaries: its files are parsed, never imported or run.

What was found is kept under ``CTX_HOME/docstrings``, so that it is looked for once a version.
"""

from __future__ import annotations

import ast
import hashlib
import json
import warnings
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from ctx.docstring import pair, pattern
from ctx.errors import Unavailable
from ctx.home import home

MOST = 20_000_000  # bytes of source that are read, some 4 s of parsing: all of a library, or files chosen by a hash
FORMAT = 1  # raised by hand when `ctx.docstring` finds other texts
OPENING = 25  # words by which near copies of a text are found
OTHERS = {"tests", "testing", "externals", "_external", "_vendor", "array_api_compat", "array_api_extra"}


class Described(NamedTuple):
    """A documented function or class: the file it is in, its name there, what its docstring says, and in short."""

    file: str
    name: str
    text: str
    summary: str


def digest(distribution: str) -> str:
    """The library and its version; "" where it isn't installed."""
    with suppress(PackageNotFoundError):
        return f"{distribution} {installed_version(distribution)}"
    return ""


def described(distribution: str, package: str) -> list[Described]:
    """What the library's docstrings describe, by file, near copies left out. Raises Unavailable.

    ``package`` is what one imports (``sklearn`` of scikit-learn). Other projects' code inside it and tests are left
    out. Of more than 20 MB of source, files are chosen by the hash of their path.
    """
    named = digest(distribution)
    spec = find_spec(package) if named else None
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable(f"{distribution} is not installed beside ctx: pip install {distribution}.")
    place = home() / "docstrings" / f"{named.replace(' ', '-')}.{FORMAT}.json"
    with suppress(OSError, ValueError, TypeError):
        return [Described(*row) for row in json.loads(place.read_bytes())]
    found = _without_copies(sorted(_parsed(Path(spec.submodule_search_locations[0]))))
    with suppress(OSError):  # a cache: a full disk only makes it slower
        _write(place, json.dumps(found, ensure_ascii=False))
    return found


def _write(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f"{place.name}.{uuid4().hex}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)


def _parsed(root: Path) -> Iterator[Described]:
    """Every docstring that makes a pair."""
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*.py")}
    wanted = [name for name in files if not OTHERS & set(name.split("/"))]
    left = MOST
    for name in sorted(wanted, key=lambda name: hashlib.sha256(name.encode()).digest()):
        source = files[name].read_bytes()
        left -= len(source)
        if left < 0:
            return
        with suppress(SyntaxError, ValueError, RecursionError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in others' code
            for where, docstring in _docstrings(ast.parse(source), ""):
                if made := pair(docstring):
                    yield Described(name, where, *made)


def _docstrings(node: ast.AST, inside: str) -> Iterator[tuple[str, str]]:
    """The functions and classes of a module, methods too: names and docstrings."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{inside}{child.name}"
            if docstring := ast.get_docstring(child):
                yield name, docstring
            if isinstance(child, ast.ClassDef):
                yield from _docstrings(child, f"{name}.")


def _without_copies(found: list[Described]) -> list[Described]:
    """The first of what has one name, or differs in identifiers alone."""
    seen: set[str] = set()
    kept = []
    for one in found:
        marks = {f"{one.file}:{one.name}", pattern(one.summary), pattern(" ".join(one.text.split()[:OPENING]))}
        if not marks & seen:
            kept.append(one)
        seen |= marks
    return kept
