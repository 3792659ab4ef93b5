"""What an arm is called beside others: the settings that tell it from them, in as few words as do."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from ctx.i18n import t

Row = Mapping[Hashable, object]
CONTEXTS = ("source", "target")
OTHERS = ("keep", "beams", "half")  # settings that belong to no part
ORDER = ("schedule", "tuning", "backbone", "balancer", "penalties", "penalty", "augment", "source", "target")


def labels(rows: Sequence[Row]) -> list[str]:
    """A label for each arm, told by one of its rows of `Store.table`; never the same one twice.

    A name that a person gave comes first; then the settings of which there are several among these arms.
    """
    values: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row.items():
            if _is_setting(str(name)) and written(value):
                values.setdefault(str(name), set()).add(written(value))
    lacking = {name for name in values if _is_further(name) and not all(written(row.get(name)) for row in rows)}
    several = [name for name, found in values.items() if len(found) > 1 or name in lacking]
    several.sort(key=lambda name: ORDER.index(first) if (first := name.partition(".")[0]) in ORDER else len(ORDER))
    seen: dict[str, int] = {}
    found = []
    for label in (str(row.get("name") or "") or _label(row, several) for row in rows):
        seen[label] = seen.get(label, 0) + 1
        found.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return found


def _is_setting(name: str) -> bool:
    return "/" not in name and (name.partition(".")[0] in ORDER or name in OTHERS or name.startswith("optim."))


def _label(row: Row, several: Sequence[str]) -> str:
    pieces = [piece(name, row.get(name)) for name in several if not _is_context(name) and written(row.get(name))]
    said = ", ".join(pieces) or f"{written(row.get('schedule'))}, {written(row.get('tuning'))}"
    return f"{pair(row)}: {said}" if any(map(_is_context, several)) else said


def _is_context(name: str) -> bool:
    """Whether a setting is the name of a context: "source", "source.2", …, "target"."""
    return name in CONTEXTS or _is_further(name)


def _is_further(name: str) -> bool:
    """Whether it is that of a source beside the first."""
    return name.removeprefix("source.").isdigit()


def pair(row: Row) -> str:
    """The contexts without their application: "tweets → editorials", "tweets + films → editorials"."""
    names = {str(key): written(row.get(key)).rpartition("/")[2] for key in row if _is_context(str(key))}
    sources = " + ".join(name for key, name in sorted(names.items()) if name and key != "target")
    return " → ".join(filter(None, (sources, names.get("target", ""))))


def piece(name: str, value: object) -> str:
    """A setting in a label: a part by its name alone, a knob as "λ 0.1", "source size 500"."""
    kind, _, knob = name.partition(".")
    if name == "beams":
        return f"beams {written(value)}"
    if name == "half":
        return "half precision" if value else "full precision"
    if not knob or knob.isdigit():
        return written(value)
    spoken = {"lam": "λ", "lam_from": "λ from"}.get(knob) or knob.replace("_", " ").replace(".", " ")
    return f"{kind} {spoken} {written(value)}" if kind in CONTEXTS else f"{spoken} {written(value)}"


def whose(final: Mapping[str, Any] | None, key: str, context: str) -> str:
    """Whose modules answer for a context, in a sentence, by a run's results; "" where contexts have none of their own.

    ``key``: the context's in the run ("target"); ``context``: its id.
    """
    return answering(((final or {}).get("modules") or {}).get(key) or (), context)


def answering(found: Sequence[str], context: str, said: Callable[[str], str] = str) -> str:
    """The same of modules by the ids of the contexts that have them, which are ``said`` so; "" for none."""
    if not found:
        return ""
    own, names = said(context), [said(name) for name in found]
    if context in found:
        return t("The module of {context} answers.", context=own)
    if len(found) == 1:
        return t("{context} has no module of its own: that of {other} answers.", context=own, other=names[0])
    return t("{context} has no module of its own: the mean of {others} answers.", context=own, others=", ".join(names))


def written(value: object) -> str:
    """A setting as text; whole numbers without a point, nothing for a missing value."""
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:g}"
    return str(value)
