"""What happened inside the updates of a run: shares of the loss, gradients that agree or not, rates, weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ctx import charts
from ctx.config import RunConfig, facts
from ctx.curves import NOTHING, examples
from ctx.i18n import t
from ctx.knobs import Part
from ctx.lab.curve import binned
from ctx.lab.effect import phases
from ctx.records import Series, Told
from ctx.registry import registry

NAMES = ("weighted/", "term/", "cosine/", "gradient/", "lr/", "lambda/", "told/", "seen/")
COLOURS = {"source": charts.SOURCE, "target": charts.TARGET}


@dataclass(frozen=True)
class Agreement:
    """The cosine of two contexts' gradients: over all layers they share, and layer by layer, lowest first."""

    whole: Series
    layers: Mapping[str, Series]

    @property
    def looks(self) -> int:
        """How often it was looked at."""
        return len(self.whole[1])

    @property
    def apart(self) -> int:
        """In how many of the looks it was below zero."""
        return int((self.whole[1] < 0).sum())


def shares(run: Told) -> dict[str, Series]:
    """What each loss, weighed, and each penalty's term is of the sum of their sizes, over the examples seen.

    By "source", "target" and the like, or "penalty/term"; nothing where there is only one.
    """
    parts = parts_of(run)
    if len(parts) < 2:
        return {}
    steps = np.unique(np.concatenate([run[name][0] for name in parts.values()]))
    sizes = {part: _at(steps, run[name]) for part, name in parts.items()}
    whole = np.sum(list(sizes.values()), axis=0)
    whole[whole == 0] = 1
    return {part: binned((examples(run, steps), size / whole)) for part, size in sizes.items()}


def parts_of(run: Told) -> dict[str, str]:
    """The parts of the loss, "source", "target" and the like, or "penalty/term", and what each is logged as."""
    return {name.partition("/")[2]: name for name in run if name.startswith(("weighted/", "term/"))}


def terms(run: Told) -> dict[str, Series]:
    """What each penalty adds to the loss, by "penalty/term", over the examples seen."""
    return {name: binned(series) for name, series in _named(run, "term/").items()}


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
    return Agreement(whole, ordered)


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


def effect(run: Told, config: RunConfig) -> dict[str, Series]:
    """λ in effect, by source: what the target's loss weighed for one of the source's, as the balancer had it.

    A source's own weight is taken out, so that it is what a fixed λ would be. With fixed weights: λ where it varies.
    """
    begins = f"told/{config.balancer.name}/"
    target, found = run.get(f"{begins}target", NOTHING), {}
    for (key, _), source in zip(config.contexts().items(), config.sources, strict=False):
        own = run.get(begins + key, NOTHING)
        steps, a, b = np.intersect1d(target[0], own[0], return_indices=True)
        there = own[1][b] > 0
        if there.any():
            ratio = source.weight * target[1][a][there] / own[1][b][there]
            found[key] = binned((examples(run, steps[there]), ratio))
    if not found and len(run.get("lambda/target", NOTHING)[0]):
        found["source"] = binned(over(run, "lambda/target"))
    return found


def told(run: Told) -> dict[str, dict[str, Series]]:
    """Further curves of penalties, by penalty and name."""
    found: dict[str, dict[str, Series]] = {}
    for name, series in _named(run, "told/").items():
        penalty, _, own = name.partition("/")
        if penalty in registry("penalties"):
            found.setdefault(penalty, {})[own] = binned(series)
    return found


def titled(penalty: str) -> str:
    """What a penalty is called."""
    cls = registry("penalties").get(penalty)
    return t(cls.title or cls.name) if cls else penalty


def meant(cls: type[Part]) -> str:
    """What a part says of itself."""
    return t(" ".join((cls.__doc__ or "").split()))


def said(penalty: str, name: str) -> str:
    """A penalty's curve in words, where its part has some (``said``), else by its name."""
    words: Mapping[str, str] = getattr(registry("penalties").get(penalty), "said", {})
    return t(words.get(name, name))


def share_names(parts: Mapping[str, Series], contexts: Mapping[str, str]) -> dict[str, str]:
    """What parts of a loss are called: contexts by their names, the only term of a penalty by its title alone."""
    found = {}
    for part in parts:
        penalty, _, term = part.partition("/")
        several = sum(other.startswith(f"{penalty}/") for other in parts) > 1
        found[part] = contexts.get(part) or (f"{titled(penalty)}: {term}" if several else titled(penalty))
    return found


def why_none(config: RunConfig, run: Told) -> str:
    """Why gradients and rates have no curves, and what to choose for some; "" where they have."""
    if norms(run):
        return ""
    if not facts(config).learns:
        return t(
            "All layers are frozen and only the head learns: there are no gradients of layers to look at, and no "
            "learning rates of theirs. For some, choose a tuning that lets layers learn."
        )
    return t("No layer that learns has been looked at so far.")


def why_uncompared(config: RunConfig, run: Told) -> str:
    """Why no gradients were compared, and what to choose so that they are; "" where they were, or nothing was seen."""
    if not norms(run) or any(name.startswith("cosine/") for name in run):
        return ""
    if all(len(phase.weights) < 2 for phase in phases(config)):
        return t(
            "Every update sees one context alone, so there are no two gradients to compare. With the schedule joint "
            "each update sees all of them, with replay some do."
        )
    return t("No parameter that learns is reached by two contexts, so their gradients have nothing in common.")


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
    if found.apart == 0:
        if found.looks == 1:
            return t("It was looked at once: the gradients did not point apart.")
        return t("In none of {n} looks did the gradients point apart.", n=found.looks)
    text = t(
        "In {k} of {n} looks the gradients pointed apart: a small step for one context would have undone some of the "
        "other's.",
        k=found.apart,
        n=found.looks,
    )
    low = [layer(name) for name, (_, values) in found.layers.items() if len(values) and np.median(values) < 0]
    return f"{text} {t('Mostly in: {layers}.', layers=', '.join(low))}" if low else text


def ends(curves: Mapping[str, Series], names: Mapping[str, str]) -> str:
    """Where curves end, for those who can't see them."""
    last = [f"{names.get(name, name)} {y[-1]:.3g}" for name, (_, y) in curves.items() if len(y)]
    return t("At the end: {values}.", values=", ".join(last))
