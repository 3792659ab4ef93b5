"""What a setting will do, before training: the formula, what learns, how long it takes, and what has no effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import ceil

from ctx import data
from ctx.config import ContextChoice, Optim, RunConfig, frozen_blocks, frozen_parts
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.lab.names import short
from ctx.parts import Backbone, Schedule
from ctx.plan import Phase
from ctx.records import Run
from ctx.registry import make, part, registry
from ctx.study import ARMS, arms, training_sizes

TOKENS = 30  # in a text of ordinary length
RATE = 8e10  # multiplications a second that two cores give
STEP_SECONDS = 0.0015  # a step of which only the head learns
CORES = 2


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


def millions(count: int) -> str:
    """A count of parameters in two or three digits."""
    if count >= 1e5:
        return f"{count / 1e6:.1f} M" if count < 1e8 else f"{count / 1e6:.0f} M"
    return f"{count / 1e3:.1f} k" if count >= 1000 else str(count)


def run_seconds(config: RunConfig, taken_over: bool = False) -> float:
    """A rough guess of one run's time on two cores, without the frozen layers (they run once a study).

    ``taken_over``: without its first phase, which another run has had.
    Of texts that an augmentation changes they run at every step, forwards alone: a third of the work.
    """
    backbone: Backbone = make("backbones", config.backbone)
    frozen, _ = frozen_blocks(config)
    layers = backbone.parameters()
    live: float = sum(layers[max(frozen, 1) :]) + sum(backbone.decoder_parameters())
    if any(cls.of_words() or cls.of_pieces() for cls in (part("augment", choice.name) for choice in config.augment)):
        live += sum(layers[1:frozen]) / 3
    planned = phases(config)[taken_over:]
    seconds = 0.3 + _writing_seconds(config, backbone, planned)
    for phase in planned:
        work = 6 * live * config.optim.batch * TOKENS * len(phase.weights) / RATE
        seconds += (
            phase.epochs * phase.updates * ((STEP_SECONDS + config.task().step_seconds) * len(phase.weights) + work)
        )
    return seconds


def _writing_seconds(config: RunConfig, backbone: Backbone, planned: Sequence[Phase]) -> float:
    """Of all its texts: looked at after every epoch and to select weights, greedily; those of the tests by beam."""
    task, contexts = config.task(), config.contexts()
    if not task.writes:
        return 0.0
    looks, tested = task.looks or 0, task.tested or 0
    there = {key: _sizes(choice) for key, choice in contexts.items()}
    looked = sum(min(looks, there[key].get("validation", looks)) for key in contexts)
    texts = config.beams * sum(min(tested, there[key].get("test", tested)) for key in contexts)
    for phase in planned:
        size = 0
        if phase.select_on and config.keep == "best":
            size = contexts[phase.select_on].size or there[phase.select_on].get("train", 1000)
        selected = size // data.SELECT_EVERY if size >= data.SELECT_FROM else 0
        texts += phase.epochs * (looked + min(looks, selected))
    return texts * (task.text_seconds + 2 * sum(backbone.decoder_parameters()) * TOKENS / RATE)


def _sizes(choice: ContextChoice) -> dict[str, int]:
    try:
        return data.sizes(choice, patient=False)
    except CtxError:
        return {}


def study_seconds(config: RunConfig, draws: int, finished: Sequence[Run] = ()) -> float:
    """How long a study will take: as long as alike runs took here, else a guess from the work there is.

    ``finished``: runs of the store to learn from.
    """
    total = draws * sum(_like(run, steps, finished) or rough for run, steps, rough in _one_draw(config))
    return total / CORES if draws > 1 else total


def _one_draw(config: RunConfig) -> tuple[tuple[RunConfig, int, float], ...]:
    """Each arm's configuration, updates, and rough seconds."""
    try:
        sizes = tuple(training_sizes(config).items())
    except CtxError:
        sizes = ()
    return _planned(config.model_dump_json(), sizes, tuple(make("backbones", config.backbone).parameters()))


@lru_cache(maxsize=500)
def _planned(
    config: str, sizes: tuple[tuple[str, int], ...], parameters: tuple[int, ...]
) -> tuple[tuple[RunConfig, int, float], ...]:
    """A page asks for this a dozen times; it changes with the settings, and with what is in the data and the model."""
    asked = RunConfig.model_validate_json(config)
    found = arms(asked) if sizes else {"chosen": asked}
    shared = {"source-only"} if len(found) == len(ARMS) and "target" not in phases(asked)[0].weights else set()
    return tuple(
        (run, sum(phase.epochs * phase.updates for phase in phases(run)), run_seconds(run, arm in shared))
        for arm, run in found.items()
    )


def _like(config: RunConfig, steps: int, finished: Sequence[Run]) -> float | None:
    """The median time of alike runs, by the steps that they took."""
    same = [
        run.final["train_seconds"] / run.final["steps"]
        for run in finished
        if run.final and run.final.get("steps") and run.final.get("train_seconds") and _alike(run.settings, config)
    ]
    return steps * sorted(same)[len(same) // 2] if same else None


def _alike(settings: Mapping[str, object], config: RunConfig) -> bool:
    """Whether a stored run and this one take about as long a step, the tests shared out among the steps."""
    parts = config.model_dump(mode="json")
    schedule, optim = (_inside(settings, name) for name in ("schedule", "optim"))
    beams = settings.get("beams", 1) if config.task().writes else config.beams
    return (
        _application(settings) == _application(parts)
        and settings.get("backbone") == parts["backbone"]
        and settings.get("tuning") == parts["tuning"]
        and schedule.get("name") == config.schedule.name
        and optim.get("batch", Optim().batch) == config.optim.batch
        and beams == config.beams
    )


def _application(settings: Mapping[str, object]) -> str:
    target, sources = _inside(settings, "target"), settings.get("sources")
    first = target or (sources[0] if isinstance(sources, list) and sources else {})
    return str(first.get("id", "")).partition("/")[0]


def _inside(settings: Mapping[str, object], name: str) -> dict[str, object]:
    found = settings.get(name)
    return found if isinstance(found, dict) else {}


def duration(seconds: float) -> str:
    """A rough time for a button: ``8 s``, ``40 s``, ``3 min``."""
    if seconds < 20:
        return t("{n} s", n=max(1, round(seconds)))
    if seconds < 100:
        return t("{n} s", n=ceil(seconds / 10) * 10)
    if seconds < 5400:
        return t("{n} min", n=round(seconds / 60))
    return t("{n} h", n=f"{seconds / 3600:.1f}")


def why_off(config: RunConfig, name: str) -> str:
    """Why a setting has no effect on this study, in a sentence; "" where it has one."""
    key, _, inner = name.partition(".")
    uses = schedule_of(config).uses
    if key == "source" and "source" not in uses:
        return t("This schedule never trains on a source.")
    if name == "tuning.decoder" and not config.task().writes:
        return t("No text is written here, so there is no decoder to freeze.")
    if key in ("balancer", "backbone", "schedule", "tuning") and not inner:
        return _only_one(config, key)
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
