"""From what was typed to a RunConfig: checked by the parts' own knobs, each fault said with its flag."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ctx.commands.method import expanded
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, check, facts
from ctx.errors import BadInput
from ctx.flags import ROLES, SEVERAL, SINGLE, Flag, Owner, dashed, knob_flags
from ctx.parts import Choice
from ctx.recipes import METHOD, RECIPES, with_recipe
from ctx.registry import KINDS, make, part, registry

NONE = ("", "none", "all")


def build(given: Mapping[str, Any]) -> tuple[RunConfig, list[str]]:
    """The configuration that flags ask for, and a sentence for each that has no effect. Raises BadInput.

    ``given`` maps names without dashes ("schedule", "source" (a list), "target-size") and knob flags ("--joint.lam")
    to what was typed; what was not given is left out.
    """
    method, given = given.get(METHOD), expanded(given)
    config = _contexts(given)
    chosen = {name: str(given[name]) for name in SINGLE if name in given}
    if "backbone" not in chosen:
        chosen["backbone"] = default_backbone(config)
    defaults = {name: getattr(config, name).name for name in SINGLE}
    names = {(SINGLE[name], chosen.get(name, defaults[name])) for name in SINGLE}
    names |= {(kind, name) for flag, kind in SEVERAL.items() for name in given.get(flag, [])}
    names |= {("contexts", choice.id) for choice in config.contexts().values()}
    for kind, name in sorted(names):
        part(kind, name)  # an unknown name is said before a knob that it doesn't have
    knobs, notes = _knobs({name: value for name, value in given.items() if name.startswith("--")}, names, config)
    made = _filled(config, given, chosen, knobs)
    check(made)
    if method:
        with_recipe(made, RECIPES[method])  # refused where the method itself can't be had
    return made, notes + _unused(config, given) + _idle(made, given)


def default_backbone(config: RunConfig) -> str:
    """The usual backbone, or the first that is for these contexts' application."""
    usual = config.backbone.name
    first = next(iter(config.contexts().values()), None)
    if first is None:
        return usual
    application = part("contexts", first.id).application
    fitting = [
        name for name, cls in registry("backbones").items() if application in (cls.applications or [application])
    ]
    return usual if usual in fitting or not fitting else fitting[0]


def _contexts(given: Mapping[str, Any]) -> RunConfig:
    """Only the contexts, their sizes and weights."""
    named = given.get("source", [])
    counts = [_size("source-size", text) for text in given.get("source-size", [])]
    if len(counts) > 1 and len(counts) != len(named):
        raise BadInput(
            f"--source-size is given {len(counts)} times for {len(named)} sources: give it once, or once for each."
        )
    counts = counts * len(named) if len(counts) == 1 else counts or [None] * len(named)
    sources = []
    for text, size in zip(named, counts, strict=True):
        name, _, weight = text.partition("=")
        sources.append(_checked("--source", SourceChoice, id=name, size=size, **({"weight": weight} if weight else {})))
    target = None
    if "target" in given:
        size = _size("target-size", given["target-size"]) if "target-size" in given else None
        target = _checked("--target", ContextChoice, id=given["target"], size=size)
    return RunConfig.model_validate({"sources": sources, "target": target})


def _size(flag: str, text: str) -> int | None:
    if text.casefold() in NONE:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise BadInput(f"--{flag} is “{text}”: give a number of labels from 1 on, or “all”.")
    return int(text)


def _checked(flag: str, model: type[Any], **values: Any) -> Any:
    """A model of ctx.config; raises BadInput, which names the flag."""
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(piece) for piece in first["loc"])
        message = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
        raise BadInput(f"{flag or '--' + dashed(where)} is “{first['input']}”: {message}.") from None


def _knobs(
    typed: Mapping[str, Any], names: set[tuple[str, str]], config: RunConfig
) -> tuple[dict[tuple[str, str], dict[str, Any]], list[str]]:
    """What each chosen part's knobs are set to, and a note for each short flag that no chosen part knows."""
    values: dict[tuple[str, str], dict[str, Any]] = {}
    said: dict[Owner, str] = {}
    notes = []
    for option, text in typed.items():
        flag = knob_flags()[option]
        owners = [
            owner for owner in flag.owners if (owner.kind, owner.part) in names and _has_role(owner, flag, config)
        ]
        if not owners and not flag.short:
            raise BadInput(_not_chosen(flag, names, config))
        if not owners:
            notes.append(_without_effect(flag, names))
        for owner in owners:
            value = None if str(text).casefold() in NONE and flag.field.default is None else text
            knobs = values.setdefault((owner.kind, owner.part), {})
            if knobs.setdefault(owner.knob, value) != value:
                raise BadInput(f"{said[owner]} and {option} set the same knob to different values: leave one out.")
            said[owner] = option
    for (kind, name), knobs in values.items():
        whole = make(kind, Choice(name=name, knobs=knobs)).knobs.model_dump()
        values[kind, name] = {knob: whole[knob] for knob in knobs}
    return values, notes


def _has_role(owner: Owner, flag: Flag, config: RunConfig) -> bool:
    return not flag.role or owner.part in _of_role(flag.role, config)


def _of_role(role: str, config: RunConfig) -> list[str]:
    return [choice.id for key, choice in config.contexts().items() if key.split(".")[0] == role]


def _not_chosen(flag: Flag, names: set[tuple[str, str]], config: RunConfig) -> str:
    if flag.role:
        having = ", ".join(dict.fromkeys(owner.part for owner in flag.owners))
        used = ", ".join(_of_role(flag.role, config)) or "not named"
        return f"{flag.option} is a knob of {having}, and the {flag.role} is {used}: leave it out."
    owner = flag.owners[0]
    kind = KINDS[owner.kind]
    used = ", ".join(sorted(name for other, name in names if other == owner.kind)) or f"no {kind}"
    return (
        f"{flag.option} belongs to the {kind} {owner.part}, and this run uses {used}: choose it, or leave the flag out."
    )


def _without_effect(flag: Flag, names: set[tuple[str, str]]) -> str:
    kind = flag.owners[0].kind
    used = ", ".join(sorted(name for other, name in names if other == kind)) or "none"
    having = ", ".join(dict.fromkeys(owner.part for owner in flag.owners))
    return f"{flag.option} has no effect: the {KINDS[kind]} is {used}, and it is a knob of {having}."


def _unused(config: RunConfig, given: Mapping[str, Any]) -> list[str]:
    schedule = part("schedules", given.get("schedule", config.schedule.name))
    idle = [role for role in ROLES if role not in schedule.uses and f"{role}-size" in given]
    notes = [f"--{role}-size has no effect: {schedule.name} does not train on the {role}." for role in idle]
    if "beams" in given and config.contexts() and not config.task().writes:
        notes.append(f"--beams has no effect: {config.task().applications[0]} writes no texts.")
    if config.contexts() and not config.task().writes:
        typed = [option for option in given if option in knob_flags() and _of_decoder(knob_flags()[option])]
        notes += [f"{option} has no effect: {config.task().applications[0]} writes no texts." for option in typed]
    return notes


def _idle(config: RunConfig, given: Mapping[str, Any]) -> list[str]:
    """Knobs that were typed and mean nothing beside others, or in such a run."""
    chosen = [("schedules", config.schedule), ("tunings", config.tuning)]
    idle = {(kind, one.name): make(kind, one).idle() for kind, one in chosen}
    idle |= {("penalties", one.name): make("penalties", one).idle(facts(config)) for one in config.penalties}
    flags = {option: flag for option, flag in knob_flags().items() if option in given}
    return [
        f"{option} has no effect: {why}"
        for option, flag in flags.items()
        for owner in flag.owners
        if (why := idle.get((owner.kind, owner.part), {}).get(owner.knob))
    ]


def _of_decoder(flag: Flag) -> bool:
    return any((owner.kind, owner.knob) == ("tunings", "decoder") for owner in flag.owners)


def _filled(
    config: RunConfig,
    given: Mapping[str, Any],
    chosen: Mapping[str, str],
    knobs: Mapping[tuple[str, str], dict[str, Any]],
) -> RunConfig:
    def choice(kind: str, name: str) -> Choice:
        return Choice(name=name, knobs=knobs.get((kind, name), {}))

    def context(old: Any) -> Any:
        return old.model_copy(update={"knobs": knobs.get(("contexts", old.id), {})})

    values: dict[str, Any] = {name: choice(SINGLE[name], chosen[name]) for name in chosen}
    for name in SINGLE:
        default = getattr(config, name).name
        values.setdefault(name, choice(SINGLE[name], default))
    for name, kind in SEVERAL.items():
        values[kind] = tuple(choice(kind, one) for one in given.get(name, []))
    optim = {name: given[dashed(name)] for name in Optim.model_fields if dashed(name) in given}
    values |= {name: given[name] for name in ("keep", "seed", "beams", "half") if name in given}
    values["sources"] = tuple(context(source) for source in config.sources)
    values["target"] = context(config.target) if config.target else None
    made: RunConfig = _checked("", RunConfig, optim=_checked("", Optim, **optim), **values)
    return made
