"""What is counted over all rows: labels, texts that come again, ids and groups; and whether they make a context."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter

from ctx.errors import BadInput
from ctx.imports import limits
from ctx.imports.examples import Made, RefusedError
from ctx.imports.mapping import Mapping
from ctx.imports.names import counted, quoted
from ctx.imports.report import Report


class Counting:
    """Counts, by hashes of texts rather than the texts, so that memory stays bounded."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self.labels: Counter[str] = Counter()  # for ner: entities by type
        self._answers: dict[int, int] = {}  # by text
        self._again = 0
        self._torn: set[int] = set()
        self._ids: set[int] = set()
        self._groups: set[int] = set()
        self._ranks, self._sizes = array("Q"), array("Q")

    @property
    def texts(self) -> int:
        """Different texts so far."""
        return len(self._answers)

    def add(self, made: Made) -> None:
        """Count an example; raises RefusedError where its id was there before, BadInput at too many labels."""
        if self.mapping.id:
            if hash(made.id) in self._ids:
                raise RefusedError(f"its id {quoted(made.id)} was there before")
            self._ids.add(hash(made.id))
        if self.mapping.group:
            self._groups.add(hash(made.group))
        words = (made.input,) if isinstance(made.input, str) else made.input
        text, answer = hash(" ".join(" ".join(words).casefold().split())), hash(made.output)
        if text in self._answers:
            self._again += 1
            if self._answers[text] != answer:
                self._torn.add(text)
        else:
            self._answers[text] = answer
        self._count(made)

    def _count(self, made: Made) -> None:
        if self.mapping.application == "sentiment":
            self.labels[str(made.output)] += 1
        elif self.mapping.application == "ner":
            self.labels.update(tag[2:] for tag in made.output if tag[:2] == "B-")
        if len(self.labels) > limits.MOST_LABELS:
            raise BadInput(
                f"The column {quoted(self.mapping.label)} has more than {limits.MOST_LABELS} different labels: "
                "choose another column, or group them first."
            )

    def rank(self, made: Made) -> int:
        """Where it stands in the order in which runs use examples (it is counted already).

        The first of its label stand first, all others where a hash of their ids puts them.
        """
        first = self.mapping.application == "sentiment" and self.labels[str(made.output)] <= limits.SURE
        rank = 0 if first else int.from_bytes(hashlib.blake2b(made.id.encode(), digest_size=8).digest(), "big")
        self._ranks.append(rank)
        self._sizes.append(
            sum(len(one) if isinstance(one, str) else sum(map(len, one)) for one in (made.input, made.output))
        )
        return rank

    def used(self, wanted: int) -> int:
        """How many of the examples runs use: as many as are wanted, or as fit into `limits.MOST_USED` characters."""
        import numpy as np

        order = np.argsort(np.frombuffer(self._ranks, np.uint64), kind="stable")[:wanted]
        sizes = np.frombuffer(self._sizes, np.uint64)[order]
        fit = int(np.searchsorted(sizes.cumsum(), limits.MOST_USED, side="right"))
        return fit if fit < len(order) else wanted

    def label_space(self) -> list[str]:
        """The labels or types of entities, sorted; none where texts are the answer."""
        return sorted(self.labels)

    def checked(self, report: Report) -> list[str]:
        """What a person should know of the whole. Raises BadInput where it makes no context."""
        self._check(report)
        notes = []
        if self._again:
            notes.append(f"{counted(self._again, 'row')} with a text that was there before: a text counts once.")
        if self._torn:
            notes.append(f"{counted(len(self._torn), 'text')} with different answers: left out of runs.")
        lonely = [label for label, count in self.labels.items() if count == 1]
        if lonely and self.mapping.application == "sentiment":
            named = ", ".join(f"{quoted(label)}" for label in lonely[:5]) + (" …" if len(lonely) > 5 else "")
            notes.append(f"One example only: {named}. Such a label can't be both learnt and tested.")
        return notes

    def _check(self, report: Report) -> None:
        first = f" The first refusal: {report.refusals[0]}." if report.refusals else ""
        left = self.texts - len(self._torn)
        if left < limits.LEAST_TEXTS:
            raise BadInput(
                f"{left} different texts are left of {report.rows:,} rows, and a context needs at least "
                f"{limits.LEAST_TEXTS}.{first}"
            )
        if self.mapping.application == "sentiment" and len(self.labels) < 2:
            (only,) = self.labels
            raise BadInput(
                f"Every row has the label {quoted(only)}: there is nothing to tell apart; choose another column."
            )
        if self.mapping.application == "ner" and not self.labels:
            raise BadInput("No word has a tag other than O: there is nothing to find; choose another column.")
        if self.mapping.group and len(self._groups) < limits.LEAST_GROUPS:
            raise BadInput(
                f"The column {quoted(self.mapping.group)} has {len(self._groups)} different values, and splits that "
                f"keep groups whole need at least {limits.LEAST_GROUPS}: choose another column for the group, or none."
            )
