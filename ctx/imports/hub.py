"""A data set of the Hugging Face hub, ``hf:owner/name``, through the optional package `datasets`: its training split.

No code of the data set's is run: versions of `datasets` that could are refused.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ctx.errors import BadInput, Unavailable
from ctx.hub import PREFIX, offline
from ctx.imports.names import brief, quoted
from ctx.imports.tables import Row, Table, cell, flat, header

FORMAT = "Hugging Face data set"
NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")  # some data sets have no owner


def table(given: str, login: bool = True) -> Table:
    """The columns and rows of the training split. Raises BadInput, Unavailable.

    Without ``login``, what needs one stays out of reach, whoever is logged in on this machine.
    """
    name = given.removeprefix(PREFIX)
    if not NAME.fullmatch(name) or ".." in name:
        raise BadInput(f"{quoted(given)} names no data set of the hub: it looks like {PREFIX}owner/name.")
    if Path(name).exists():  # the package would read that folder instead
        raise BadInput(f"{quoted(name)} is a folder here as well: import it by its path, or from another folder.")
    data = _loaded(name, login)
    there = tuple(flat(next(iter(_records(name, data)), {})))
    if not there:
        raise BadInput(f"The data set {name} has no rows: choose another one.")
    columns, notes = header(there, name)

    def read() -> Iterator[Row]:
        for number, record in enumerate(_records(name, data), 1):
            found = flat(_named(record, data.features or {}))
            yield Row(number, [cell(found.get(column)) for column in there])

    return Table(name, FORMAT, columns, read, ("Its split “train”.", *notes))


def installed() -> bool:
    """Whether the package is there, without importing it; a folder of its name is no package."""
    try:
        return bool(importlib.metadata.version("datasets"))
    except importlib.metadata.PackageNotFoundError:
        return False


def _loaded(name: str, login: bool) -> Any:
    try:
        import datasets

        version = datasets.__version__  # a folder of this name has none
    except (ImportError, AttributeError):
        raise BadInput(
            f"{PREFIX}{name} needs the package “datasets”, not installed here: download the data and import the file, "
            "or install it."
        ) from None
    if int(version.split(".")[0]) < 4:
        raise BadInput(f"datasets {version} may run a data set's own code: install version 4 or later.")
    if offline():
        raise Unavailable(f"CTX_OFFLINE forbids fetching {name}: unset CTX_OFFLINE, or import a file.")
    try:
        return datasets.load_dataset(name, split="train", streaming=True, token=None if login else False)
    except Exception as error:  # the hub's and the network's many ways to fail
        raise _failed(name, error) from None


def _records(name: str, data: Any) -> Iterator[dict[str, Any]]:
    try:
        yield from data
    except Exception as error:  # as above
        raise _failed(name, error) from None


def _named(record: dict[str, Any], features: dict[str, Any]) -> dict[str, Any]:
    """Classes by their names, where the data set has numbers for them."""
    found = dict(record)
    for column, feature in features.items():
        names = getattr(getattr(feature, "feature", feature), "names", None)
        value = found.get(column)
        if names and isinstance(value, int) and 0 <= value < len(names):
            found[column] = names[value]
        elif names and isinstance(value, list):
            found[column] = [names[one] if 0 <= one < len(names) else "" for one in value]
    return found


def _failed(name: str, error: Exception) -> Unavailable:
    said = f"{type(error).__name__}: {brief(error)}"
    return Unavailable(f"The data set {name} could not be read from the hub ({said}): try later, or import a file.")
