"""What became of a file's rows: every row is accepted, repaired or refused, and counted once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ctx.imports import limits


@dataclass(frozen=True)
class Remark:
    """What was wrong with a row, or done to it. ``file`` is set where several were read."""

    row: int
    reason: str
    file: str = ""

    def __str__(self) -> str:
        return f"{self.file + ', ' if self.file else ''}row {self.row}: {self.reason}"


@dataclass
class Report:
    """Counts of rows, the first refusals and repairs, and what is to be known of the whole."""

    rows: int = 0
    accepted: int = 0
    repaired: int = 0
    refused: int = 0
    refusals: list[Remark] = field(default_factory=list)
    repairs: list[Remark] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def accept(self) -> None:
        """One more row that was taken as it is."""
        self.rows += 1
        self.accepted += 1

    def repair(self, remark: Remark) -> None:
        """One more row that was taken with a change."""
        self.rows += 1
        self.repaired += 1
        if len(self.repairs) < limits.KEPT:
            self.repairs.append(remark)

    def refuse(self, remark: Remark) -> None:
        """One more row that was not taken."""
        self.rows += 1
        self.refused += 1
        if len(self.refusals) < limits.KEPT:
            self.refusals.append(remark)

    def sentence(self) -> str:
        """The counts in words."""
        counts = ((self.accepted, "accepted"), (self.repaired, "repaired"), (self.refused, "refused"))
        return f"{self.rows:,} rows: " + ", ".join(f"{count:,} {what}" for count, what in counts) + "."

    def document(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)
