"""The methods that the field uses, as settings: one click sets them, and they stay visible and can be changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ctx import study
from ctx.config import RunConfig, canonical
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.lab.effect import lam
from ctx.lab.history import changes
from ctx.parts import Choice
from ctx.registry import part

PLAIN = study.PLAIN | {"schedule": Choice(name="joint"), "tuning": Choice(name="full")}
THEN, BOTH = Choice(name="sequential"), Choice(name="joint", knobs={"lam": 1.0})
ULMFIT = Choice(name="gradual", knobs={"decay": 2.6})
WHOLE = {"schedules": "schedule", "tunings": "tuning", "balancers": "balancer"}


@dataclass(frozen=True)
class Method:
    """``said``: what it does, its formula and paper, as the part says it that makes it.

    ``config``: the settings with it, and ``parts``, the names of what they train; ``why_not``: a sentence where it
    can't be had here, "" where it can.
    """

    name: str
    title: str
    said: str
    config: RunConfig
    parts: tuple[object, ...]
    why_not: str = ""


def methods(config: RunConfig) -> list[Method]:
    """All of them, for these contexts and this backbone: each one part, and the schedule that it goes with."""
    both = {"schedule": BOTH}
    then = {"schedule": THEN}
    return [
        _offered(config, "target-only", t("Target only"), "schedules", "target-only"),
        _offered(config, "zero-shot", t("Zero-shot"), "schedules", "source-only"),
        _offered(config, "fine-tune", t("Fine-tuning"), "schedules", "sequential"),
        _offered(config, "multi-task", t("Multi-task"), "schedules", "joint", both),
        _offered(config, "stilts", t("STILTs"), "schedules", "intermediate"),
        _offered(config, "linear-probe", t("Linear probe"), "tunings", "head", then),
        _offered(config, "gradual", t("Gradual unfreezing"), "tunings", "gradual", then | {"tuning": ULMFIT}),
        _offered(config, "lora", t("LoRA"), "tunings", "lora", then),
        _offered(config, "adapters", t("Adapters"), "tunings", "adapter", then),
        _offered(config, "per-context", t("Context-adaptive"), "tunings", "per-context", both),
        _offered(config, "l2sp", t("L2-SP"), "penalties", "l2sp", then),
        _offered(config, "dann", t("DANN"), "penalties", "dann", both),
        _offered(config, "pcgrad", t("PCGrad"), "balancers", "pcgrad", both),
    ]


def chosen(config: RunConfig, there: Sequence[Method]) -> str:
    """The name of that of the methods whose parts a configuration has, whatever their knobs; "" for none of them."""
    try:
        own = _parts(canonical(config))
    except CtxError:
        return ""
    return next((one.name for one in there if not one.why_not and one.parts == own), "")


def changed(config: RunConfig, method: Method) -> str:
    """What of a method's knobs is set in another way than it sets them: ``rank 8 → 16``; "" where nothing is."""
    return changes(method.config, config)


def _parts(config: RunConfig) -> tuple[object, ...]:
    """The names of the parts that say how it trains."""
    penalties = frozenset(choice.name for choice in config.penalties)
    return (config.schedule.name, config.tuning.name, config.balancer.name, penalties)


def _offered(
    config: RunConfig, name: str, title: str, kind: str, made_by: str, others: dict[str, Any] | None = None
) -> Method:
    own: dict[str, Any] = (
        {kind: (Choice(name=made_by),)} if kind == "penalties" else {WHOLE[kind]: Choice(name=made_by)}
    )
    asked = config.model_copy(update=PLAIN | own | (others or {}))
    said, weight = part(kind, made_by).explained(), lam(asked)
    if weight is not None:
        said += " " + t("It is set with λ = {weight}.", weight=f"{weight:g}")
    try:
        found = _parts(canonical(asked))
        if found[0] == asked.schedule.name:
            return Method(name, title, said, asked, found)
        trains = part("schedules", str(found[0])).shown()
        why = t("With one source it is “{schedule}”: add one more source below.", schedule=trains)
    except CtxError as error:
        why = str(error)
    return Method(name, title, said, config, (), why)
