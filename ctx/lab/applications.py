"""The applications as the Lab offers them: what each opens with, what stands in, and what it calls its labels."""

from __future__ import annotations

from dataclasses import dataclass

from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice
from ctx.i18n import t
from ctx.parts import Choice


@dataclass(frozen=True)
class Application:
    """``start``: the settings that it opens with; ``sample``: those where these can't be fetched (None: never needed).

    ``question`` ends "Can this source …", ``amount`` names what the target has few of.
    """

    name: str
    title: str
    start: RunConfig
    sample: RunConfig | None
    question: str
    amount: str


def _setting(
    source: str,
    target: str,
    size: int,
    backbone: str,
    tuning: str,
    source_size: int | None = None,
    schedule: str = "joint",
    **more: int,
) -> RunConfig:
    knobs = {name: more.pop(name) for name in ("readout",) if name in more}  # the middle layers know most of names
    return RunConfig(
        sources=(SourceChoice(id=source, size=source_size),),
        target=ContextChoice(id=target, size=size),
        backbone=Choice(name=backbone, knobs=knobs),
        schedule=Choice(name=schedule),
        tuning=Choice(name=tuning),
        optim=Optim(**more),
    )


def _starts() -> dict[str, tuple[RunConfig, RunConfig | None]]:
    """The settings that each opens with, and the samples that stand in."""
    cafe, notices = "translation/sample-cafe-en", "summarisation/sample-notices"
    return {
        "sentiment": (
            _setting("sentiment/tweets", "sentiment/editorials", 20, "minilm", "head"),
            _setting("sentiment/sample-gadgets-en", "sentiment/sample-cafes-en", 20, "tiny", "full"),
        ),
        "ner": (
            _setting("ner/news-zh", "ner/encyclopaedia-ja", 40, "e5", "head", 600, readout=8, epochs=5),
            _setting("ner/names-en", "ner/sample-office-en", 20, "tiny", "full", epochs=5),
        ),
        "translation": (
            _setting(
                "translation/cms-en-pt",
                "translation/cms-en-es",
                200,
                "e5",
                "head",
                400,
                "sequential",
                epochs=4,
                batch=16,
            ),
            _setting(f"{cafe}-pt", f"{cafe}-es", 100, "tiny", "full", 200, "sequential", epochs=4),
        ),
        "summarisation": (
            _setting(
                "summarisation/wiki-en",
                "summarisation/wiki-es",
                200,
                "e5",
                "head",
                400,
                "sequential",
                epochs=2,
                batch=16,
                min_updates=40,
            ),
            _setting(f"{notices}-en", f"{notices}-es", 60, "tiny", "full", None, "sequential", epochs=3, batch=16),
        ),
        "lesson": (_setting("lesson/relative", "lesson/base", 20, "mlp", "full", None, "sequential"), None),
    }


def amount(application: str, size: int | None) -> str:
    """So many of what the target has few of: ``20 labels``, ``40 sentences``, ``all pairs``."""
    if application in ("translation", "summarisation"):
        return t("all pairs") if size is None else t("{n} pairs", n=size)
    if application == "ner":
        return t("all sentences") if size is None else t("{n} sentences", n=size)
    return t("all labels") if size is None else t("{n} labels", n=size)


def applications() -> dict[str, Application]:
    """All of them by name, in the order of the page."""
    labels, sentences, pairs = t("Labels I have"), t("Sentences I have"), t("Pairs I have")
    words = {
        "sentiment": (t("Sentiment"), t("… help judge this target?"), labels),
        "ner": (t("Names in texts"), t("… help find names in this target?"), sentences),
        "translation": (t("Translation"), t("… help translate this target?"), pairs),
        "summarisation": (t("Summaries"), t("… help sum up this target?"), pairs),
        "lesson": (t("First lesson"), t("… help with this target?"), labels),
    }
    starts = _starts()
    return {
        name: Application(name, title, *starts[name], question, amount)
        for name, (title, question, amount) in words.items()
    }
