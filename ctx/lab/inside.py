"""What happened inside the updates of a run: shares of the loss, gradients that agree or not, rates, weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ctx import charts
from ctx.curves import NOTHING, examples
from ctx.i18n import t
from ctx.lab.curve import binned
from ctx.records import Series, Told

NAMES = ("weighted/", "term/", "cosine/", "gradient/", "lr/", "lr_factor", "lambda/", "told/", "seen/")
COLOURS = {"source": charts.SOURCE, "target": charts.TARGET}


@dataclass(frozen=True)
class Agreement:
    """The cosine of two contexts' gradients: over all layers they share, and layer by layer, lowest first.

    ``share``: of the looks at it, how many found it below zero.
    """

    whole: Series
    layers: Mapping[str, Series]
    share: float


def shares(run: Told) -> dict[str, Series]:
    """What each loss, weighed, and each penalty's term is of the sum of their sizes, over the examples seen.

    By "source", "target" and the like, or "penalty/term"; nothing where there is only one.
    """
    parts = {name.partition("/")[2]: name for name in run if name.startswith(("weighted/", "term/"))}
    if len(parts) < 2:
        return {}
    steps = np.unique(np.concatenate([run[name][0] for name in parts.values()]))
    sizes = {part: _at(steps, run[name]) for part, name in parts.items()}
    whole = np.sum(list(sizes.values()), axis=0)
    whole[whole == 0] = 1
    return {part: binned((examples(run, steps), size / whole)) for part, size in sizes.items()}


def _at(steps: np.ndarray, found: Series) -> np.ndarray:
    """The sizes of values at these steps, 0 where there are none."""
    out = np.zeros(len(steps))
    out[np.searchsorted(steps, found[0])] = np.abs(np.nan_to_num(found[1]))
    return out


def agreement(run: Told, source: str = "source") -> Agreement | None:
    """How far a source's gradients agree with the target's; None where they were never compared."""
    whole = over(run, f"cosine/{source}")
    if not len(whole[0]):
        return None
    start = f"cosine/{source}/"
    layers = {name.removeprefix(start): over(run, name) for name in run if name.startswith(start)}
    ordered = dict(sorted(layers.items(), key=lambda one: place(one[0])))
    return Agreement(whole, ordered, float((whole[1] < 0).mean()))


def over(run: Told, name: str) -> Series:
    """One metric over the examples seen."""
    steps, values = run.get(name, NOTHING)
    return (examples(run, steps), values) if len(steps) else NOTHING


def norms(run: Told) -> dict[str, Series]:
    """The length of each context's gradient."""
    return _named(run, "gradient/")


def rates(run: Told) -> dict[str, Series]:
    """The learning rate of each block that learns, lowest first."""
    return dict(sorted(_named(run, "lr/").items(), key=lambda one: place(one[0])))


def told(run: Told) -> dict[str, Series]:
    """Further curves of penalties and balancers, and weights that vary, by "part/name"."""
    return {name: binned(found) for name, found in (_named(run, "told/") | _named(run, "lambda/")).items()}


def _named(run: Told, start: str) -> dict[str, Series]:
    return {name.removeprefix(start): over(run, name) for name in run if name.startswith(start)}


def place(block: str) -> int:
    """Where a block stands, the embedding lowest."""
    number = block.removeprefix("layer")
    return int(number) if number.isdigit() else 0 if block == "embedding" else 10**6


def layer(block: str) -> str:
    """A block as one says it."""
    if block.startswith("layer"):
        return t("layer {n}", n=place(block))
    return t("embedding") if block == "embedding" else block


def conflict(found: Agreement) -> str:
    """What the cosines say, in a sentence."""
    if found.share == 0:
        return t("Whenever it was looked at, a step for one context helped the other.")
    low = [layer(name) for name, (_, values) in found.layers.items() if len(values) and np.median(values) < 0]
    text = t(
        "In {share} of the looks the gradients pointed apart: a step for one context undid some of the other's.",
        share=f"{found.share:.0%}",
    )
    return f"{text} {t('Mostly in: {layers}.', layers=', '.join(low))}" if low else text
