"""What a file's columns mean: which application, and which column holds the text, the answer, the group, the id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ctx.errors import BadInput, UnknownName
from ctx.imports.names import listed, quoted

ANSWERS = {"sentiment": "label", "ner": "label", "translation": "target", "summarisation": "target"}


@dataclass(frozen=True)
class Mapping:
    """Columns by their part in an example; empty: none.

    ``text`` is the input (words for ner). ``label`` holds labels, or tags for ner; ``target`` the translation or the
    summary. Rows of one ``group`` stay in one split. ``renames`` are (label, new label), for ner (type of entity, new
    type); an empty new label leaves its rows out, an empty new type its entities.
    """

    application: str = ""
    text: str = ""
    label: str = ""
    target: str = ""
    id: str = ""
    group: str = ""
    renames: tuple[tuple[str, str], ...] = ()

    @property
    def answer(self) -> str:
        """The column of what is to be learnt."""
        return str(getattr(self, ANSWERS[self.application])) if self.application in ANSWERS else ""

    def checked(self, columns: Sequence[str]) -> Mapping:
        """The mapping itself; raises BadInput where it lacks a column or names one that isn't there."""
        there = listed(columns)
        if not self.application:
            raise BadInput(f"What is it for? Name the application ({', '.join(ANSWERS)}); its columns are: {there}.")
        if self.application not in ANSWERS:
            raise UnknownName("application for imported data", self.application, list(ANSWERS))
        needed = ANSWERS[self.application]
        for role, column in (("text", self.text), (needed, self.answer)):
            if not column:
                raise BadInput(f"Which column is the {role}? Name one of: {there}.")
        for role in ("text", needed, "id", "group"):
            column = getattr(self, role)
            if column and column not in columns:
                raise BadInput(f"There is no column {quoted(column)} for the {role}. There are: {there}.")
        if self.text == self.answer:
            raise BadInput(f"The column {quoted(self.text)} can't be both the text and the {needed}: name another one.")
        if self.renames and needed != "label":
            raise BadInput(f"Only labels can be renamed, and {self.application} has none: leave the renames out.")
        return self
