"""RunConfig: one run as plain data, checked, brought to its canonical form, and named by a hash.

Static: a new part never edits this file, since a part is chosen by name and checked by its own knobs.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ctx import data
from ctx.checks import (
    check_augment,
    check_objectives,
    check_renewed,
    check_roles,
    check_size,
    facts_of,
    one_application,
)
from ctx.errors import BadInput
from ctx.parts import Backbone, Choice, Context, Facts, Schedule, Task, Tuning
from ctx.registry import make, part, task_of

ENGINE_VERSION = 10  # raised by hand when the same configuration gives other numbers
MOST_SEED = 2**31
FEWEST_LOOKED, MOST_LOOKED = 150, 500
BEAMS = (
    "How many beginnings of a text are followed when one is written for a test or for you (beam search); 1: greedily. "
    "Curves are drawn, and weights are kept, by texts written greedily: neither depends on it."
)
WEIGHT = "The weight of its loss among several sources."
HALF = "Keep what frozen layers give in half precision: half the room on disk and in memory; scores differ a little."


class ContextChoice(BaseModel):
    """A context and how many of its labels a run may use (None: all there are for training)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    size: int | None = Field(None, ge=1)
    knobs: dict[str, Any] = Field(default_factory=dict)


class SourceChoice(ContextChoice):
    """A source: a context with a weight among several sources."""

    weight: float = Field(1.0, gt=0, allow_inf_nan=False, description=WEIGHT)


class Optim(BaseModel):
    """AdamW with linear warm-up and decay, clipped. Rates left None are the backbone's own."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    epochs: int = Field(10, ge=1, le=1000, description="Passes over the larger context.")
    batch: int = Field(32, ge=1, le=1024, description="Examples of each context in a step.")
    lr: float | None = Field(None, gt=0, le=1, description="Learning rate of the layers.")
    head_lr: float | None = Field(None, gt=0, le=1, description="Learning rate of the head.")
    weight_decay: float = Field(0.01, ge=0, le=10, description="AdamW's decoupled weight decay.")
    warmup: float = Field(0.1, ge=0, le=1, description="Share of a phase's updates that warm the rate up.")
    clip: float = Field(1.0, gt=0, description="Largest norm of the gradient.")
    min_updates: int = Field(50, ge=1, description="Fewest updates in an epoch, however few the labels.")
    class_balanced: bool = Field(False, description="Weigh each class by one over its share of the labels.")


class RunConfig(BaseModel):
    """One configuration and one draw (``seed``)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    sources: tuple[SourceChoice, ...] = ()
    target: ContextChoice | None = None
    backbone: Choice = Choice(name="minilm")
    schedule: Choice = Choice(name="joint")
    tuning: Choice = Choice(name="head")
    balancer: Choice = Choice(name="fixed")
    penalties: tuple[Choice, ...] = ()
    augment: tuple[Choice, ...] = ()
    optim: Optim = Optim()
    keep: Literal["best", "last"] = "best"  # "best" is the last too where no labels are set aside to select on
    seed: int = Field(0, ge=0, lt=MOST_SEED)
    beams: int = Field(1, ge=1, le=8, description=BEAMS)
    half: bool = Field(False, description=HALF)

    def contexts(self) -> dict[str, ContextChoice]:
        """Every context by its key: "source", "source.2", …, "target"."""
        keys = ("source" if i == 0 else f"source.{i + 1}" for i in range(len(self.sources)))
        found: dict[str, ContextChoice] = dict(zip(keys, self.sources, strict=False))
        return found | ({"target": self.target} if self.target else {})

    def task(self) -> Task:
        """The task that its contexts share."""
        first = next(iter(self.contexts().values()), None)
        if first is None:
            raise BadInput("This run has neither a source nor a target: name at least one context.")
        context: type[Context] = part("contexts", first.id)
        return task_of(context.application)

    def learning_rates(self) -> tuple[float, float]:
        """The rates of the layers and of the head."""
        usual, usual_head = self.usual_rates()
        return self.optim.lr or usual, self.optim.head_lr or usual_head

    def usual_rates(self) -> tuple[float, float]:
        """The rates where none are asked for: the backbone's, and the task's own for its head where it has one.

        A pretrained decoder that the backbone brings has the backbone's.
        """
        backbone: type[Backbone] = part("backbones", self.backbone.name)
        return backbone.lr, backbone.decoder_lr or self.task().head_lr or backbone.head_lr


def frozen_blocks(config: RunConfig) -> tuple[int, int]:
    """How many blocks, embedding counted, stay frozen from the start, and how many there are. No torch."""
    backbone: Backbone = make("backbones", config.backbone)
    tuning: Tuning = make("tunings", config.tuning)
    return tuning.frozen(backbone.layers()), backbone.layers() + 1


def facts(config: RunConfig) -> Facts:
    """What a run is like, for the parts that mean something only in some."""
    return facts_of(config, _schedule(config))


def looked(config: RunConfig) -> int:
    """Validation examples of a context that an epoch's end looks at: fewer where epochs are short and layers learn.

    They pass through what learns, and should not take longer than the epoch. The same in every phase, arm and draw of a
    study, so that curves can be compared.
    """
    frozen, blocks = frozen_blocks(config)
    learnt = config.optim.min_updates * config.optim.batch
    return MOST_LOOKED if frozen >= blocks else min(max(learnt, FEWEST_LOOKED), MOST_LOOKED)


def frozen_parts(config: RunConfig) -> tuple[int, int]:
    """How many parts of the decoder stay frozen, and how many may; (0, 0) where no text is written. No torch."""
    most = config.task().decoder_parts(make("backbones", config.backbone))
    frozen, blocks = frozen_blocks(config)
    most -= most > 0 and frozen >= blocks  # something must learn: the encoder's layers, or the decoder's last
    wanted: int = make("tunings", config.tuning).frozen_decoder()
    return (wanted, most) if most else (0, 0)


def check(config: RunConfig) -> RunConfig:
    """The configuration itself, or BadInput with the first thing that can't be used."""
    backbone: Backbone = make("backbones", config.backbone)
    schedule: Schedule = make("schedules", config.schedule)
    for kind, choice in _choices(config):
        make(kind, choice)
    contexts = {key: data.context(choice) for key, choice in config.contexts().items()}
    application = one_application(config, contexts)
    if backbone.applications and application not in backbone.applications:
        raise BadInput(
            f"The backbone {config.backbone.name} is for {', '.join(backbone.applications)}, "
            f"and these contexts are {application}: choose another backbone."
        )
    tuning: Tuning = make("tunings", config.tuning)
    tuning.check(backbone.layers())
    check_renewed(tuning, backbone)
    _check_decoder(config)
    check_augment(config, application)
    check_roles(config, schedule, contexts)
    schedule.check(config)
    if config.penalties:  # that may look at a target which the schedule's one name leaves out, as joint's does at λ = 0
        check_roles(config, make("schedules", schedule.canonical(len(config.sources))), contexts)
    for key in contexts:
        if key.split(".")[0] in schedule.uses:
            check_size(config.contexts()[key])
    check_objectives(config, facts(config))
    return config


def _choices(config: RunConfig) -> list[tuple[str, Choice]]:
    lists = [("penalties", c) for c in config.penalties] + [("augment", c) for c in config.augment]
    named = ("backbone", "backbones"), ("schedule", "schedules"), ("tuning", "tunings"), ("balancer", "balancers")
    return [(kind, getattr(config, name)) for name, kind in named] + lists


def _check_decoder(config: RunConfig) -> None:
    wanted, most = frozen_parts(config)
    if wanted > most:
        raise BadInput(
            f"freeze-decoder is {wanted}, and of this decoder at most {most} parts can stay frozen, its embedding and "
            f"its lowest layers: choose a number from 0 to {most}."
        )


def canonical(config: RunConfig) -> RunConfig:
    """The one form of all configurations that train alike: what is run, stored and looked up.

    Augmentations and penalties follow one another by name, in whatever order they were asked for; a penalty without
    a weight is none.
    """
    config = check(config)
    schedule = _schedule(config)
    uses = make("schedules", schedule).uses
    tuning = _tuning(config)
    target = config.target
    return RunConfig(
        sources=tuple(_trim(source, "source" in uses) for source in config.sources) if "source" in uses else (),
        target=_trim(target, "target" in uses) if target else None,
        backbone=_defaults_dropped("backbones", make("backbones", config.backbone).canonical()),
        schedule=_defaults_dropped("schedules", schedule),
        tuning=_defaults_dropped("tunings", tuning),
        balancer=_defaults_dropped("balancers", config.balancer),
        penalties=tuple(_defaults_dropped("penalties", choice) for choice in _penalties(config)),
        augment=tuple(_defaults_dropped("augment", c) for c in sorted(config.augment, key=lambda c: c.name)),
        optim=_effective(config),
        keep=config.keep,
        seed=config.seed,
        beams=config.beams if config.task().writes else 1,
        half=config.half and frozen_blocks(config)[0] > 0,
    )


def _schedule(config: RunConfig) -> Choice:
    """The schedule under its one name, but where a penalty would then see less: joint with λ = 0 shows it targets."""
    asked: Schedule = make("schedules", config.schedule)
    found = asked.canonical(len(config.sources))
    if found.name != asked.name:
        less, all_ = facts_of(config, found), facts_of(config, asked.plain())
        penalties = [part("penalties", choice.name) for choice in _penalties(config)]
        if any(one.unfit(less) and not one.unfit(all_) for one in penalties):
            return asked.plain()
    return found


def _penalties(config: RunConfig) -> list[Choice]:
    """Those that have a weight, by name, without the knobs that mean nothing."""
    made = {choice.name: make("penalties", choice) for choice in config.penalties}
    seen = facts_of(config, config.schedule) if made else None
    found = []
    for name, penalty in sorted(made.items()):
        if penalty.weighs():
            idle = penalty.idle(seen)
            knobs = {knob: value for knob, value in penalty.knobs.model_dump().items() if knob not in idle}
            found.append(Choice(name=name, knobs=knobs))
    return found


def _tuning(config: RunConfig) -> Choice:
    """The tuning under its one name, without a decoder's knob where there is none."""
    found: Choice = make("tunings", config.tuning).canonical(
        make("backbones", config.backbone).layers(), config.optim.epochs
    )
    if frozen_parts(config) != (0, 0):
        return found
    return Choice(name=found.name, knobs={name: value for name, value in found.knobs.items() if name != "decoder"})


def _effective(config: RunConfig) -> Optim:
    """The optimiser's settings, those without an effect at their default."""
    usual, usual_head = config.usual_rates()
    frozen, blocks = frozen_blocks(config)
    changes: dict[str, Any] = {}
    if frozen >= blocks or config.optim.lr == usual:
        changes["lr"] = None
    if config.optim.head_lr == usual_head:
        changes["head_lr"] = None
    if not any(data.context(choice).labels for choice in config.contexts().values()):
        changes["class_balanced"] = False
    return config.optim.model_copy(update=changes)


def _defaults_dropped(kind: str, choice: Choice) -> Choice:
    return Choice(name=choice.name, knobs=make(kind, choice).knobs.model_dump(exclude_defaults=True))


def _trim(choice: Any, trained: bool) -> Any:
    knobs = _defaults_dropped("contexts", Choice(name=choice.id, knobs=choice.knobs)).knobs
    size = choice.size if trained else None
    if size is not None and size == data.sizes(choice).get("train"):
        size = None
    return choice.model_copy(update={"knobs": knobs, "size": size})


def key(config: RunConfig) -> str:
    """SHA-256 of the canonical configuration, the digests of its data, and the versions of its parts."""
    return identity(canonical(config))


def identity(config: RunConfig) -> str:
    """The same of a configuration that is canonical already."""
    versions = {f"{kind}/{c.name}": part(kind, c.name).version for kind, c in _choices(config)}
    task = config.task()
    content = {
        "engine": ENGINE_VERSION,
        "config": config.model_dump(exclude_defaults=True) | {"schedule": config.schedule.model_dump()},
        "data": {name: data.digest(choice) for name, choice in config.contexts().items()},
        "backbone": make("backbones", config.backbone).digest(config.seed),
        "versions": versions | {f"tasks/{task.name}": task.version},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
