"""`--method NAME`: the flags of the parts that a method is made of. What is typed beside it counts more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctx.errors import BadInput, UnknownName
from ctx.flags import SEVERAL, SINGLE, dashed, knob_flags
from ctx.parts import Choice
from ctx.recipes import METHOD, RECIPES, WHOLE, Recipe
from ctx.registry import KINDS

SETS = (*WHOLE, "penalties")  # kinds of parts that a method sets


def expanded(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed, a method replaced by its parts' flags; raises BadInput.

    ``given``: as `ctx.commands.asked.build` takes it.
    """
    typed = {name: value for name, value in given.items() if name != METHOD}
    if METHOD not in given:
        return typed
    name = given[METHOD]
    if name not in RECIPES:
        raise UnknownName(METHOD, name, list(RECIPES))
    recipe = RECIPES[name]
    _check_its_own(name, recipe, typed)
    found = dict(typed)
    for field, value in recipe.settings().items():
        if field in SINGLE:
            if found.setdefault(field, value.name) == value.name:
                found |= _knobs(SINGLE[field], value, typed)
            continue
        for flag, kind in SEVERAL.items():
            if kind == field:
                found[flag] = list(dict.fromkeys([*(one.name for one in value), *typed.get(flag, [])]))
    return found


def check_several(given: Mapping[str, Any]) -> None:
    """Raise BadInput where something is typed beside several methods that each of them sets."""
    for name in given:
        kinds = {owner.kind for owner in knob_flags()[name].owners} if name in knob_flags() else set()
        if kinds & set(SETS) or {**SINGLE, **SEVERAL}.get(name) in SETS:
            flag = name if name in knob_flags() else f"--{name}"
            raise BadInput(f"Each of several methods sets schedule, tuning, balancer and penalties: leave {flag} out.")


def _check_its_own(name: str, recipe: Recipe, typed: Mapping[str, Any]) -> None:
    """Raise BadInput where the part that makes the method is replaced."""
    flag = WHOLE.get(recipe.kind, "")
    if typed.get(flag, recipe.part) != recipe.part:
        kind = KINDS[recipe.kind]
        raise BadInput(
            f"--method {name} is the {kind} {recipe.part}, and --{flag} is {typed[flag]}: leave one of them out."
        )


def _knobs(kind: str, choice: Choice, typed: Mapping[str, Any]) -> dict[str, str]:
    """The flags of a choice's knobs, but for those that are typed, in whichever of their spellings."""
    said = {owner for option in typed if option in knob_flags() for owner in knob_flags()[option].owners}
    mine = {owner.knob for owner in said if (owner.kind, owner.part) == (kind, choice.name)}
    return {f"--{choice.name}.{dashed(knob)}": str(v) for knob, v in choice.knobs.items() if knob not in mine}
