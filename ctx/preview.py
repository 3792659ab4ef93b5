"""A linear-probe preview: what every λ, or every number of labels, would give, before anything is trained. No torch.

With all layers frozen a classifier is a convex problem: `ctx.linear_probes` solves it for all values and draws at once,
on the features that the runs read. Here is what is asked, when it can be, and what was found.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ValidationError

from ctx import data, kept
from ctx.config import Optim, RunConfig, canonical, frozen_blocks, identity
from ctx.i18n import t
from ctx.parts import Choice
from ctx.registry import make

PREVIEW_VERSION = 1  # raised by hand when the same question would give other numbers
FOLDER, KIND = "previews", "preview"
LAMBDAS = tuple(10 ** (-2 + 3 * n / 23) for n in range(24))  # .01 to 10, evenly on a logarithmic scale
SIZES = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
TOLERANCE = 2e-6  # the largest entry of a gradient that counts as zero
MOST_CLASSES = 50  # beyond, it is no matter of a second
RIDGE = 0.003  # such that λ gives what runs of default length give (tests/benchmarks/lam_path.py)
Axis = Literal["lam", "size"]
Scores = dict[str, list[list[float]]]  # by context: for each value, for each draw


class Preview(BaseModel):
    """The headline metric on each context's validation examples, of heads solved to the end.

    ``both``: of L = L_source + λ·L_target (and a ridge) at each of ``values``, which are λ or numbers of target labels;
    ``alone``: of the target alone, once or at each number of labels; ``zero``: of the source alone, once.
    """

    axis: Axis
    values: list[float]
    metric: str
    both: Scores
    alone: Scores
    zero: Scores
    heads: int
    iterations: int
    gradient: float


class Asked(BaseModel):
    """What a preview is of: a configuration, what varies, and draws from its seed on."""

    config: RunConfig
    axis: Axis
    draws: int

    def name(self) -> str:
        """Names the answer by all that it follows from."""
        return kept.named(
            identity(canonical(self.config)), self.axis, self.draws, self.values(), RIDGE, PREVIEW_VERSION
        )

    def values(self) -> list[float]:
        """Every λ, or every number of labels that the target has."""
        if self.axis == "lam":
            return list(LAMBDAS)
        assert self.config.target is not None
        there = data.sizes(self.config.target)["train"]
        return [float(size) for size in (*(size for size in SIZES if size < there), there)]


def asked(config: RunConfig, axis: Axis, draws: int) -> Asked:
    """What to ask for a configuration for which there is no `why_not`; settings that don't matter are left out."""
    assert config.target is not None
    target = config.target if axis == "lam" else config.target.model_copy(update={"size": None})
    lam = {"lam": 1.0} if axis == "lam" else {"lam": config.schedule.knobs.get("lam", 0.1)}
    plain = RunConfig(
        sources=config.sources,
        target=target,
        backbone=config.backbone,
        schedule=Choice(name="joint", knobs=lam),
        tuning=Choice(name="head"),
        optim=Optim(class_balanced=config.optim.class_balanced),
        seed=config.seed,
        half=config.half,
    )
    return Asked(config=plain, axis=axis, draws=draws)


def why_not(config: RunConfig) -> str:
    """Why a configuration has no preview, in a sentence; "" where it has one, or none is to be expected."""
    if config.schedule.name != "joint" or not config.sources or config.target is None or not config.task().convex:
        return ""
    plan = make("schedules", config.schedule).phases(config, dict.fromkeys(config.contexts(), 1))
    if any(phase.shares or phase.varying() for phase in plan):
        return t("With a λ that stays as it is, and every context in every step, every λ would be drawn here at once.")
    frozen, blocks = frozen_blocks(config)
    if frozen < blocks:
        return t("Freeze all layers, and every λ is drawn here at once, before anything is trained.")
    if not _one_space(config):
        return t("The two have different labels, and so heads of their own: with all layers frozen λ changes nothing.")
    if config.augment or config.penalties:
        return t("Without augmentation and penalties every λ would be drawn here at once.")
    return ""


def offered(config: RunConfig) -> bool:
    """Whether there can be a preview, its data being here."""
    fitting = config.schedule.name == "joint" and bool(config.sources) and config.target is not None
    few = config.target is not None and len(data.context(config.target).labels) <= MOST_CLASSES
    return fitting and few and config.task().convex and not why_not(config)


def _one_space(config: RunConfig) -> bool:
    return len({data.context(choice).labels for choice in config.contexts().values()}) == 1


def kept_one(question: Asked) -> Preview | None:
    """The answer that was kept; None where there is none."""
    document = kept.document(FOLDER, question.name())
    try:
        return None if document is None else Preview.model_validate(document)
    except ValidationError:
        return None  # damaged: computed again


def keep(question: Asked, found: Preview) -> None:
    """Keep an answer."""
    kept.keep_document(FOLDER, question.name(), found.model_dump())
