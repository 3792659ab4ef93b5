"""A sweep written down: a YAML file of flags without their dashes, several values as a list."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from ctx.config import Optim
from ctx.errors import BadInput
from ctx.flags import ROLES, SEVERAL, SINGLE, dashed, knob_flags

OWN: dict[str, type] = {"seeds": int, "random": int, "search": int, "baseline": bool}
LARGEST = 100_000  # bytes


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the flags would have been, and what is the sweep's own (`OWN`); raises BadInput."""
    try:
        if path.stat().st_size > LARGEST:
            raise BadInput(f"{path} has {path.stat().st_size} bytes: a sweep's file has at most {LARGEST}.")
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} can't be read: {error}.") from None
    except (yaml.YAMLError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        place = f" in line {where.line + 1}" if where else ""
        raise BadInput(f"{path} is not YAML{place}: write “flag: value”, or “flag: [value, value]”.") from None
    if not isinstance(found, dict):
        raise BadInput(f"{path} holds no flags: write “flag: value”, or “flag: [value, value]”.")
    given: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for name, value in found.items():
        if name in OWN:
            own[name] = _own(path, name, value)
        else:
            flag = _flag(path, str(name))
            given[flag] = _values(path, flag, value)
    return given, own


_LISTS = ("source", "source-size", *SEVERAL)


def _values(path: Path, flag: str, value: Any) -> Any:
    """As the flag's text; several augmentations or penalties are used together, they don't vary."""
    if flag in SEVERAL:
        return [_text(path, flag, one) for one in (value if isinstance(value, list) else [value])]
    return [_text(path, flag, value)] if flag in _LISTS else _text(path, flag, value)


def _own(path: Path, name: str, value: Any) -> Any:
    kind = OWN[name]
    if type(value) is not kind or (isinstance(value, int) and value < (kind is int)):
        wanted = "true or false" if kind is bool else "a number from 1 on"
        raise BadInput(f"{path}: {name} is {value!r}; give {wanted}.")
    return value


def _flag(path: Path, name: str) -> str:
    """The flag's name as `ctx.commands.asked.build` knows it."""
    plain = [*SINGLE, *SEVERAL, *ROLES, *(f"{role}-size" for role in ROLES), "keep", "seed", "beams", "half"]
    plain += ["method", *(dashed(field) for field in Optim.model_fields)]
    if name in plain:
        return name
    if f"--{name}" in knob_flags():
        return f"--{name}"
    known = [*plain, *OWN, *(option[2:] for option in knob_flags())]
    near = get_close_matches(name, known, 1)
    raise BadInput(f"{path}: there is no flag “{name}”" + (f"; is “{near[0]}” meant?" if near else "."))


def _text(path: Path, flag: str, value: Any) -> str:
    values = value if isinstance(value, list) else [value]
    if not values or any(isinstance(one, (dict, list)) for one in values):
        raise BadInput(f"{path}: {flag} is {value!r}; give a value, or a list of values.")
    return ",".join(
        "none" if one is None else "on" if one is True else "off" if one is False else str(one) for one in values
    )
