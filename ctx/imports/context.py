"""Imported data as contexts like any other: the registry asks here, freshly, each time contexts are listed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

from ctx.errors import BadInput
from ctx.imports import limits, stored
from ctx.imports.names import SLUG, quoted
from ctx.parts import Context, Example

_MADE: dict[Path, tuple[tuple[int, int], type[Imported] | None]] = {}  # by folder, with its stamp


class Imported(Context):
    """Examples that somebody imported. Runs use at most so many of them as its import said, chosen by a hash."""

    meta: ClassVar[stored.Meta]

    def examples(self) -> list[Example]:
        """The examples that runs use, in the file's order; raises Unavailable."""
        found = []
        for row in stored.rows(self.meta):
            if self.application == "ner":
                tags = tuple(row["output"])
                some = "some" if any(tag != "O" for tag in tags) else "none"
                found.append(Example(row["id"], tuple(row["input"]), tags, row["group"], some))
            else:
                stratum = None if self.application == "sentiment" else ""
                found.append(Example(row["id"], row["input"], row["output"], row["group"], stratum))
        return found

    def present(self) -> bool:
        """Whether its file is there; it may be damaged all the same."""
        return not self.meta.forgotten and (self.meta.folder / stored.EXAMPLES).is_file()

    def digest(self) -> str:
        """The hash of its examples, and how many of them are used."""
        return f"{self.meta.content}:{self.meta.used}"


def contexts(owner: str | None = None) -> dict[str, type[Imported]]:
    """Every imported context by its id, or those that ``owner`` may see; those forgotten are left out."""
    found: dict[str, type[Imported]] = {}
    for cls in _all():
        if not cls.meta.forgotten and (owner is None or cls.owner in ("", owner)):
            found[cls.name] = cls
    return found


def described(context_id: str) -> type[Imported] | None:
    """An imported context, also one whose data was deleted: runs that used it can still be read."""
    return next((cls for cls in _all() if cls.name == context_id), None)


def _all() -> list[type[Imported]]:
    there = stored.folders()
    for gone in set(_MADE) - {folder for folder, _ in there}:
        _MADE.pop(gone, None)
    for folder, stamp in there:
        if folder not in _MADE or _MADE[folder][0] != stamp:
            meta = stored.read_meta(folder)
            _MADE[folder] = stamp, _class(meta) if meta else None
    return [cls for folder, _ in there if (cls := _MADE[folder][1]) is not None]


def _class(meta: stored.Meta) -> type[Imported]:
    facts = {name: getattr(meta, name) for name in FACTS}
    day = time.strftime("%Y-%m-%d", time.localtime(meta.created))
    names = " and ".join(str(source["name"]) for source in meta.sources[:2]) or "the hub"
    origin = f"Imported from {names} ({meta.format}) on {day}"
    doc = f"{origin}: {meta.examples:,} examples."
    own = {"__doc__": doc, "__module__": __name__, "name": meta.id, "labels": tuple(meta.labels), "origin": origin}
    return type("Own", (Imported,), {**facts, **own, "meta": meta})


FACTS = ("application", "title", "owner", "language", "domain", "culture", "licence")


def free_id(application: str, wanted: str, slug: str, owner: str) -> str:
    """An id for new data: the one asked for (``my-hotels``, or with its application), or the first that is free.

    Raises BadInput where the one asked for can't be one, or is in use.
    """
    if wanted:
        start, _, name = wanted.rpartition("/")
        name = name if name.startswith("my-") else f"my-{name}"
        if start not in ("", application) or not SLUG.fullmatch(name) or len(name) > 2 * limits.MOST_LABEL:
            raise BadInput(
                f"{quoted(wanted)} can't be the id of this data: it looks like {application}/my-hotels, "
                "in small letters, digits and hyphens."
            )
        if not _is_free(f"{application}/{name}", owner):
            raise stored.taken(f"{application}/{name}")
        return f"{application}/{name}"
    numbered = (slug if n == 1 else f"{slug}-{n}" for n in range(1, 10_000))
    return next(one for name in numbered if _is_free(one := f"{application}/{name}", owner))


def _is_free(context_id: str, owner: str) -> bool:
    found = stored.read_meta(stored.place(context_id))
    return not stored.place(context_id).exists() or bool(found and found.forgotten and found.owner == owner)
