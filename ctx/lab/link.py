"""What the Lab shows, as an address: ``?study=…`` and the settings that differ from it. Nonsense gets a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from typing import Any

from ctx import folders
from ctx.config import RunConfig, check
from ctx.errors import BadInput, CtxError
from ctx.i18n import t
from ctx.lab import data
from ctx.lab.applications import applications
from ctx.lab.settings import LISTS, NONE, PARTS, change, from_text, parted, setting, settings
from ctx.records import Study
from ctx.store import Store
from ctx.study import default_draws

FIRST = ("source", "target", *PARTS)  # settings that decide which others there are
FIRST_APPLICATION = "sentiment"
OWN = ("app", "study", "draws")  # what an address holds beside settings
MOST_DRAWS = 50  # of a study


@dataclass(frozen=True)
class View:
    """What is shown: an application, a study or None, the settings as they stand, and what could not be read.

    ``a_map``: the id of the study that was asked for, where it is a map.
    """

    application: str
    study: Study | None
    base: RunConfig
    config: RunConfig
    draws: int
    notes: tuple[str, ...] = ()
    a_map: str = ""

    @property
    def changed(self) -> bool:
        """Whether the settings are other than those of the study shown."""
        return self.study is not None and (self.config != self.base or self.draws != asked_draws(self.study))


def view(address: Mapping[str, str], store: Store, fallback: Callable[[str], bool] = lambda _: False) -> View:
    """Read an address. ``fallback``: whether an application opens with its sample contexts."""
    notes: list[str] = []
    study, a_map = None, ""
    if "study" in address:
        try:
            study = store.study(address["study"])
            asked(study)
            if study.is_map:
                a_map = study.id
                raise BadInput(t("Study {id} is a map: the Map page shows it.", id=study.id))
        except CtxError as error:
            study = None
            notes.append(str(error))
    application = _application(address, study, notes)
    base = asked(study) if study else data.default(application)
    names = [name for name in address if name not in OWN]
    stand_in = data.sample(application)
    if fallback(application) and study is None and not names and stand_in is not None:
        config = stand_in
    else:
        config = _settled(base, {name: address[name] for name in names}, notes)
    draws = asked_draws(study) if study else default_draws(config)
    if "draws" in address:
        draws = _draws(address["draws"], draws, notes)
    return View(application, study, base, config, draws, tuple(notes), a_map)


def address(view: View, config: RunConfig, draws: int | None = None) -> dict[str, str]:
    """The address of a view with these settings; ``draws`` None is what suits them."""
    found = {} if view.application == FIRST_APPLICATION or view.study else {"app": view.application}
    if view.study:
        found["study"] = view.study.id
    usual = asked_draws(view.study) if view.study else default_draws(config)
    if draws is not None and draws != usual:
        found["draws"] = str(draws)
    return found | parameters(config, view.base)


def parameters(config: RunConfig, base: RunConfig) -> dict[str, str]:
    """The settings in which a configuration differs from another, as text."""
    found: dict[str, str] = {}
    wanted, there = _values(config), _values(base)
    gone = [f"source.{n}" for n in range(len(base.sources), max(len(config.sources), 1), -1)]
    first = [name for name in wanted if _first(name) and name not in gone]
    others = [name for name in wanted if not _first(name)]
    for name in [*sorted(first, key=_order), *gone, *others]:
        value = wanted.get(name)
        if value != there.get(name):
            base = change(base, name, value)
            there = _values(base)  # all of them, only once one has changed: making them takes milliseconds
            found[name] = to_text(value)
    for name, value in there.items():  # penalties that are off here
        if name.split(".")[0] in LISTS and value is True and not wanted.get(name):
            found[name] = to_text(False)
    return found


def _first(name: str) -> bool:
    """Whether a setting decides which others there are: a context, or a part."""
    key, inner = parted(name)
    return not inner and (key in FIRST or key.startswith("source."))


def _order(name: str) -> tuple[int, int]:
    """Where a setting that decides which others there are comes among such: further sources behind all others."""
    return (FIRST.index(name), 0) if name in FIRST else (len(FIRST), int(name.partition(".")[2]))


def _values(config: RunConfig) -> dict[str, Any]:
    return {one.name: one.value for one in settings(config)}


def to_text(value: Any) -> str:
    """A setting's value as an address carries it."""
    if value is None:
        return "auto"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _settled(config: RunConfig, wanted: Mapping[str, str], notes: list[str]) -> RunConfig:
    first = sorted(filter(_first, wanted), key=_order)
    gone = [name for name in reversed(first) if "." in name and wanted[name] in NONE]
    order = [*(name for name in first if name not in gone), *gone]
    others = [name for name in wanted if not _first(name)]  # sizes before what is only checked beside them
    order += sorted(others, key=lambda name: (not name.endswith(".size"), name))
    with suppress(CtxError):  # as a whole they may go together where one by one they don't
        return check(reduce(lambda so_far, name: _with(so_far, name, wanted[name]), order, config))
    for name in order:
        try:
            changed = _with(config, name, wanted[name])
            config = changed if _first(name) else check(changed)
        except CtxError as error:
            notes.append(_unread(name, wanted[name], str(error)))
    try:
        return check(config)
    except CtxError as error:
        notes.append(t("The settings in the address don't go together. {error}", error=str(error)))
        return data.default(config.task().applications[0])


def _with(config: RunConfig, name: str, text: str) -> RunConfig:
    """The configuration with one setting as an address has it."""
    changed = change(config, name, from_text(setting(config, name), text))
    if name == "backbone.path":
        folders.check_allowed(text)
    return changed


def _unread(name: str, text: str, why: str) -> str:
    why = why.rstrip(".")
    return t("“{name}={text}” in the address is left out: {why}.", name=name, text=text[:40], why=why)


def _application(address: Mapping[str, str], study: Study | None, notes: list[str]) -> str:
    if study is not None:
        return str(asked(study).task().applications[0])
    wanted = address.get("app") or next(
        (address[key].partition("/")[0] for key in ("target", "source") if key in address), FIRST_APPLICATION
    )
    if wanted in applications():
        return wanted
    if "app" in address:
        known = ", ".join(applications())
        notes.append(_unread("app", wanted, t("it should be one of: {known}", known=known)))
    return FIRST_APPLICATION


def _draws(text: str, usual: int, notes: list[str]) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_DRAWS:
        return int(text)
    notes.append(_unread("draws", text, t("it should be a number from 1 to {most}", most=MOST_DRAWS)))
    return usual


def spec(config: RunConfig, draws: int, guess: str | None) -> dict[str, Any]:
    """What a study keeps of what was asked."""
    return {"chosen": config.model_dump(mode="json"), "draws": draws, "guess": guess}


def asked(study: Study) -> RunConfig:
    """The setting that a study is about; raises BadInput where this version can't read it."""
    try:
        return check(RunConfig.model_validate(study.config["chosen"]))
    except (KeyError, ValueError):
        raise BadInput(t("Study {id} was stored by another version of ctx: start a new one.", id=study.id)) from None


def asked_draws(study: Study) -> int:
    """How many draws a study was asked for."""
    return int(study.config.get("draws") or 1)
