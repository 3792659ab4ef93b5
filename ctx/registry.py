"""The registry: a folder scan over ``ctx/<kind>/`` finds every part by name. No entry points, no hooks."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any

from pydantic import ValidationError

from ctx.errors import BadInput, UnknownName
from ctx.parts import Choice, Part, Task

OWNER = "local"  # whose pages and commands these are: there is no login
KINDS = {
    "contexts": "context",
    "tasks": "task",
    "backbones": "backbone",
    "schedules": "schedule",
    "tunings": "tuning",
    "penalties": "penalty",
    "balancers": "balancer",
    "augment": "augmentation",
}


def registry(kind: str) -> dict[str, type[Any]]:
    """Every part of a kind by name; contexts with those that were imported, as they are at this moment."""
    found = scanned(kind)
    if kind == "contexts":
        from ctx.imports.context import contexts

        return found | contexts()
    return found


def contexts(owner: str) -> dict[str, type[Any]]:
    """The contexts that a person may see: everybody's, and what they have imported themselves."""
    return {name: cls for name, cls in registry("contexts").items() if cls.owner in ("", owner)}


@cache
def scanned(kind: str) -> dict[str, type[Any]]:
    """Every part of a kind that a file in its folder declares. A file may list a family of parts in ``PARTS``."""
    package = importlib.import_module(f"ctx.{kind}")
    found: dict[str, type[Any]] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"ctx.{kind}.{info.name}")
        own = [v for v in vars(module).values() if isinstance(v, type) and v.__module__ == module.__name__]
        for part in [*own, *getattr(module, "PARTS", ())]:
            if not issubclass(part, Part) or part.kind != kind or "name" not in vars(part):
                continue
            if found.setdefault(part.name, part) is not part:
                raise BadInput(f"Two parts in ctx/{kind}/ are called “{part.name}”: rename one of them.")
    return found


def part(kind: str, name: str) -> type[Any]:
    """The class of a part, also of a context whose data was deleted; raises UnknownName, which lists what exists."""
    found = scanned(kind).get(name)
    if found is None and kind == "contexts":
        from ctx.imports.context import described

        found = described(name)
    if found is None:
        raise UnknownName(KINDS[kind], name, list(contexts(OWNER) if kind == "contexts" else scanned(kind)))
    return found


def make(kind: str, choice: Choice) -> Any:
    """The part of a choice, its knobs checked; raises BadInput with one sentence."""
    cls = part(kind, choice.name)
    try:
        return cls(cls.Knobs(**choice.knobs))
    except ValidationError as error:
        raise BadInput(_sentence(cls, error)) from None


def _sentence(cls: type[Part], error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(piece) for piece in first["loc"]) or cls.name
    if first["type"] == "extra_forbidden":
        known = ", ".join(cls.Knobs.model_fields) or "none"
        return f"{cls.name} has no knob “{where}”. Its knobs: {known}."
    return f"{cls.name}: {where} is {first['input']!r}: {first['msg'][:1].lower()}{first['msg'][1:]}."


def fetchable(name: str) -> Any:
    """The context or the backbone of a name, the kinds that have archives to fetch; raises UnknownName."""
    kinds = ("contexts", "backbones")
    for kind in kinds:
        if name in registry(kind):
            return registry(kind)[name]
    known = [*contexts(OWNER), *scanned("backbones")]
    raise UnknownName(" or ".join(KINDS[kind] for kind in kinds), name, known)


def task_of(application: str) -> Task:
    """The task of an application."""
    for cls in registry("tasks").values():
        if application in cls.applications:
            task: Task = cls()
            return task
    raise UnknownName("application", application, [a for cls in registry("tasks").values() for a in cls.applications])
