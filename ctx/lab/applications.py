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
    source: str, target: str, size: int, backbone: str, tuning: str, source_size: int | None = None, **more: int
) -> RunConfig:
    knobs = {name: more.pop(name) for name in ("readout",) if name in more}  # the middle layers know most of names
    return RunConfig(
        sources=(SourceChoice(id=source, size=source_size),),
        target=ContextChoice(id=target, size=size),
        backbone=Choice(name=backbone, knobs=knobs),
        schedule=Choice(name="sequential" if backbone == "mlp" else "joint"),
        tuning=Choice(name=tuning),
        optim=Optim(**more),
    )


def applications() -> dict[str, Application]:
    """All of them by name, in the order of the page."""
    judge, name = t("… help judge this target?"), t("… help find names in this target?")
    translate, sum_up = t("… help translate this target?"), t("… help sum up this target?")
    found = (
        Application(
            "sentiment",
            t("Sentiment"),
            _setting("sentiment/tweets", "sentiment/editorials", 20, "minilm", "head"),
            _setting("sentiment/sample-gadgets-en", "sentiment/sample-cafes-en", 20, "tiny", "full"),
            judge,
            t("Labels I have"),
        ),
        Application(
            "ner",
            t("Names in texts"),
            _setting("ner/news-zh", "ner/encyclopaedia-ja", 40, "e5", "head", 600, readout=8, epochs=5),
            _setting("ner/names-en", "ner/sample-office-en", 20, "tiny", "full", epochs=5),
            name,
            t("Sentences I have"),
        ),
        Application(
            "translation",
            t("Translation"),
            _setting("translation/cms-en-pt", "translation/cms-en-es", 200, "e5", "head", 400, epochs=4),
            _setting(
                "translation/sample-cafe-en-pt", "translation/sample-cafe-en-es", 100, "tiny", "full", 200, epochs=4
            ),
            translate,
            t("Pairs I have"),
        ),
        Application(
            "summarisation",
            t("Summaries"),
            _setting("summarisation/wiki-en", "summarisation/wiki-es", 200, "e5", "head", 400, epochs=4),
            _setting(
                "summarisation/sample-notices-en", "summarisation/sample-notices-es", 60, "tiny", "full", epochs=4
            ),
            sum_up,
            t("Pairs I have"),
        ),
        Application(
            "lesson",
            t("First lesson"),
            _setting("lesson/relative", "lesson/base", 20, "mlp", "full"),
            None,
            t("… help with this target?"),
            t("Labels I have"),
        ),
    )
    return {one.name: one for one in found}
