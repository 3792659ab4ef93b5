"""How contexts mix, before training: what is minimised; how much each loss weighs, and how often each is looked at."""

from __future__ import annotations

from collections.abc import Mapping

from ctx.config import RunConfig, facts
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.lab.effect import phases
from ctx.lab.names import short
from ctx.parts import Choice, Penalty
from ctx.plan import Phase, Ramp
from ctx.registry import make, part
from ctx.study import training_sizes

INDICES = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
POINTS = 200  # of the training at which λ is taken, for its mean


def formula(config: RunConfig) -> str:
    """What is minimised, phase by phase, in plain signs: ``L = L(tweets) + 0.1 · L(editorials)``.

    Penalties add what they declare, and the balancer changes the weights as it declares, where they act.
    """
    found, before = [], set[str]()
    for phase in phases(config):
        found.append(_minimised(phase, config, set() if phase.fresh else set(before)))
        before |= set(phase.weights)
    return t(", then ").join(found)


def _minimised(phase: Phase, config: RunConfig, before: set[str]) -> str:
    """One phase: what varies and what isn't in every step is said behind it.

    ``before``: the contexts whose weights it goes on from.
    """
    names = {key: short(choice.id) for key, choice in config.contexts().items()}
    balancer = part("balancers", config.balancer.name)
    balanced = not balancer.plain and len(phase.weights) > 1
    varying = phase.varying()
    terms: list[str] = []
    said: list[str] = []
    for key, weight in phase.weights.items():
        name, first = f"L({names[key]})", weight(0.0)
        term = f"λ(t) · {name}" if key in varying else name if first == 1 else f"{first:g} · {name}"
        terms.append(balancer.makes.format(term, n=str(len(terms) + 1).translate(INDICES)) if balanced else term)
        if key in varying:
            ends = {"first": f"{first:g}", "last": f"{weight(1.0):g}", "shape": _shape(phase, key)}
            said.append(t("λ from {first} to {last} ({shape})", **ends))
        if key in phase.shares:
            said.append(f"{name} {often(phase.shares[key])}")
    if balanced:
        said.append(t("balanced by: {title}", title=balancer.title))
    added = [text for choice in config.penalties for text in _added(choice, phase, config, before)]
    return "; ".join([" ".join([f"L = {' + '.join(terms)}", *added]), *said])


def _added(choice: Choice, phase: Phase, config: RunConfig, before: set[str]) -> list[str]:
    """What a penalty adds in a phase, with its weights."""
    penalty: Penalty = make("penalties", choice)
    beside = "target" in phase.weights and len(phase.weights) > 1
    if not {"always": True, "left": bool(before - set(phase.weights)), "beside": beside}[penalty.acts]:
        return []
    if not penalty.adds:
        return [f"+ {penalty.title}"]
    weights = {knob: getattr(penalty.knobs, knob) for knob in penalty.adds}
    if penalty.looks_back and penalty.acts == "always" and not before and not facts(config).knows:
        weights["weight"] = 0.0  # nothing knows anything yet that it could hold
    shown = [text.format(weights[knob]) for knob, text in penalty.adds.items() if weights[knob]]
    return [f"{text[:2]}{text[2:].removeprefix('1 · ')}" for text in shown]


def _shape(phase: Phase, key: str) -> str:
    weight = phase.weights[key]
    if not isinstance(weight, Ramp):
        return t("varies")
    if weight.shape == "step":
        return t("in one step, after {share} of the training", share=f"{weight.switch:.0%}")
    return {"linear": t("linear"), "cosine": t("cosine")}.get(weight.shape, weight.shape)


def often(share: float) -> str:
    """A share of the steps in words: ``in every step``, ``in every second step``, ``in 30 % of the steps``."""
    each = round(1 / share)
    if abs(share * each - 1) > 1e-6:
        return t("in {share} of the steps", share=f"{share:.0%}")
    words = {1: t("in every step"), 2: t("in every second step"), 3: t("in every third step")}
    return words.get(each) or t("in one step of {n}", n=each)


def balance(config: RunConfig) -> str:
    """How much each loss weighs and how often each context is looked at, where a step sees several; "" elsewhere."""
    names = {key: short(choice.id) for key, choice in config.contexts().items()}
    mixed = [phase for phase in phases(config) if len(phase.weights) > 1]
    balancer = part("balancers", config.balancer.name)
    said = []
    for phase in mixed:
        weights = t("Weight of the loss, in a step that sees all: {each}.", each=_each(_weighed(phase), names))
        if not balancer.plain:
            weights = t("Weight of the loss at the start: {each}.", each=_each(_weighed(phase), names))
            weights += " " + t("The balancer “{title}” then changes what each one counts.", title=balancer.title)
        batches = _each({key: often(phase.shares.get(key, 1.0)) for key in phase.weights}, names)
        if not phase.shares:
            batches = t("one of each in every step")
        if "target" in phase.weights and any(make("penalties", one).unread for one in config.penalties):
            batches += t(", and where both are one of texts of {target} without labels", target=names["target"])
        said.append(f"{weights} {t('Batches: {each}.', each=batches)}")
    if len(mixed) == 1 and len(phases(config)) == 1 and balancer.plain:
        said.append(_examples(mixed[0], config, names))
    return " ".join(filter(None, said))


def _each(said: Mapping[str, str], names: Mapping[str, str]) -> str:
    return ", ".join(f"{names[key]} {text}" for key, text in said.items())


def _weighed(phase: Phase) -> dict[str, str]:
    """Each context's share of a step's loss, were the losses alike: ``9%``, or ``0% → 9%`` where it varies."""
    ends = []
    for progress in (0.0, 1.0):
        weights = {key: weight(progress) for key, weight in phase.weights.items()}
        whole = sum(weights.values()) or 1.0
        ends.append({key: f"{weight / whole:.0%}" for key, weight in weights.items()})
    first, last = ends
    return {key: share if not phase.varying() else f"{share} → {last[key]}" for key, share in first.items()}


def _examples(phase: Phase, config: RunConfig, names: Mapping[str, str]) -> str:
    """What one example of the target counts over the training, against one of the source: by λ, batches and sizes."""
    try:
        sizes = training_sizes(config)
    except CtxError:
        return ""
    if not {"source", "target"} <= set(phase.weights):
        return ""
    counts = {}
    for key in ("source", "target"):
        mean = sum(phase.weights[key]((n + 0.5) / POINTS) for n in range(POINTS)) / POINTS
        counts[key] = mean * phase.shares.get(key, 1.0) / sizes[key]
    times = counts["target"] / counts["source"]
    return t(
        "Over the training one example of {target} counts as much as {n} of {source}.",
        target=names["target"],
        n=f"{times:.2g}" if times < 10 else f"{times:,.0f}",
        source=names["source"],
    )
