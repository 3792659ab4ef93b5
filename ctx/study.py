"""A study: the chosen setting beside its baselines, over draws. Arms of one draw share its subset, start and order."""

from __future__ import annotations

from ctx import data
from ctx.config import MOST_SEED, RunConfig, canonical, frozen_blocks
from ctx.errors import BadInput, Unavailable
from ctx.parts import Choice, Schedule
from ctx.plan import epoch_updates
from ctx.registry import make

ARMS = ("target-only", "source-only", "chosen")
PLACE = {"chosen": 0.0, "target-only": 1.25, "source-only": 1.5}  # in the order of a study, in draws
ALL_FROZEN_DRAWS, DRAWS = 10, 3

PLAIN = {"penalties": (), "balancer": Choice(name="fixed")}  # what baselines have none of


def default_draws(config: RunConfig) -> int:
    """Ten draws where all layers are frozen and only a linear head learns, which takes a second; three otherwise."""
    frozen, blocks = frozen_blocks(config)
    return ALL_FROZEN_DRAWS if frozen == blocks and config.task().looks is None else DRAWS


def arms(config: RunConfig) -> dict[str, RunConfig]:
    """The runs of one draw by arm, canonical; "chosen" is left out where it is one of the baselines.

    Target only gets as many target updates as the chosen arm, and no fewer than by itself. Source only is left out
    where the contexts have different labels, since its head would be untrained.
    """
    chosen = canonical(config)
    found: dict[str, RunConfig] = {}
    if config.target:
        updates, own = target_updates(config), epoch_updates(training_sizes(config)["target"], config)
        fair = Choice(name="target-only", knobs={"updates": updates} if updates > own else {})
        alone = chosen.schedule if chosen.schedule.name == "target-only" else fair
        found["target-only"] = canonical(config.model_copy(update=PLAIN | {"schedule": alone}))
    if config.sources and _same_labels(config):
        found["source-only"] = canonical(config.model_copy(update=PLAIN | {"schedule": Choice(name="source-only")}))
    if chosen not in found.values():
        found["chosen"] = chosen
    return found


def rows(config: RunConfig, draws: int) -> list[tuple[str, int, RunConfig]]:
    """(arm, draw, configuration), about draw by draw from the configuration's seed on, so that rows fill up early.

    The chosen arm goes first, a draw ahead of the others: its curves are what one waits to see, it takes longest, and
    the source alone may be a moment's work once a chosen arm that begins with it has trained it (`ctx.handover`).
    """
    if config.seed + draws > MOST_SEED:
        raise BadInput(f"The seed {config.seed} leaves no room for {draws} draws: choose a smaller one.")
    planned = [arms(config.model_copy(update={"seed": config.seed + draw})) for draw in range(draws)]
    found = [(arm, draw, one) for draw, row in enumerate(planned) for arm, one in row.items()]
    return sorted(found, key=lambda row: row[1] + PLACE[row[0]])


def training_sizes(config: RunConfig) -> dict[str, int]:
    """How many examples each context learns from, those set aside for selection left out; raises Unavailable."""
    found = {}
    for key, choice in config.contexts().items():
        size = choice.size or data.sizes(choice).get("train")
        if size is None:
            raise Unavailable(f"{choice.id} is not on this machine yet: fetch it first (ctx fetch {choice.id}).")
        found[key] = size - (size // data.SELECT_EVERY if size >= data.SELECT_FROM else 0)
    return found


def target_updates(config: RunConfig) -> int:
    """Updates an epoch in which the chosen arm takes a batch of the target; 0 where it is never trained on."""
    schedule: Schedule = make("schedules", config.schedule)
    phases = schedule.phases(config, training_sizes(config))
    updates = sum(phase.taken(phase.epochs * phase.updates).get("target", 0) for phase in phases)
    return -(-updates // config.optim.epochs)


def _same_labels(config: RunConfig) -> bool:
    labels = [data.context(choice).labels for choice in config.contexts().values()]
    return labels.count(labels[0]) == len(labels)
