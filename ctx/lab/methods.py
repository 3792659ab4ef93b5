"""The methods that the field uses, as settings: one click sets them, and they stay visible and can be changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ctx.config import RunConfig, canonical
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.parts import Choice

PLAIN = {
    "schedule": Choice(name="joint"),
    "tuning": Choice(name="full"),
    "balancer": Choice(name="fixed"),
    "penalties": (),
}


@dataclass(frozen=True)
class Method:
    """``said``: two sentences on what it does; ``formula``: what it minimises; ``paper``: where it comes from.

    ``config``: the settings with it, and ``trains``, their canonical form; ``why_not``: a sentence where it can't be
    had here, "" where it can.
    """

    name: str
    title: str
    said: str
    formula: str
    paper: str
    config: RunConfig
    trains: RunConfig
    why_not: str = ""


def methods(config: RunConfig) -> list[Method]:
    """All of them, for these contexts and this backbone."""
    return [_offered(config, *told) for told in _told()]


def chosen(config: RunConfig, there: Sequence[Method]) -> str:
    """The name of that of the methods which a configuration is, as it stands; "" for none of them."""
    try:
        own = canonical(config)
    except CtxError:
        return ""
    return next((one.name for one in there if not one.why_not and one.trains == own), "")


def _offered(
    config: RunConfig, name: str, title: str, said: str, formula: str, paper: str, changes: dict[str, object]
) -> Method:
    asked = config.model_copy(update=PLAIN | changes)
    try:
        trains = canonical(asked)
        if trains.schedule.name == asked.schedule.name:
            return Method(name, title, said, formula, paper, asked, trains)
        why = t("With one source it is {schedule}: add one more source below.", schedule=trains.schedule.name)
    except CtxError as error:
        why = str(error)
    return Method(name, title, said, formula, paper, config, config, why)


Told = tuple[str, str, str, str, str, dict[str, object]]


def _told() -> Iterator[Told]:
    yield from _whole()
    yield from _parts()
    yield from _held()


def _whole() -> Iterator[Told]:
    """Which contexts, in which order."""
    yield (
        "target-only",
        t("Target only"),
        t("The target's own labels, nothing else. What every transfer has to beat."),
        "L = L_target",
        "",
        {"schedule": Choice(name="target-only")},
    )
    yield (
        "zero-shot",
        t("Zero-shot"),
        t("Trained on the source alone. The target is only tested: its labels are never seen."),
        "L = L_source",
        "",
        {"schedule": Choice(name="source-only")},
    )
    yield (
        "fine-tune",
        t("Fine-tuning"),
        t("First the source, then the target. All layers go on from where the source left them."),
        "L = L_source, then L = L_target",
        "Howard & Ruder 2018",
        {"schedule": Choice(name="sequential")},
    )
    yield (
        "multi-task",
        t("Multi-task"),
        t("Both contexts in every step. What they share is learnt from both."),
        "L = L_source + λ·L_target",
        "Caruana 1997",
        {"schedule": Choice(name="joint", knobs={"lam": 1.0})},
    )
    yield (
        "stilts",
        t("STILTs"),
        t("Several sources, one after the other, then the target. Each hands its weights on to the next."),
        "L = L_1, then L = L_2, …, then L = L_target",
        "Phang, Févry & Bowman 2018",
        {"schedule": Choice(name="intermediate")},
    )


def _parts() -> Iterator[Told]:
    """What learns."""
    then = Choice(name="sequential")
    yield (
        "linear-probe",
        t("Linear probe"),
        t("All layers stay as they are and only the head learns. It shows what the encoder knew before."),
        "min over the head",
        "Alain & Bengio 2017",
        {"tuning": Choice(name="head")},
    )
    yield (
        "gradual",
        t("Gradual unfreezing"),
        t("The top layers learn first, the lower ones join later. What lies below is not overwritten in a hurry."),
        "layers L, then L and L−1, …",
        "ULMFiT: Howard & Ruder 2018",
        {"schedule": then, "tuning": Choice(name="gradual")},
    )
    yield (
        "lora",
        t("LoRA"),
        t("Each chosen matrix gets a narrow one beside it, and only those learn. Less than one weight in a hundred."),
        "W + (α/r)·B·A",
        "Hu et al. 2022",
        {"schedule": then, "tuning": Choice(name="lora")},
    )
    yield (
        "adapters",
        t("Adapters"),
        t("A small bottleneck after every layer learns, the layers stay. It begins as if it were not there."),
        "h + W_up·f(W_down·h)",
        "Houlsby et al. 2019",
        {"schedule": then, "tuning": Choice(name="adapter")},
    )
    yield (
        "per-context",
        t("Context-adaptive"),
        t("One shared encoder, and a small module for each context. A text is read with its own context's."),
        "h + a_context(h)",
        "Rebuffi, Bilen & Vedaldi 2017; Bapna & Firat 2019",
        {"tuning": Choice(name="per-context")},
    )


def _held() -> Iterator[Told]:
    """What is added to the losses, or how they are weighed."""
    then, both = Choice(name="sequential"), Choice(name="joint", knobs={"lam": 1.0})
    yield (
        "l2sp",
        t("L2-SP"),
        t("Fine-tuning on a leash: weights are pulled back to where the source left them. It keeps what was learnt."),
        "L = L_target + α/2·‖w − w_source‖²",
        "Li, Grandvalet & Davoine 2018",
        {"schedule": then, "penalties": (Choice(name="l2sp"),)},
    )
    yield (
        "dann",
        t("DANN"),
        t("A judge tries to tell the contexts apart, and the encoder learns to fool it. What remains serves both."),
        "L = L_source + λ·L_target − μ·L_judge",
        "Ganin et al. 2016",
        {"schedule": both, "penalties": (Choice(name="dann"),)},
    )
    yield (
        "pcgrad",
        t("PCGrad"),
        t("Where the contexts' gradients point apart, each loses the part that harms the other. Then both are added."),
        "g_i − (g_i·g_j / ‖g_j‖²)·g_j, if g_i·g_j < 0",
        "Yu et al. 2020",
        {"schedule": both, "balancer": Choice(name="pcgrad")},
    )
