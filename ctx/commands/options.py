"""The options of a command that takes a configuration: made from RunConfig, Optim and the registry."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Annotated, Any, get_args

import typer
from pydantic.fields import FieldInfo

from ctx.config import BEAMS, HALF, Optim
from ctx.flags import SEVERAL, SINGLE, Flag, dashed, knob_flags
from ctx.recipes import METHOD, RECIPES
from ctx.registry import KINDS, registry

CONTEXTS, PARTS, TRAINING = "Contexts", "Parts", "Training"


def takes_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command every flag of a configuration; its first argument gets what was typed, by the flag's name."""
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    options = list(_options())
    keys = {parameter.name: key for key, parameter in options}

    def wrapper(**values: Any) -> Any:
        typed = {key: values.pop(name) for name, key in keys.items()}
        return command({key: value for key, value in typed.items() if value not in (None, [])}, **values)

    wrapper.__name__, wrapper.__doc__ = command.__name__, command.__doc__
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    parameters = [parameter for _, parameter in options] + own
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {}
    return wrapper


def _options() -> Iterator[tuple[str, inspect.Parameter]]:
    """Each flag's name and its parameter."""
    several, one = list[str] | None, str | None
    yield _option("source", several, "A context to learn from: ID or ID=WEIGHT; repeat for several.", CONTEXTS, "ID")
    yield _option("source-size", several, "Labels used of the source, or of each; “all” by default.", CONTEXTS, "N")
    yield _option("target", one, "The context to do well on.", CONTEXTS, "ID")
    yield _option("target-size", one, "Labels used of the target, selection included; “all” by default.", CONTEXTS, "N")
    yield _option(METHOD, one, f"{', '.join(RECIPES)}: sets the parts below; what is typed counts more.", PARTS, "NAME")
    for name, kind in SINGLE.items():
        yield _option(name, one, f"One of {', '.join(registry(kind))}.", PARTS, "NAME")
    for name, kind in SEVERAL.items():
        known = ", ".join(registry(kind)) or "none yet"
        yield _option(name, several, f"One more {KINDS[kind]}; there are: {known}.", PARTS, "NAME")
    for name, field in Optim.model_fields.items():
        yield _option(dashed(name), _switch(field), _help(field), TRAINING, _type(field))
    yield _option("keep", one, "Which weights are kept: auto, best or last.", TRAINING, "NAME")
    yield _option("seed", one, "The draw: picks the subset, the start and the order.", TRAINING, "N")
    yield _option("beams", one, BEAMS, TRAINING, "N")
    yield _option("half", bool | None, HALF, TRAINING, "")
    for option, flag in sorted(knob_flags().items(), key=lambda item: not item[1].short):
        yield _knob_option(option, flag)


def _knob_option(option: str, flag: Flag) -> tuple[str, inspect.Parameter]:
    having = ", ".join(dict.fromkeys(owner.part for owner in flag.owners))
    kind = flag.owners[0].kind
    panel = "Knobs by their short names" if flag.short else f"Knobs of {kind}"
    help = _help(flag.field) + (f" ({having})" if flag.short or flag.role else "")
    by_name = kind == "contexts" and not flag.short and not flag.role  # one a context: too many for the help
    _, parameter = _option(option[2:], _switch(flag.field), help, panel, _type(flag.field), by_name)
    return option, parameter


def _option(
    name: str, annotation: Any, help: str, panel: str, metavar: str, hidden: bool = False
) -> tuple[str, inspect.Parameter]:
    switch = annotation == bool | None
    spelled = parsed(name)
    info = typer.Option(
        f"--{spelled}/--no-{spelled}" if switch else f"--{spelled}",
        help=help.replace("[", r"\["),
        rich_help_panel=panel,
        metavar=None if switch else metavar,
        show_default=False,
        hidden=hidden,
    )
    identifier = "option_" + "".join(c if c.isalnum() else f"_{ord(c)}_" for c in name)
    kind = inspect.Parameter.KEYWORD_ONLY
    return name, inspect.Parameter(identifier, kind, default=None, annotation=Annotated[annotation, info])


def parsed(name: str) -> str:
    """A flag's name as the parser knows it: dashes for underscores, and ":" for "/", which it takes for on and off."""
    return dashed(name).replace("/", ":")


def _switch(field: FieldInfo) -> Any:
    return bool | None if field.annotation is bool else str | None


def _help(field: FieldInfo) -> str:
    default = "" if field.default in (None, "") or isinstance(field.default, bool) else f" Default: {field.default}."
    return (field.description or "") + default


def _type(field: FieldInfo) -> str:
    kinds = get_args(field.annotation) or (field.annotation,)
    return {int: "N", float: "NUMBER"}.get(next(kind for kind in kinds if kind is not type(None)), "VALUE")
