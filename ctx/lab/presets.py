"""Try next: settings that change one thing and are worth a surprise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ctx.config import RunConfig, check
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.lab.data import needed
from ctx.lab.settings import change


@dataclass(frozen=True)
class Preset:
    """A button: what it says, why one would press it, and the configuration it leads to."""

    name: str
    title: str
    why: str
    config: RunConfig


def presets(config: RunConfig) -> list[Preset]:
    """Those that can be run here and change something, at most five."""
    lesson = config.task().applications[0] == "lesson"
    found = []
    for name, title, why, changes in _lesson() if lesson else _sentiment():
        try:
            changed = config
            for setting, value in changes.items():
                changed = change(changed, setting, value)
            check(changed)
        except CtxError:
            continue
        if changed != config and not needed(changed):
            found.append(Preset(name, title, why, changed))
    return found[:5]


def _sentiment() -> list[tuple[str, str, str, dict[str, Any]]]:
    hurting = {"source": "sentiment/movies", "target": "sentiment/tweets", "target.size": 500, "schedule": "joint"}
    return [
        (
            "more",
            t("500 labels: still worth it?"),
            t("With more labels of its own, does the target need a source?"),
            {"target.size": 500},
        ),
        (
            "hurts",
            t("A source that hurts"),
            t("Film reviews for tweets, which have 500 labels of their own."),
            hurting | {"schedule.lam": 0.1},
        ),
        ("all", t("200 labels"), t("Ten times the labels."), {"target.size": 200}),
        ("few", t("20 labels"), t("Few labels: here a source has most to give."), {"target.size": 20}),
        (
            "swap",
            t("The other way round"),
            t("The target helps the source: what is easy one way may be hard back."),
            {},
        ),
    ]


def _lesson() -> list[tuple[str, str, str, dict[str, Any]]]:
    return [
        (
            "opposed",
            t("An opposed teacher"),
            t("Every answer of the source is the wrong way round."),
            {"source": "lesson/relative", "source.relatedness": -1.0},
        ),
        (
            "unrelated",
            t("An unrelated teacher"),
            t("The source has nothing to do with the target."),
            {"source": "lesson/relative", "source.relatedness": 0.0},
        ),
        (
            "forgot",
            t("Forget to copy the weights"),
            t("What the textbook listing does: the target starts afresh."),
            {"schedule": "sequential", "schedule.copy_weights": False},
        ),
        ("noise", t("Pure noise as source"), t("Answers drawn at random."), {"source": "lesson/noise"}),
        (
            "more",
            t("500 labels: still worth it?"),
            t("With more labels of its own, does the target need a source?"),
            {"target.size": 500},
        ),
        (
            "same",
            t("The same teacher"),
            t("The source is the target's own teacher."),
            {"source": "lesson/relative", "source.relatedness": 1.0},
        ),
    ]


def swapped(config: RunConfig) -> RunConfig:
    """Source and target the other way round; the number of labels stays with the target's place."""
    if not config.sources or config.target is None:
        return config
    source, target = config.sources[0], config.target
    other = source.model_copy(update={"id": target.id, "knobs": target.knobs})
    mine = target.model_copy(update={"id": source.id, "knobs": source.knobs})
    return config.model_copy(update={"sources": (other, *config.sources[1:]), "target": mine})
