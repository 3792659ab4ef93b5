"""What was found out about an upload, as documents beside it: pages read them, a worker writes them.

Columns go by their number, so that no name of a column has to survive the way.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from ctx import kept
from ctx.imports import uploads
from ctx.imports.mapping import ANSWERS
from ctx.imports.tables import Reading

ROLES = ("text", "label", "target", "id", "group")


class Meaning(BaseModel):
    """An application and its columns by number, counted from 0; None: none."""

    model_config = ConfigDict(frozen=True)
    application: str = ""
    text: int | None = None
    label: int | None = None
    target: int | None = None
    id: int | None = None
    group: int | None = None

    @property
    def answer(self) -> int | None:
        """The column of what is to be learnt."""
        role = ANSWERS.get(self.application)
        return getattr(self, role) if role else None

    @property
    def whole(self) -> bool:
        """Whether it says enough to try."""
        return self.text is not None and self.answer is not None


class Seen(BaseModel):
    """An upload as it was understood, its first rows as text; or, in ``error``, why it can't be read.

    ``columns`` are names fit to show, each another.
    """

    error: str = ""
    name: str = ""
    title: str = ""
    format: str = ""
    columns: list[str] = []
    notes: list[str] = []
    rows: list[list[str]] = []
    guess: Meaning = Meaning()
    reasons: dict[str, str] = {}
    language: str = ""


class Tried(BaseModel):
    """What became of every row, or, in ``error``, why they make no context.

    ``refusals`` and ``repairs`` are the first of them, ``listed`` how many of the refused the file has, ``examples``
    pairs of what is read and what is to be answered.
    """

    error: str = ""
    rows: int = 0
    accepted: int = 0
    repaired: int = 0
    refused: int = 0
    refusals: list[str] = []
    repairs: list[str] = []
    notes: list[str] = []
    labels: dict[str, int] = {}
    examples: list[tuple[str, str]] = []
    listed: int = 0


def seen(token: str, reading: Reading) -> Seen | None:
    """What is known of an upload read so; None where nobody looked yet. Raises BadInput where it is gone."""
    with suppress(OSError, ValidationError):
        return Seen.model_validate_json(_seen(token, reading).read_bytes())
    return None


def keep_seen(token: str, reading: Reading, found: Seen) -> None:
    """Keep what is known of an upload read so."""
    _write(_seen(token, reading), found)


def tried(token: str, reading: Reading, meaning: Meaning) -> Tried | None:
    """What became of the rows taken so; None where nobody tried yet. Raises BadInput where the upload is gone."""
    with suppress(OSError, ValidationError):
        return Tried.model_validate_json(_tried(token, reading, meaning).read_bytes())
    return None


def keep_tried(token: str, reading: Reading, meaning: Meaning, found: Tried) -> None:
    """Keep what became of the rows."""
    _write(_tried(token, reading, meaning), found)


def listing(token: str, reading: Reading, meaning: Meaning) -> Path:
    """The file of refused rows (file, row, reason), CSV."""
    return _tried(token, reading, meaning).with_suffix(".csv")


def _seen(token: str, reading: Reading) -> Path:
    return uploads.place(token) / f"seen-{kept.named(asdict(reading))[:24]}.json"


def _tried(token: str, reading: Reading, meaning: Meaning) -> Path:
    return uploads.place(token) / f"tried-{kept.named(asdict(reading), meaning.model_dump())[:24]}.json"


def _write(path: Path, found: BaseModel) -> None:
    part = path.with_name(f"{uuid4().hex}.part")
    part.write_text(found.model_dump_json(), encoding="utf-8")
    part.replace(path)
