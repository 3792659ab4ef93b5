"""What learns, epoch by epoch: which blocks of the backbone, at which rate, how many parameters. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ctx.config import RunConfig, canonical, frozen_parts
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.parts import Backbone, Tuning
from ctx.plan import Phase
from ctx.registry import make
from ctx.tuning import Learnt


@dataclass(frozen=True)
class Stretch:
    """Epochs of a phase, from ``first`` to ``last``, counted from 0, in which the same learns.

    ``blocks``: what learns of the embedding and of each layer, lowest first; ``sizes``: how many parameters each holds.
    """

    first: int
    last: int
    blocks: tuple[Learnt, ...]
    sizes: tuple[int, ...]

    @property
    def learning(self) -> list[int]:
        """The blocks of which anything learns, what is put into them too, the embedding being 0."""
        return [number for number, block in enumerate(self.blocks) if block.rate or block.new]

    @property
    def whole(self) -> bool:
        """Whether blocks learn as a whole or not at all, and nothing is put into them."""
        pairs = zip(self.blocks, self.sizes, strict=True)
        return not any(block.new for block in self.blocks) and all(block.own in (0, size) for block, size in pairs)


def stretches(config: RunConfig) -> list[Stretch]:
    """Those of a phase, the first first."""
    tuning: Tuning = make("tunings", config.tuning)
    backbone: Backbone = make("backbones", config.backbone)
    sizes, contexts = tuple(backbone.parameters()), _trained(config)
    found: list[Stretch] = []
    for epoch in range(config.optim.epochs):
        blocks = tuple(tuning.learnt(backbone, epoch, contexts))
        if found and found[-1].blocks == blocks:
            found[-1] = Stretch(found[-1].first, epoch, blocks, sizes)
        else:
            found.append(Stretch(epoch, epoch, blocks, sizes))
    return found


def _trained(config: RunConfig) -> int:
    """How many contexts it learns from, its schedule taken as it will be trained."""
    try:
        schedule = canonical(config).schedule
    except CtxError:
        schedule = config.schedule
    uses = make("schedules", schedule).uses
    return sum(key.split(".")[0] in uses for key in config.contexts())


def ever(config: RunConfig) -> list[int]:
    """The blocks that learn in some epoch, the embedding being 0."""
    return sorted({block for stretch in stretches(config) for block in stretch.learning})


def counts(config: RunConfig) -> tuple[int, int]:
    """How many parameters learn at some time, of how many, new ones too; a pretrained decoder counts, no fresh head."""
    backbone: Backbone = make("backbones", config.backbone)
    found = stretches(config)
    parts, _ = frozen_parts(config)
    decoder = backbone.decoder_parameters()
    new = added(found[-1])
    own = sum(max(block.own for block in blocks) for blocks in zip(*(one.blocks for one in found), strict=True))
    return own + new + sum(decoder[parts:]), sum(found[-1].sizes) + new + sum(decoder)


def added(stretch: Stretch) -> int:
    """How many parameters are put into the encoder."""
    return sum(block.new for block in stretch.blocks)


def live(config: RunConfig) -> float:
    """How many parameters of layers a gradient passes through, the mean over a phase's epochs: the work of a step."""
    layers = make("backbones", config.backbone).parameters()
    work = 0.0
    for stretch in stretches(config):
        lowest = min(stretch.learning, default=len(layers))
        work += (stretch.last - stretch.first + 1) * sum(layers[max(lowest, 1) :])
    return work / config.optim.epochs


def moved(config: RunConfig) -> float:
    """How many parameters of layers, new ones too, have a gradient of their own, the mean over a phase's epochs."""
    work = 0.0
    for stretch in stretches(config):
        work += (stretch.last - stretch.first + 1) * sum(block.own + block.new for block in stretch.blocks[1:])
    return work / config.optim.epochs


def epoch_at(plan: Sequence[Phase], step: int) -> int:
    """The epoch of its phase, counted from 0, that the update after ``step`` others belongs to; the last at the end."""
    for phase in plan:
        total = phase.epochs * phase.updates
        if step < total:
            return step // phase.updates
        step -= total
    return plan[-1].epochs - 1


def named(blocks: Sequence[int]) -> str:
    """Blocks in words: ``the embedding and layers 2 and 4–6``."""
    ranges: list[list[int]] = []
    for block in sorted(set(blocks) - {0}):
        if ranges and ranges[-1][-1] == block - 1:
            ranges[-1].append(block)
        else:
            ranges.append([block])
    *firsts, last = [str(r[0]) if len(r) == 1 else f"{r[0]}–{r[-1]}" for r in ranges] or [""]
    numbers = t("{some} and {last}", some=", ".join(firsts), last=last) if firsts else last
    several = sum(map(len, ranges)) > 1
    layers = (t("layers {numbers}") if several else t("layer {numbers}")).format(numbers=numbers) if ranges else ""
    if 0 not in blocks:
        return layers
    return t("the embedding and {layers}", layers=layers) if layers else t("the embedding")


def remarks(config: RunConfig) -> str:
    """What else is to be said of layers that learn: how much slower the lower ones do, which begin anew."""
    said = []
    last = stretches(config)[-1]
    learning = [block.rate for block in last.blocks if block.rate]
    if len(set(learning)) > 1:
        lowest, slow = named(last.learning[:1]), share(learning[0])
        said.append(t("Lower layers learn slower, {lowest} at {share} of the rate.", lowest=lowest, share=slow))
    few = [block for block in last.blocks if not last.whole]
    if faster := {block.new_rate for block in few if block.new} - {1.0}:
        said.append(t("The new ones learn at {n} times the layers' rate.", n=share(max(faster))))
    elif faster := {block.rate for block in few if block.own} - {1.0}:
        said.append(t("They learn at {n} times the layers' rate.", n=share(max(faster))))
    renewed = make("tunings", config.tuning).renewed()
    if renewed:
        layers = named(list(range(len(last.blocks) - renewed, len(last.blocks))))
        said.append(t("The weights of {layers} begin anew, the same in every arm of a draw.", layers=layers))
    return " ".join(said)


def share(rate: float) -> str:
    """A rate's factor: ``1``, ``0.38``, ``0.0032``."""
    return f"{rate:.2g}"
