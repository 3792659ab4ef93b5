"""Files to import, and the way in that tests share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ctx.errors import BadInput
from ctx.imports.mapping import Mapping
from ctx.imports.tables import Reading
from ctx.imports.take import About, Taken, look, take

SENTIMENT = Mapping("sentiment", "text", "label")
REVIEWS = [
    ("The soup was warm and the waiter smiled.", "good"),
    ("We waited an hour for cold coffee.", "bad"),
    ("Fresh bread, fair prices, friendly people.", "good"),
    ("The table was sticky and nobody cared.", "bad"),
    ("I would come back for the cake alone.", "good"),
    ("My order was wrong, twice.", "bad"),
    ("A quiet corner and the best tea in town.", "good"),
    ("Loud music, tiny portions.", "bad"),
    ("They let my dog in and gave it water.", "good"),
    ("The milk had gone off.", "bad"),
    ("Lovely garden behind the house.", "good"),
    ("The bill had three mistakes in it.", "bad"),
]


def csv_text(rows: Sequence[Sequence[str]] = REVIEWS, header: str = "text,label", sign: str = ",") -> str:
    """Rows as CSV, every cell in quotes."""
    lines = [sign.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    return "\n".join([header.replace(",", sign), *lines]) + "\n"


def written(folder: Path, name: str, content: str | bytes) -> Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def json_lines(records: Sequence[Any]) -> str:
    """Records as JSON Lines."""
    return "".join(json.dumps(record) + "\n" for record in records)


def taken(*paths: Path, reading: Reading | None = None, mapping: Mapping | None = None, **about: Any) -> Taken:
    """Import files as the guess has them, or as ``mapping`` says; the counts of the report always add up."""
    dry = about.pop("dry", False)
    found = take(look(paths, reading), mapping, About(**about), dry)
    report = found.report
    assert report.rows == report.accepted + report.repaired + report.refused
    assert len(report.refusals) == min(report.refused, 50)
    assert len(report.repairs) == min(report.repaired, 50)
    return found


def refusal(*paths: Path, **given: Any) -> str:
    """The one sentence that a file is refused with."""
    with pytest.raises(BadInput) as caught:
        taken(*paths, **given)
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 500
    return said
