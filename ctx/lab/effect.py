"""What a setting will do, before training: what learns, and what has no effect."""

from __future__ import annotations

from ctx import data
from ctx.config import RunConfig, facts, frozen_blocks, frozen_parts
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.lab import learned
from ctx.parts import Backbone, Choice, Schedule, Tuning
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


def lam(config: RunConfig) -> float | None:
    """λ, where the schedule has one."""
    value = getattr(schedule_of(config).knobs, "lam", None)
    return None if value is None else float(value)


def varies(config: RunConfig) -> bool:
    """Whether λ is not the same throughout."""
    return any(phase.varying() for phase in phases(config))


def learning(config: RunConfig) -> str:
    """What learns: ``4 of 6 frozen: 3.5 M of 22.6 M learn``. A pretrained decoder counts, a fresh head doesn't."""
    backbone: Backbone = make("backbones", config.backbone)
    parts, _ = frozen_parts(config)
    below = _decoder(parts, config.task().decoder_parts(backbone))
    return " ".join(filter(None, (_which(config, backbone, parts), below, learned.remarks(config))))


def _which(config: RunConfig, backbone: Backbone, parts: int) -> str:
    """Which layers learn, and how many parameters."""
    stretches = learned.stretches(config)
    own = backbone.decoder_parameters()
    if not stretches[-1].whole:
        return _few(stretches[-1], sum(own[parts:]))
    learn, total = (millions(count) for count in learned.counts(config))
    if len(stretches) > 1:
        return _one_by_one(stretches, backbone, learn, total)
    learning, blocks = stretches[0].learning, len(stretches[0].sizes)
    frozen = min(learning, default=blocks)
    if learning and learning != list(range(frozen, blocks)):
        text = t("Of the encoder only {layers}", layers=learned.named(learning))
        pieces = t(" (of the embedding the pieces that occur)") if backbone.by_pieces and learning[0] == 0 else ""
        verb = t(" learns") if len(learning) == 1 else t(" learn")
        return t("{which}: {learn} of {total} parameters.", which=text + verb + pieces, learn=learn, total=total)
    if frozen >= blocks and not own:
        return t("All {n} layers frozen: only the head learns, on {total} fixed parameters.", n=blocks - 1, total=total)
    if frozen == parts == 0:
        return t("Nothing frozen: {all} learn.", all=_every(backbone, total))
    if frozen == 0 and not own:
        return t("No layer frozen: {all} below the decoder learn.", all=_every(backbone, total))
    k = max(frozen - 1, 0)
    return t("{k} of {n} frozen: {learn} of {total} parameters learn.", k=k, n=blocks - 1, learn=learn, total=total)


def _one_by_one(stretches: list[learned.Stretch], backbone: Backbone, learn: str, total: str) -> str:
    """What learns where that changes from epoch to epoch."""
    first, last = stretches[0], stretches[-1]
    begins = t("{layers} and the head", layers=learned.named(first.learning)) if first.learning else t("the head alone")
    pieces = t(", of the embedding those of pieces that occur") if backbone.by_pieces and last.blocks[0].own else ""
    return t(
        "First {begins}; from epoch {epoch} on {layers} too: in the end {learn} of {total} parameters learn{pieces}.",
        begins=begins,
        epoch=last.first + 1,
        layers=learned.named(last.learning),
        learn=learn,
        total=total,
        pieces=pieces,
    )


def _few(stretch: learned.Stretch, decoder: int) -> str:
    """What learns where that is new, or a few parameters of every layer."""
    new, own = learned.added(stretch), sum(block.own for block in stretch.blocks)
    total = millions(sum(stretch.sizes))
    if not new:
        text = t("{learn} of the encoder's {total} parameters learn", learn=millions(own), total=total)
    elif not own:
        text = t("{new} new parameters learn; the encoder's {total} stay as they are", new=millions(new), total=total)
    else:
        text = t("{new} new parameters learn, and all {total} of the encoder's", new=millions(new), total=total)
    more = t("; of the decoder {n} learn", n=millions(decoder)) if decoder else ""
    return t("{what}{more}.", what=text, more=more)


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
    if inner and key == "schedule" and (why := schedule_of(config).idle().get(inner)):
        return why
    if key == "source":
        return _off_source(config, inner)
    kind, _, knob = inner.partition(".")
    chosen = next((one for one in config.penalties if key == "penalty" and knob and one.name == kind), None)
    if chosen is not None:
        return str(make("penalties", chosen).idle(facts(config)).get(knob, ""))
    if key == "tuning" and inner:
        return _off_tuning(config, inner)
    if name == "half" and frozen_blocks(config)[0] == 0:
        return t("Nothing is frozen, so there is nothing to keep.")
    if key in ("balancer", "backbone", "schedule", "tuning") and not inner:
        return _only_one(config, key)
    if key == "penalty" and inner in registry("penalties") and inner not in [one.name for one in config.penalties]:
        unfit: str = part("penalties", inner).unfit(facts(config))
        return unfit
    return _off_optim(config, inner or key) if key in ("optim", "keep") else ""


def _off_source(config: RunConfig, inner: str) -> str:
    if "source" not in schedule_of(config).uses:
        return t("This schedule never trains on a source.")
    if not inner.endswith("weight") or any(source.weight != 1 for source in config.sources):
        return ""
    if len(config.sources) == 1:
        return t("There is only one source.")
    if all(len(set(phase.weights) - {"target"}) < 2 for phase in phases(config)):
        return t("This schedule trains on one source at a time.")
    return ""


def _off_tuning(config: RunConfig, inner: str) -> str:
    tuning: Tuning = make("tunings", config.tuning)
    if why := tuning.idle().get(inner):
        return why
    if inner == "decoder" and not config.task().writes:
        return t("No text is written here, so there is no decoder to freeze.")
    if inner == "reinit" and not part("backbones", config.backbone.name).renews():
        return t("This backbone has no pretrained layers that could begin anew.")
    if inner == "decay" and len(learned.ever(config)) < 2:
        return t("Fewer than two layers learn, so none learns slower than another.")
    return ""


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


def why_not(config: RunConfig, key: str, name: str) -> str:
    """Why a tuning or a balancer means nothing on this backbone or with this schedule; "" where it does."""
    try:
        if key == "balancer":
            return str(part("balancers", name).unfit(facts(config)))
        if key == "tuning":
            made: Tuning = make("tunings", Choice(name=name))
            return made.unfit(facts(config), make("backbones", config.backbone))
    except CtxError:
        pass  # what is wrong is said elsewhere
    return ""
