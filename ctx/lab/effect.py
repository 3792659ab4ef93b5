"""What a setting will do, before training: the formula, what learns, and what has no effect."""

from __future__ import annotations

from ctx import data
from ctx.config import RunConfig, facts, frozen_blocks, frozen_parts
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.lab.names import short
from ctx.parts import Backbone, Schedule
from ctx.plan import Phase
from ctx.registry import make, part, registry
from ctx.study import training_sizes


def schedule_of(config: RunConfig) -> Schedule:
    """The schedule with its knobs."""
    made: Schedule = make("schedules", config.schedule)
    return made


def phases(config: RunConfig) -> list[Phase]:
    """The plan of the run; sizes that aren't known yet count as 1,000 examples."""
    try:
        sizes = training_sizes(config)
    except CtxError:
        sizes = {key: choice.size or 1000 for key, choice in config.contexts().items()}
    return schedule_of(config).phases(config, sizes)


def formula(config: RunConfig) -> str:
    """What is minimised, phase by phase, in plain signs: ``L = L_tweets + 0.1 · L_editorials``."""
    names = {key: short(choice.id) for key, choice in config.contexts().items()}
    said = []
    for phase in phases(config):
        weights = {key: weight(0.0) for key, weight in phase.weights.items()}
        terms = [f"L({names[key]})" if w == 1 else f"{w:g} · L({names[key]})" for key, w in weights.items()]
        said.append(" + ".join(terms))
    return t(", then ").join(f"L = {each}" for each in said)


def lam(config: RunConfig) -> float | None:
    """λ, where the schedule has one."""
    value = getattr(schedule_of(config).knobs, "lam", None)
    return None if value is None else float(value)


def balance(config: RunConfig) -> str:
    """λ in words: its share of each step, and what one target example weighs against a source example."""
    weight = lam(config)
    if weight is None or not config.sources or config.target is None:
        return ""
    share = t("The target has {share} of each step.", share=f"{weight / (1 + weight):.0%}")
    try:
        sizes = training_sizes(config)
    except CtxError:
        return share
    times = weight * sizes["source"] / sizes["target"]
    amount = f"{times:.2g}" if times < 10 else f"{times:,.0f}"
    one = short(config.target.id)
    more = t(
        "Over the training one example of {target} counts as much as {n} of {source}.",
        target=one,
        n=amount,
        source=short(config.sources[0].id),
    )
    return f"{share} {more}"


def learning(config: RunConfig) -> str:
    """What learns: ``4 of 6 frozen: 3.5 M of 22.6 M learn``. A pretrained decoder counts, a fresh head doesn't."""
    backbone: Backbone = make("backbones", config.backbone)
    frozen, blocks = frozen_blocks(config)
    parts, _ = frozen_parts(config)
    sizes, own = backbone.parameters(), backbone.decoder_parameters()
    total, learn = millions(sum(sizes) + sum(own)), millions(sum(sizes[frozen:]) + sum(own[parts:]))
    below = _decoder(parts, config.task().decoder_parts(backbone))
    if frozen >= blocks and not own:
        text = t("All {n} layers frozen: only the head learns, on {total} fixed parameters.", n=blocks - 1, total=total)
    elif frozen == parts == 0:
        return t("Nothing frozen: {all} learn.", all=_every(backbone, total))
    elif frozen == 0 and not own:
        text = t("No layer frozen: {all} below the decoder learn.", all=_every(backbone, total))
    else:
        k = max(frozen - 1, 0)
        text = t("{k} of {n} frozen: {learn} of {total} parameters learn.", k=k, n=blocks - 1, learn=learn, total=total)
    return f"{text} {below}".strip()


def _every(backbone: Backbone, total: str) -> str:
    if not backbone.by_pieces:
        return t("all {total} parameters", total=total)
    first, *layers = backbone.parameters()
    return t(
        "{layers} parameters of its layers, and of the embedding's {n} those of pieces that occur,",
        layers=millions(sum(layers)),
        n=millions(first),
    )


def _decoder(parts: int, there: int) -> str:
    """What of a decoder stays frozen, in a sentence; "" where nothing does."""
    if parts == 0:
        return ""
    if parts == 1:
        return t("Of the decoder its embedding is frozen.")
    return t("Of the decoder its embedding and {k} of {n} layers are frozen.", k=parts - 1, n=there - 1)


def not_kept(config: RunConfig) -> str:
    """Why the frozen layers run at every step instead of once a text; "" where they don't, or nothing is frozen."""
    frozen, _ = frozen_blocks(config)
    changed = [
        cls for cls in (part("augment", one.name) for one in config.augment) if cls.of_words() or cls.of_pieces()
    ]
    if not frozen or not changed:
        return ""
    return t(
        "{augmentation} changes the texts, so the frozen layers run at every step: what they give is not kept.",
        augmentation=", ".join(cls.name for cls in changed),
    )


def millions(count: int) -> str:
    """A count of parameters in two or three digits."""
    if count >= 1e5:
        return f"{count / 1e6:.1f} M" if count < 1e8 else f"{count / 1e6:.0f} M"
    return f"{count / 1e3:.1f} k" if count >= 1000 else str(count)


def why_off(config: RunConfig, name: str) -> str:
    """Why a setting has no effect on this study, in a sentence; "" where it has one."""
    key, _, inner = name.partition(".")
    uses = schedule_of(config).uses
    if key == "source" and "source" not in uses:
        return t("This schedule never trains on a source.")
    if name == "tuning.decoder" and not config.task().writes:
        return t("No text is written here, so there is no decoder to freeze.")
    if name == "half" and frozen_blocks(config)[0] == 0:
        return t("Nothing is frozen, so there is nothing to keep.")
    if key in ("balancer", "backbone", "schedule", "tuning") and not inner:
        return _only_one(config, key)
    if key == "penalty" and inner in registry("penalties") and inner not in [one.name for one in config.penalties]:
        unfit: str = part("penalties", inner).unfit(facts(config))
        return unfit
    return _off_optim(config, inner or key) if key in ("optim", "keep") else ""


def _only_one(config: RunConfig, key: str) -> str:
    kind = {"balancer": "balancers", "backbone": "backbones", "schedule": "schedules", "tuning": "tunings"}[key]
    names = [
        n
        for n, cls in registry(kind).items()
        if not getattr(cls, "applications", ()) or set(cls.applications) & set(config.task().applications)
    ]
    return t("There is only this one so far.") if len(names) == 1 else ""


def _off_optim(config: RunConfig, name: str) -> str:
    frozen, blocks = frozen_blocks(config)
    if name == "lr" and frozen >= blocks:
        return t("All layers are frozen: only the head's rate counts.")
    target = config.target
    if name == "class_balanced" and target and not part("contexts", target.id).labels:
        return t("Texts to be written have no classes.") if config.task().writes else t("Numbers have no classes.")
    if name == "keep":
        sizes = {key: choice.size or data.SELECT_FROM for key, choice in config.contexts().items()}
        selected = [phase.select_on for phase in phases(config) if phase.select_on]
        if all(sizes.get(key, 0) < data.SELECT_FROM for key in selected):
            return t("Below {n} labels none are set aside to select on: the last weights are kept.", n=data.SELECT_FROM)
    return ""
