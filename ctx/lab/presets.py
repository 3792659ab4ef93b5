"""Try next: settings that change one thing and are worth a surprise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ctx.config import RunConfig, check
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.lab.applications import amount
from ctx.lab.data import counted, needed
from ctx.lab.settings import change

MOST = 5


@dataclass(frozen=True)
class Preset:
    """A button: what it says, why one would press it, and the configuration it leads to."""

    name: str
    title: str
    why: str
    config: RunConfig


def presets(config: RunConfig) -> list[Preset]:
    """Those that can be run here and change something, at most five."""
    application = config.task().applications[0]
    offered = {"lesson": _lesson, "sentiment": _sentiment}.get(application, _others)
    found = []
    for preset in offered(config):
        if preset is not None and preset.config != config and not needed(preset.config):
            found.append(preset)
    return found[:MOST]


def _preset(config: RunConfig, name: str, title: str, why: str, **changes: Any) -> Preset | None:
    """The preset with these settings changed (``__`` stands for the point); None where they don't go together.

    None, too, where nobody has read one of its contexts yet.
    """
    try:
        for setting, value in changes.items():
            config = change(config, setting.replace("__", "."), value)
        return Preset(name, title, why, check(config)) if counted(config) else None
    except CtxError:
        return None


def _sentiment(config: RunConfig) -> list[Preset | None]:
    hurting = {"source": "sentiment/movies", "target": "sentiment/tweets", "target__size": 500}
    samples = config.target is not None and "/sample-" in config.target.id
    other = {"source": "sentiment/sample-cafes-zh"} if samples else {"backbone": "tiny", "tuning": "full"}
    title = t("A source in another language") if samples else t("Without pretraining")
    why = t("This encoder has never seen one.") if samples else t("A small encoder that has read nothing before.")
    few, more = t("Few labels: here a source has most to give."), t("With more labels, does the target need a source?")
    return [
        _preset(config, "more", t("500 labels: still worth it?"), more, target__size=500),
        _preset(config, "many", t("200 labels: still worth it?"), more, target__size=200) if samples else None,
        _preset(config, "few", t("20 labels"), few, target__size=20),
        _preset(
            config,
            "hurts",
            t("A source that hurts"),
            t("Film reviews for tweets, which have 500 labels of their own."),
            **hurting,
            schedule="joint",
            schedule__lam=0.1,
        ),
        _preset(swapped(config), "swap", t("The other way round"), t("What is easy one way may be hard back.")),
        _preset(config, "other", title, why, **other),
    ]


def _others(config: RunConfig) -> list[Preset | None]:
    """For names, translation and summaries: another kind of source, fewer and more labels, no pretraining."""
    application = config.task().applications[0]
    more, few = t("With more of them, does the target need a source?"), t("With few, a source has most to give.")
    title, what, pair = _kinds()[application]
    why = t("A small encoder that has read nothing before.")
    twenty, many = amount(application, 20), t("{some}: still worth it?", some=amount(application, 300))
    return [
        _preset(config, "kind", title, what, **pair),
        _preset(config, "few", twenty, few, target__size=20),
        _preset(config, "many", many, more, target__size=300),
        _preset(swapped(config), "swap", t("The other way round"), t("What is easy one way may be hard back.")),
        _preset(config, "plain", t("Without pretraining"), why, backbone="tiny", tuning="full"),
    ]


def _kinds() -> dict[str, tuple[str, str, dict[str, str]]]:
    """By application a source of another kind: what the button says, why, and the pair."""
    domain = {"source": "translation/notebooks-en-es", "target": "translation/cms-en-es"}
    library = {"source": "summarisation/scipy", "target": "summarisation/pandas"}
    names = {"source": "ner/news-zh", "target": "ner/tweets-en"}
    return {
        "ner": (t("Chinese news for English tweets"), t("Neither the words nor the signs are shared."), names),
        "translation": (t("Another domain, the same language"), t("Words differ, grammar doesn't."), domain),
        "summarisation": (t("One library's docstrings for another's"), t("Alike in style, not in words."), library),
    }


def _lesson(config: RunConfig) -> list[Preset | None]:
    relative = {"source": "lesson/relative", "target": "lesson/base"}
    opposed, unrelated = (
        t("Every answer of the source is the wrong way round."),
        t("It has nothing to do with the target."),
    )
    forgot = t("What the textbook listing does: the target starts afresh.")
    return [
        _preset(config, "opposed", t("An opposed teacher"), opposed, **relative, source__relatedness=-1.0),
        _preset(config, "unrelated", t("An unrelated teacher"), unrelated, **relative, source__relatedness=0.0),
        _preset(
            config,
            "forgot",
            t("Forget to copy the weights"),
            forgot,
            schedule="sequential",
            schedule__copy_weights=False,
        ),
        _preset(config, "noise", t("Pure noise as source"), t("Answers drawn at random."), source="lesson/noise"),
        _preset(
            config,
            "more",
            t("500 labels: still worth it?"),
            t("With more labels, does the target need a source?"),
            target__size=500,
        ),
        _preset(config, "same", t("The same teacher"), t("The target's own."), **relative, source__relatedness=1.0),
    ]


def swapped(config: RunConfig) -> RunConfig:
    """Source and target the other way round; the number of labels stays with the target's place."""
    if not config.sources or config.target is None:
        return config
    source, target = config.sources[0], config.target
    other = source.model_copy(update={"id": target.id, "knobs": target.knobs})
    mine = target.model_copy(update={"id": source.id, "knobs": source.knobs})
    return config.model_copy(update={"sources": (other, *config.sources[1:]), "target": mine})
