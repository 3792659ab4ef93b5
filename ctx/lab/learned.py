"""What learns, epoch by epoch: which blocks of the backbone, at which rate, how many parameters. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ctx.config import RunConfig, frozen_parts
from ctx.i18n import t
from ctx.parts import Backbone, Tuning
from ctx.plan import Phase
from ctx.registry import make


@dataclass(frozen=True)
class Stretch:
    """Epochs of a phase, from ``first`` to ``last``, counted from 0, in which the same learns.

    ``rates``: the factor that the learning rate of the embedding and of each layer has, lowest first; 0: frozen.
    """

    first: int
    last: int
    rates: tuple[float, ...]

    @property
    def learning(self) -> list[int]:
        """The blocks that learn, the embedding being 0."""
        return [block for block, rate in enumerate(self.rates) if rate]


def stretches(config: RunConfig) -> list[Stretch]:
    """Those of a phase, the first first."""
    tuning: Tuning = make("tunings", config.tuning)
    layers = make("backbones", config.backbone).layers()
    found: list[Stretch] = []
    for epoch in range(config.optim.epochs):
        rates = tuple(tuning.rates(layers, epoch))
        if found and found[-1].rates == rates:
            found[-1] = Stretch(found[-1].first, epoch, rates)
        else:
            found.append(Stretch(epoch, epoch, rates))
    return found


def ever(config: RunConfig) -> list[int]:
    """The blocks that learn in some epoch, the embedding being 0."""
    return sorted({block for stretch in stretches(config) for block in stretch.learning})


def counts(config: RunConfig) -> tuple[int, int]:
    """How many parameters learn at some time, of how many; a pretrained decoder counts, a fresh head doesn't."""
    backbone: Backbone = make("backbones", config.backbone)
    parts, _ = frozen_parts(config)
    sizes, own = backbone.parameters(), backbone.decoder_parameters()
    return sum(sizes[block] for block in ever(config)) + sum(own[parts:]), sum(sizes) + sum(own)


def live(config: RunConfig) -> float:
    """How many parameters of layers a gradient passes through, the mean over a phase's epochs: the work of a step."""
    layers = make("backbones", config.backbone).parameters()
    work = 0.0
    for stretch in stretches(config):
        lowest = min(stretch.learning, default=len(layers))
        work += (stretch.last - stretch.first + 1) * sum(layers[max(lowest, 1) :])
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
    learning = [rate for rate in last.rates if rate]
    if len(set(learning)) > 1:
        text = t("Lower layers learn slower, {lowest} at {share} of the rate.")
        said.append(text.format(lowest=named(last.learning[:1]), share=share(learning[0])))
    renewed = make("tunings", config.tuning).renewed()
    if renewed:
        blocks = range(len(last.rates) - renewed, len(last.rates))
        said.append(
            t("The weights of {layers} begin anew, the same in every arm of a draw.", layers=named(list(blocks)))
        )
    return " ".join(said)


def share(rate: float) -> str:
    """A rate's factor: ``1``, ``0.38``, ``0.0032``."""
    return f"{rate:.2g}"
