"""Every setting of a run as data, made from the knobs that parts declare: forms, addresses and differences read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from ctx import data
from ctx.checks import renewable
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, frozen_parts
from ctx.errors import BadInput, CtxError
from ctx.i18n import t
from ctx.lab.effect import why_not, why_off
from ctx.parts import Augmentation, Backbone, Choice, Part
from ctx.registry import KINDS, OWNER, contexts, make, part, registry

PARTS = {"schedule": "schedules", "tuning": "tunings", "backbone": "backbones", "balancer": "balancers"}
LISTS = {"penalty": "penalties", "augment": "augment"}
Kind = Literal["choice", "switch", "whole", "number", "text"]
NONE = ("auto", "all", "none", "")  # texts for no value
LONGEST = 12  # characters of a number
MOST_SOURCES = 5  # that a form has room for


@dataclass(frozen=True)
class Setting:
    """One setting. ``off`` says why it has no effect here, "" where it has; ``optional`` ones may be None."""

    name: str
    group: str
    kind: Kind
    value: Any
    default: Any
    help: str = ""
    options: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    log: bool = False
    optional: bool = False
    off: str = ""


def settings(config: RunConfig) -> list[Setting]:
    """All settings that this configuration has, in the order of a form."""
    found = [*_contexts(config), *_parts(config), *_lists(config)]
    found += _fields("optim", "optim", Optim, config.optim)
    keeps = get_args(RunConfig.model_fields["keep"].annotation)
    found.append(Setting("keep", "optim", "choice", config.keep, "best", t("Which weights a phase ends with."), keeps))
    if config.task().writes:
        found.append(_field("beams", "optim", RunConfig.model_fields["beams"], config.beams))
    found.append(_field("half", "optim", RunConfig.model_fields["half"], config.half))
    found.append(Setting("seed", "optim", "whole", config.seed, 0, t("The first draw's seed."), low=0, high=2**31 - 1))
    return [
        Setting(**(vars(setting) | {"off": reason})) if (reason := why_off(config, setting.name)) else setting
        for setting in found
    ]


def setting(config: RunConfig, name: str) -> Setting:
    """The setting of this name; raises BadInput where this configuration has none."""
    for one in settings(config):
        if one.name == name:
            return one
    raise BadInput(t("There is no setting “{name}” here: it belongs to another choice of parts.", name=name))


def from_text(one: Setting, text: str) -> Any:
    """The value that a text means for a setting; raises BadInput with what would do."""
    if one.optional and text in NONE:
        return None
    if one.kind == "switch" and text in ("on", "off"):
        return text == "on"
    if one.kind in ("whole", "number"):
        try:
            if len(text) > LONGEST:
                raise ValueError
            return int(text) if one.kind == "whole" else float(text)
        except ValueError:
            raise BadInput(t("it should be a number")) from None
    for option in one.options:
        if str(option) == text:
            return option
    if one.kind == "text":
        return text
    known = ", ".join(["on", "off"] if one.kind == "switch" else [str(option) for option in one.options])
    raise BadInput(t("it should be one of: {known}", known=known))


def change(config: RunConfig, name: str, value: Any) -> RunConfig:
    """The configuration with one setting changed; raises BadInput with a sentence."""
    key, inner = parted(name)
    dump = config.model_dump()
    if key.partition(".")[0] in ("source", "target"):
        _change_context(dump, config, key, inner, value)
    elif key in PARTS:
        dump[key] = _with(dump[key], inner, value) if inner else _named(config, key, value)
    elif key in LISTS:
        dump[LISTS[key]] = _change_list(dump[LISTS[key]], inner, value)
    elif key == "optim":
        dump["optim"][inner] = value
    elif key in ("keep", "seed", "beams", "half"):
        dump[key] = value
    else:
        raise BadInput(t("There is no setting “{name}”.", name=name))
    if name == "backbone" and (offered := part("backbones", value).offered()):
        dump["backbone"]["knobs"] = {"path": str(offered[0])}
    try:
        changed = RunConfig.model_validate(dump)
        return _fitted(changed) if name in ("tuning", "backbone") else changed
    except ValidationError as error:
        first = error.errors()[0]
        reason = first["msg"][:1].lower() + first["msg"][1:]
        raise BadInput(t("{name} is {value}: {reason}.", name=name, value=repr(value), reason=reason)) from None


def parted(name: str) -> tuple[str, str]:
    """What a setting belongs to, and its name there: ("source.2", "size"), ("schedule", "lam"), ("target", "")."""
    key, _, inner = name.partition(".")
    number, _, rest = inner.partition(".")
    further = key == "source" and number in map(str, range(2, MOST_SOURCES + 1))
    return (f"{key}.{number}", rest) if further else (key, inner)


def _fitted(config: RunConfig) -> RunConfig:
    """No more frozen layers and parts than there are, after another backbone or tuning was chosen."""
    backbone = make("backbones", config.backbone)
    changes = make("tunings", config.tuning).fitted(backbone.layers())
    fitted = Choice(name=config.tuning.name, knobs=config.tuning.knobs | changes)
    config = config.model_copy(update={"tuning": fitted})
    config = _at_most(config, "reinit", renewable(make("tunings", config.tuning), backbone))
    return _at_most(config, "decoder", frozen_parts(config)[1])


def _at_most(config: RunConfig, knob: str, most: int) -> RunConfig:
    fields = part("tunings", config.tuning.name).Knobs.model_fields
    if knob not in fields or config.tuning.knobs.get(knob, fields[knob].default) <= most:
        return config
    fitted = Choice(name=config.tuning.name, knobs=config.tuning.knobs | {knob: most})
    return config.model_copy(update={"tuning": fitted})


def _named(config: RunConfig, key: str, name: str) -> dict[str, Any]:
    """A part by name; of a tuning's knobs all stay as they are that the next one has too."""
    kept = config.tuning.knobs if key == "tuning" else {}
    fields = part(PARTS[key], name).Knobs.model_fields
    return {"name": name, "knobs": {knob: value for knob, value in kept.items() if knob in fields}}


def _with(choice: dict[str, Any], knob: str, value: Any) -> dict[str, Any]:
    return {"name": choice["name"], "knobs": choice["knobs"] | {knob: value}}


def _change_context(dump: dict[str, Any], config: RunConfig, key: str, inner: str, value: Any) -> None:
    """A context, or one of its settings. A further source comes in behind the others, and goes where it is None."""
    old = config.contexts().get(key)
    place = int(key.partition(".")[2] or 1) - 1 if key != "target" else 0
    if key != "target" and place > len(dump["sources"]):
        raise BadInput(t("There is no {key}: name the sources before it first.", key=key))
    if place and not inner and value is None:
        dump["sources"] = [*dump["sources"][:place], *dump["sources"][place + 1 :]]
        return
    fresh = {"id": value, "size": old.size if old else None, "knobs": {}}
    changed = fresh if not inner else old.model_dump() if old else fresh
    if inner in ("size", "weight"):
        changed[inner] = value
    elif inner:
        changed["knobs"] = changed["knobs"] | {inner: value}
    if key == "target":
        dump["target"] = changed
    else:
        dump["sources"] = [*dump["sources"][:place], changed, *dump["sources"][place + 1 :]]


def _change_list(chosen: list[dict[str, Any]], inner: str, value: Any) -> list[dict[str, Any]]:
    name, _, knob = inner.partition(".")
    if not knob:
        rest = [choice for choice in chosen if choice["name"] != name]
        return [*rest, {"name": name}] if value else rest
    return [_with(choice, knob, value) if choice["name"] == name else choice for choice in chosen]


def _contexts(config: RunConfig) -> Iterator[Setting]:
    application = config.task().applications
    names = tuple(name for name, cls in contexts(OWNER).items() if cls.application in application)
    for key, choice in config.contexts().items():
        group, further = key.partition(".")[0], "." in key
        yield Setting(key, group, "choice", choice.id, None, t("The context."), names, optional=further)
        sizes = _sizes(choice)
        text = t("Labels of it that a run may use; empty: all.")
        yield Setting(f"{key}.size", group, "whole", choice.size, None, text, (), 1, sizes.get("train"), optional=True)
        if isinstance(choice, SourceChoice):
            yield from _fields(key, group, SourceChoice, choice, only=("weight",))
        yield from _fields(key, group, part("contexts", choice.id).Knobs, choice.knobs)
    if 0 < len(config.sources) < MOST_SOURCES:
        help = t("One more context to learn from, beside the source or after it, as the schedule says.")
        key = f"source.{len(config.sources) + 1}"
        yield Setting(key, "source", "choice", None, None, help, names, optional=True)


def _sizes(choice: ContextChoice) -> dict[str, int]:
    try:
        return data.sizes(choice)
    except CtxError:
        return {}


def _parts(config: RunConfig) -> Iterator[Setting]:
    application = config.task().applications
    for key, kind in PARTS.items():
        choice: Choice = getattr(config, key)
        names = tuple(name for name, cls in registry(kind).items() if _fits(cls, application))
        reasons = {name: why for name in names if name != choice.name and (why := why_not(config, key, name))}
        default = RunConfig.model_fields[key].default.name
        cls = part(kind, choice.name)
        help = cls.summary()
        for why, those in _alike(kind, reasons).items():
            help += " " + t("Not here: {names}. {why}", names=", ".join(those), why=why)
        yield Setting(key, key, "choice", choice.name, default, help, tuple(n for n in names if n not in reasons))
        for one in _fields(key, key, cls.Knobs, choice.knobs):
            if one.name == "backbone.path":
                one = replace(one, kind="choice", options=tuple(map(str, cls.offered())))
            if one.name == "tuning.reinit":
                most = renewable(make("tunings", config.tuning), make("backbones", config.backbone))
                one = replace(one, high=most)
            yield replace(one, high=frozen_parts(config)[1]) if one.name == "tuning.decoder" else one


def _alike(kind: str, reasons: Mapping[str, str]) -> dict[str, list[str]]:
    """What parts are called by why they aren't offered, each reason once: "Such a balancer compares …"."""
    found: dict[str, list[str]] = {}
    for name, why in reasons.items():
        said = why.replace(f"The {KINDS[kind]} {name} ", t("Such a {kind}", kind=KINDS[kind]) + " ")
        found.setdefault(said, []).append(part(kind, name).shown())
    return found


def _fits(cls: type[Part], application: tuple[str, ...]) -> bool:
    serves: tuple[str, ...] = getattr(cls, "applications", ())
    if issubclass(cls, Backbone) and "path" in cls.Knobs.model_fields and not cls.offered():
        return False
    return not serves or bool(set(serves) & set(application))


def _lists(config: RunConfig) -> Iterator[Setting]:
    for key, kind in LISTS.items():
        chosen = {choice.name: choice for choice in getattr(config, kind)}
        for name, cls in registry(kind).items():
            if name not in chosen and not _offered(cls, config):
                continue
            yield Setting(f"{key}.{name}", key, "switch", name in chosen, False, cls.explained())
            if name in chosen:
                yield from _fields(f"{key}.{name}", key, cls.Knobs, chosen[name].knobs)


def _offered(cls: type[Part], config: RunConfig) -> bool:
    """Whether an augmentation means something for these contexts and this backbone; other parts always."""
    if not issubclass(cls, Augmentation):
        return True
    backbone = part("backbones", config.backbone.name)
    return any(not cls.unfit(application, backbone) for application in config.task().applications)


def _fields(
    prefix: str, group: str, model: type[BaseModel], values: Any, only: tuple[str, ...] = ()
) -> Iterator[Setting]:
    """The fields of a pydantic model as settings. ``values``: a mapping of those that are set, or an instance."""
    for name, field in model.model_fields.items():
        if only and name not in only:
            continue
        value = values.get(name, field.default) if isinstance(values, dict) else getattr(values, name)
        yield _field(f"{prefix}.{name}", group, field, value)


def _field(name: str, group: str, field: FieldInfo, value: Any) -> Setting:
    types = get_args(field.annotation) or (field.annotation,)
    options: tuple[Any, ...] = ()
    kind: Kind = "text"
    if bool in types:
        kind = "switch"
    elif float in types:
        kind = "number"
    elif int in types:
        kind = "whole"
    elif str not in types:
        kind, options = "choice", types
    low: Any = next((m.ge if isinstance(m, Ge) else m.gt for m in field.metadata if isinstance(m, Ge | Gt)), None)
    high: Any = next((m.le if isinstance(m, Le) else m.lt for m in field.metadata if isinstance(m, Le | Lt)), None)
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    bounds: dict[str, Any] = {"low": low, "high": high, "log": bool(extra.get("log"))}
    optional = type(None) in types
    return Setting(
        name, group, kind, value, field.default, field.description or "", options, optional=optional, **bounds
    )
