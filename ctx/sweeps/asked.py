"""The Map page as an address: the Lab's settings, ``axis.<setting>=values``, draws, baseline, cells; or a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ctx.config import RunConfig
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.lab import link
from ctx.lab.settings import Setting, settings
from ctx.parts import Choice
from ctx.recipes import METHOD
from ctx.registry import make
from ctx.store import Store
from ctx.sweeps.plan import MOST_AXES, MOST_CELLS, Sweep, axis, configured, value, varied

AXIS = "axis."
CELLS = ("random", "search")  # how many cells, and how they are chosen; without, all
OWN = ("map", "baseline", "draws", *CELLS)
LAYERS, SIZE, LAM = "tuning.layers", "target.size", "schedule.lam"
FREEZE = Choice(name="freeze")
USUAL = {LAM: "0, 0.01, 0.05, 0.1, 0.5, 1, 5", SIZE: "20, 50, 100, 200, 500"}
NEVER = ("target", "seed", "backbone.path", "backbone")  # other tests, other draws, another model: no one map
DRAWS, MOST_DRAWS, FEW = 3, 50, 20  # FEW: cells of a random part or a search to begin with


@dataclass(frozen=True)
class Asked:
    """``base`` as it stands, the axes' texts by setting, draws, baseline; and what could not be read.

    ``part``: one of `CELLS`, or "" for all cells; ``few``: how many it takes.
    """

    base: RunConfig
    texts: Mapping[str, str]
    draws: int
    baseline: bool
    notes: tuple[str, ...] = ()
    part: str = ""
    few: int = FEW

    def sweep(self) -> Sweep:
        """The sweep; raises BadInput with the first thing that can't be."""
        base = freezing(self.base) if LAYERS in self.texts else self.base
        axes = tuple(axis(base, name, text) for name, text in self.texts.items())
        sample, search = (self.few if self.part == name else None for name in CELLS)
        return Sweep(base=base, axes=axes, draws=self.draws, sample=sample, search=search, baseline=self.baseline)


def asked(address: Mapping[str, str], store: Store) -> Asked:
    """Read an address; without axes, those that suit the settings."""
    own = {name: value for name, value in address.items() if name in OWN or name.startswith(AXIS)}
    view = link.view({name: value for name, value in address.items() if name not in own}, store)
    notes = list(view.notes)
    texts = {name.removeprefix(AXIS): text for name, text in own.items() if name.startswith(AXIS)}
    known = {one.name for one in offered(view.config)}
    for name in [name for name in texts if name not in known]:
        notes.append(t("“{name}” in the address is left out: a map here can't vary it.", name=name))
        texts.pop(name)
    for name in list(texts)[MOST_AXES:]:
        notes.append(t("“{name}” in the address is left out: a map has at most {n} axes.", name=name, n=MOST_AXES))
        texts.pop(name)
    part = next((name for name in CELLS if name in own), "")
    return Asked(
        view.config,
        texts or suggested(view.config),
        _whole(own.get("draws", ""), MOST_DRAWS, DRAWS),
        own.get("baseline", "on") == "on",
        tuple(notes),
        part,
        _whole(own.get(part, ""), MOST_CELLS, FEW),
    )


def _whole(text: str, most: int, usual: int) -> int:
    """A number from 1 to the most; the usual one where the text is none."""
    return min(max(int(text), 1), most) if text.isdecimal() and len(text) < 5 else usual


def address(found: Asked, start: Mapping[str, str]) -> dict[str, str]:
    """The address of these; ``start`` holds the Lab's settings."""
    kept = {name: value for name, value in start.items() if name not in OWN and not name.startswith(AXIS)}
    return (
        kept
        | {AXIS + name: text for name, text in found.texts.items()}
        | {"draws": str(found.draws), "baseline": "on" if found.baseline else "off"}
        | ({found.part: str(found.few)} if found.part else {})
    )


def of(sweep: Sweep) -> dict[str, str]:
    """What an address says of a sweep beside the settings it is around."""
    part, few = next(((name, n) for name, n in zip(CELLS, (sweep.sample, sweep.search), strict=True) if n), ("", FEW))
    texts = {axis.name: ", ".join(map(link.to_text, axis.values)) for axis in sweep.axes}
    return address(Asked(sweep.base, texts, sweep.draws, sweep.baseline, (), part, few), {})


def freezing(config: RunConfig) -> RunConfig:
    """The configuration with a tuning that has a number of frozen layers."""
    if any(one.name == LAYERS for one in settings(config)):
        return config
    return config.model_copy(update={"tuning": FREEZE})


def offered(config: RunConfig) -> list[Setting]:
    """The settings that a map of this configuration may vary: those with an effect, and how many layers are frozen."""
    fitting = [one for one in settings(config) if not one.off and one.name not in NEVER and one.kind != "text"]
    found = {one.name: one for one in fitting if not (one.kind == "choice" and one.optional)}  # no further source
    for one in settings(freezing(config)):
        if one.name == LAYERS:
            found.setdefault(LAYERS, one)
    return [varied(config, METHOD), *found.values()]


def suggested(config: RunConfig) -> dict[str, str]:
    """Axes to begin with: λ where there is one, and how many labels the target has."""
    names = [name for name in (LAM, SIZE) if any(one.name == name for one in offered(config))]
    return {name: values(config, name) for name in names[:MOST_AXES]}


def values(config: RunConfig, name: str) -> str:
    """Values to begin with, as text: only such as can be run."""
    config = freezing(config) if name == LAYERS else config
    one = next((one for one in offered(config) if one.name == name), None)
    if one is None:
        return ""
    candidates = USUAL.get(name, "")
    if name == LAYERS:
        candidates = ", ".join(map(str, range(make("backbones", config.backbone).layers() + 1)))
    elif one.options:
        candidates = ", ".join(link.to_text(option) for option in one.options)
    elif one.kind == "switch":
        candidates = "off, on"
    elif not candidates:
        candidates = _around(one)
    return ", ".join(text for text in candidates.split(", ") if text and _can_be_run(config, one, text))


def _can_be_run(config: RunConfig, one: Setting, text: str) -> bool:
    try:
        configured(config, {one.name: value(one, text)})
    except CtxError:
        return False
    return True


def _around(one: Setting) -> str:
    """All of a few whole numbers; else the value itself with others about it."""
    low, high = one.low, one.high
    if one.kind == "whole" and low is not None and high is not None and high - low <= 12:
        return ", ".join(str(n) for n in range(int(low), int(high) + 1))
    at = one.value if isinstance(one.value, (int, float)) and one.value else one.default
    if not isinstance(at, (int, float)) or not at:
        return ""
    found = [at / 4, at / 2, at, at * 2, at * 4]
    within = [x for x in found if (low is None or x >= low) and (high is None or x <= high)]
    shown = [round(x) for x in within] if one.kind == "whole" else within
    return ", ".join(dict.fromkeys(f"{x:g}" for x in shown))
