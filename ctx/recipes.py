"""The methods that the field uses, by name: which parts each is made of. What is shown of them is `ctx.lab.methods`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ctx import study
from ctx.config import RunConfig, canonical
from ctx.errors import BadInput, CtxError
from ctx.i18n import t
from ctx.parts import Choice
from ctx.registry import part

PLAIN = study.PLAIN | {"schedule": Choice(name="joint"), "tuning": Choice(name="full")}
THEN, BOTH = Choice(name="sequential"), Choice(name="joint", knobs={"lam": 1.0})
ULMFIT = Choice(name="gradual", knobs={"decay": 2.6})
METHOD = "method"  # what it is called as a flag and as an axis of a map
WHOLE = {"schedules": "schedule", "tunings": "tuning", "balancers": "balancer"}


@dataclass(frozen=True)
class Recipe:
    """One part makes the method, of this kind and name; ``others``: what it goes with, by its field of a RunConfig."""

    kind: str
    part: str
    others: dict[str, Choice] = field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        """Fields of a RunConfig: schedule, tuning, balancer and penalties, all of them."""
        own = Choice(name=self.part)
        mine: dict[str, Any] = {"penalties": (own,)} if self.kind == "penalties" else {WHOLE[self.kind]: own}
        return PLAIN | mine | self.others


RECIPES = {
    "target-only": Recipe("schedules", "target-only"),
    "zero-shot": Recipe("schedules", "source-only"),
    "fine-tune": Recipe("schedules", "sequential"),
    "multi-task": Recipe("schedules", "joint", {"schedule": BOTH}),
    "stilts": Recipe("schedules", "intermediate"),
    "linear-probe": Recipe("tunings", "head", {"schedule": THEN}),
    "gradual": Recipe("tunings", "gradual", {"schedule": THEN, "tuning": ULMFIT}),
    "lora": Recipe("tunings", "lora", {"schedule": THEN}),
    "adapters": Recipe("tunings", "adapter", {"schedule": THEN}),
    "per-context": Recipe("tunings", "per-context", {"schedule": BOTH}),
    "l2sp": Recipe("penalties", "l2sp", {"schedule": THEN}),
    "dann": Recipe("penalties", "dann", {"schedule": BOTH}),
    "pcgrad": Recipe("balancers", "pcgrad", {"schedule": BOTH}),
}


def with_recipe(config: RunConfig, recipe: Recipe) -> RunConfig:
    """A configuration with a method's settings; raises BadInput, or what `canonical` does, where it can't be had."""
    asked = config.model_copy(update=recipe.settings())
    trains = canonical(asked)
    if trains.schedule.name != asked.schedule.name:
        shown = part("schedules", trains.schedule.name).shown()
        raise BadInput(t("With one source it is “{schedule}”: add one more source.", schedule=shown))
    if trains.tuning.name != asked.tuning.name:
        shown, n = part("tunings", trains.tuning.name).shown(), config.optim.epochs
        raise BadInput(t("With epochs {n} it is “{tuning}”: choose more epochs.", n=n, tuning=shown))
    return asked


def made_by(config: RunConfig) -> str:
    """The name of the method whose parts a configuration has, whatever their knobs; "" for none of them."""
    try:
        own = _parts(canonical(config))
    except CtxError:
        return ""
    return next((name for name, one in RECIPES.items() if _parts(config.model_copy(update=one.settings())) == own), "")


def _parts(config: RunConfig) -> tuple[object, ...]:
    """The names of the parts that say how it trains."""
    penalties = frozenset(choice.name for choice in config.penalties)
    return (config.schedule.name, config.tuning.name, config.balancer.name, penalties)
