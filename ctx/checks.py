"""What a configuration may not be: each check raises BadInput with one sentence, before anything is queued."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctx import data
from ctx.errors import BadInput
from ctx.parts import Backbone, Choice, Context, Facts, Schedule, Tuning
from ctx.registry import make, part

if TYPE_CHECKING:
    from ctx.config import ContextChoice, RunConfig


def facts_of(config: RunConfig, schedule: Choice) -> Facts:
    """What a run is like with this schedule."""
    phases = make("schedules", schedule).phases(config, dict.fromkeys(config.contexts(), 1000))
    before: set[str] = set()
    handed = left = False
    for phase in phases:
        now = set(phase.weights)
        handed |= bool(before) and before != now and not phase.fresh
        left |= bool(before - now) and not phase.fresh
        before |= now
    tuning: Tuning = make("tunings", config.tuning)
    backbone: Backbone = make("backbones", config.backbone)
    learns = any(tuning.learning(backbone.layers(), config.optim.epochs - 1))
    task, batch = config.task(), config.optim.batch
    return Facts(
        schedule=schedule.name,
        tuning=config.tuning.name,
        together=any(len(phase.weighed()) > 1 for phase in phases),
        beside=any(len(phase.weights) > 1 and "target" in phase.weights for phase in phases),
        varies=any(phase.varying() for phase in phases),
        handed=handed,
        left=left,
        learns=learns,
        shares=learns and tuning.shares(),
        fewest=min(batch, *(choice.size or batch for choice in config.contexts().values())),
        one_head=len({data.context(choice).labels for choice in config.contexts().values()}) == 1,
        numbers=not task.writes and not any(data.context(choice).labels for choice in config.contexts().values()),
        epochs=config.optim.epochs,
        backbone=config.backbone.name,
        knows=_knows(tuning, backbone, config.optim.epochs),
    )


def _knows(tuning: Tuning, backbone: Backbone, epochs: int) -> bool:
    """Whether something that learns at last was pretrained: of the encoder's own weights, or its decoder's."""
    if backbone.decoder_parameters()[tuning.frozen_decoder() :]:
        return True
    if not backbone.pretrained or (tuning.changes_model() and not backbone.matrices()):
        return False
    learnt = tuning.learnt(backbone, epochs - 1)
    return any(block.own for block in learnt[: len(learnt) - tuning.renewed()])


def one_application(config: RunConfig, contexts: dict[str, Context]) -> str:
    """The application of all contexts."""
    applications = {context.application: context.name for context in contexts.values()}
    if len(applications) > 1:
        (a, x), (b, y) = list(applications.items())[:2]
        raise BadInput(f"{x} is {a} and {y} is {b}: source and target must be of one application.")
    config.task()
    return next(iter(applications))


def check_augment(config: RunConfig, application: str) -> None:
    """Augmentations mean something there, each once."""
    names = [choice.name for choice in config.augment]
    backbone = part("backbones", config.backbone.name)
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"The augmentation {name} is named twice: name it once.")
        unfit: str = part("augment", name).unfit(application, backbone)
        if unfit:
            raise BadInput(unfit)


def check_roles(config: RunConfig, schedule: Schedule, contexts: dict[str, Context]) -> None:
    """The contexts that the schedule trains on are there, each once, and can be tested."""
    for role in sorted(schedule.uses):
        if role not in contexts:
            raise BadInput(f"The schedule {schedule.name} trains on a {role}, and none is named: add --{role}.")
    ids = [choice.id for choice in config.contexts().values()]
    twice = next((name for name in ids if ids.count(name) > 1), None)
    if twice:
        raise BadInput(f"{twice} is named twice: a context can't help itself; choose another source or target.")
    if "target" in contexts and "target" not in schedule.uses:
        other = next((c for k, c in contexts.items() if k != "target" and c.labels == contexts["target"].labels), None)
        if other is None:
            raise BadInput(
                f"{schedule.name} can't be scored on {contexts['target'].name}: its labels are not the source's, "
                "so its head would be untrained. Choose a schedule that trains on the target."
            )


def check_renewed(tuning: Tuning, backbone: Backbone) -> None:
    """Layers are drawn anew only where they were pretrained, and where they learn from the start."""
    wanted = tuning.renewed()
    if wanted and not backbone.renews():
        raise BadInput(
            f"reinit of the tuning {tuning.name} draws pretrained layers of an encoder anew, and {backbone.name} has "
            "none that it could draw: choose reinit 0 or another backbone."
        )
    most = renewable(tuning, backbone)
    if wanted > most:
        learn = {0: "no layer learns", 1: "only the highest layer learns"}
        raise BadInput(
            f"reinit is {wanted}, and with the tuning {tuning.name} "
            f"{learn.get(most, f'only the highest {most} layers learn')} from the start: what is drawn anew has to "
            f"learn. Choose {f'reinit from 0 to {most}' if most else 'reinit 0'}, or let more "
            "layers learn."
        )


def renewable(tuning: Tuning, backbone: Backbone) -> int:
    """How many of the highest layers may be drawn anew: those that learn from the start. No torch."""
    if not backbone.renews():
        return 0
    layers = tuning.learning(backbone.layers(), 0)[1:]
    return next((n for n, learns in enumerate(reversed(layers)) if not learns), len(layers))


def check_size(choice: ContextChoice) -> None:
    """No more labels than there are."""
    there = data.sizes(choice)
    if choice.size is not None and there and choice.size > there["train"]:
        raise BadInput(
            f"{choice.id} has {there['train']} labelled examples for training, and {choice.size} were asked for: "
            f"ask for at most {there['train']}."
        )


def check_objectives(config: RunConfig, facts: Facts) -> None:
    """The tuning, the balancer and the penalties mean something in such a run, each once."""
    names = [choice.name for choice in config.penalties]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise BadInput(f"The penalty {twice} is named twice: name it once.")
    chosen = [("balancers", config.balancer.name), *(("penalties", name) for name in names)]
    unread = next((choice.name for choice in config.penalties if make("penalties", choice).unread), "")
    if unread and config.augment:
        raise BadInput(
            f"The penalty {unread} reads further texts of the target as they are, and the augmentation "
            f"{config.augment[0].name} changes the source's: leave one of them out, or choose texts labelled."
        )
    unfit: str = make("tunings", config.tuning).unfit(facts, make("backbones", config.backbone))
    unfit = unfit or next((why for kind, name in chosen if (why := part(kind, name).unfit(facts))), "")
    if unfit:
        raise BadInput(unfit)
