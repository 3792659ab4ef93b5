"""Command-line flags from the registry: every knob of every part is ``--<part>.<knob>``, some also have a short one.

`knob_flags` lists them, `arguments` gives a configuration as flags; `ctx.commands.asked` reads them. A part dropped
into its folder has its flags at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic.fields import FieldInfo

from ctx.config import RunConfig
from ctx.parts import Choice
from ctx.registry import part, registry

SINGLE = {"schedule": "schedules", "tuning": "tunings", "backbone": "backbones", "balancer": "balancers"}
SEVERAL = {"penalty": "penalties", "augment": "augment"}
ROLES = ("source", "target")


@dataclass(frozen=True)
class Owner:
    """A knob of a part."""

    kind: str
    part: str
    knob: str


@dataclass(frozen=True)
class Flag:
    """A flag and the knobs it may set. ``short`` ones set what is there; ``role`` narrows a context's to one side."""

    option: str
    owners: tuple[Owner, ...]
    short: bool = False
    role: str = ""

    @property
    def field(self) -> FieldInfo:
        """The declaration of its (first) knob."""
        first = self.owners[0]
        found: FieldInfo = part(first.kind, first.part).Knobs.model_fields[first.knob]
        return found

    @property
    def switch(self) -> bool:
        """Whether it is on or off and takes no value."""
        return self.field.annotation is bool


@cache
def knob_flags() -> dict[str, Flag]:
    """Every flag of a knob, by its name with the dashes."""
    owners: dict[tuple[str, bool, str], list[Owner]] = {}
    for kind in (*SINGLE.values(), *SEVERAL.values(), "contexts"):
        for name, cls in registry(kind).items():
            for knob, field in cls.Knobs.model_fields.items():
                for key in _names(kind, name, knob, field):
                    owners.setdefault(key, []).append(Owner(kind, name, knob))
    return {option: Flag(option, tuple(found), short, role) for (option, short, role), found in owners.items()}


def _names(kind: str, name: str, knob: str, field: FieldInfo) -> list[tuple[str, bool, str]]:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    found = [(f"--{name}.{dashed(knob)}", False, "")]
    if extra.get("flag"):
        found.append((f"--{extra['flag']}", True, ""))
    if kind == "contexts":
        found += [(f"--{role}.{dashed(knob)}", False, role) for role in ROLES]
    return found


def dashed(name: str) -> str:
    """A field's name as flags spell it."""
    return name.replace("_", "-")


def arguments(config: RunConfig) -> list[str]:
    """The flags that ask for this configuration: what `ctx.commands.asked.build` reads back as the same."""
    found = _context_arguments(config)
    for name in SINGLE:
        choice: Choice = getattr(config, name)
        if name != "balancer" or choice != Choice(name="fixed"):
            found += [f"--{name}", choice.name, *_knob_arguments(choice)]
    for name, kind in SEVERAL.items():
        for choice in getattr(config, kind):
            found += [f"--{name}", choice.name, *_knob_arguments(choice)]
    for name, value in config.optim.model_dump(exclude_defaults=True).items():
        found += _argument(dashed(name), value)
    found += [] if config.keep == "best" else ["--keep", config.keep]
    found += [] if config.beams == 1 else ["--beams", str(config.beams)]
    found += ["--half"] if config.half else []
    return [*found, "--seed", str(config.seed)]


def _context_arguments(config: RunConfig) -> list[str]:
    found: list[str] = []
    for source in config.sources:
        found += ["--source", source.id if source.weight == 1 else f"{source.id}={source.weight!r}"]
    if any(source.size for source in config.sources):
        found += [word for source in config.sources for word in ("--source-size", str(source.size or "all"))]
    if config.target:
        found += ["--target", config.target.id]
        found += ["--target-size", str(config.target.size)] if config.target.size else []
    for context in config.contexts().values():
        found += _knob_arguments(Choice(name=context.id, knobs=context.knobs))
    return found


def _knob_arguments(choice: Choice) -> list[str]:
    return [word for knob, value in choice.knobs.items() for word in _argument(f"{choice.name}.{dashed(knob)}", value)]


def _argument(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}", "none" if value is None else str(value)]
