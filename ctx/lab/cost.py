"""How long a study will take, before training: by runs alike that ended here, else by the work there is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from heapq import heapreplace
from math import ceil
from statistics import median

from pydantic import ValidationError

from ctx import data, machine, together
from ctx.config import FEWEST_LOOKED, ContextChoice, Optim, RunConfig, frozen_blocks, looked
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.lab import learned
from ctx.lab.effect import phases
from ctx.manifest import slots
from ctx.parts import Backbone
from ctx.plan import Phase
from ctx.records import Run
from ctx.registry import make, part
from ctx.study import ARMS, arms, training_sizes
from ctx.together import kind_of

LOOKED = 500  # examples of a split whose size is not known
START_SECONDS, STEP_SECONDS = 0.3, 0.0015  # a run's beginning and end; a step of which only the head learns
TOGETHER = 0.06, 0.0001  # the same of each of many that train together
MOST_ALIKE = 20  # finished runs that say how long another takes


def run_seconds(config: RunConfig) -> float:
    """A rough guess of one run's time when it has this machine, without the frozen layers (they run once a study)."""
    return _seconds(config, phases(config), machine.rate(machine.fastest()))


def _seconds(config: RunConfig, planned: Sequence[Phase], rate: float) -> float:
    """The same of those phases of its own that it trains, and its tests, at so many operations a second.

    For a token, twice a parameter's number of operations forwards, twice for the gradient that passes on, twice for its
    own. Frozen layers run at every step for texts that an augmentation changes, forwards alone: a third of the work.
    """
    backbone: Backbone = make("backbones", config.backbone)
    frozen, _ = frozen_blocks(config)
    layers = backbone.parameters()
    live, moved = (
        count + sum(backbone.decoder_parameters()) for count in (learned.live(config), learned.moved(config))
    )
    if any(cls.of_words() or cls.of_pieces() for cls in (part("augment", choice.name) for choice in config.augment)):
        live, moved = (count + sum(layers[1:frozen]) / 3 / machine.forwards() for count in (live, moved))
    start, step = TOGETHER if kind_of(config) else (START_SECONDS, STEP_SECONDS)
    seconds = start + _writing_seconds(config, backbone, planned, rate)
    tokens = {key: machine.tokens(backbone, choice) for key, choice in config.contexts().items()}
    if not config.task().writes:
        for key, choice in config.contexts().items():
            sizes, epochs = _sizes(choice), sum(phase.epochs for phase in planned)
            there = sizes.get("validation", LOOKED)
            rows = sizes.get("test", LOOKED) + epochs * min(looked(config), there)
            rows += min(FEWEST_LOOKED, there) if config.half or not backbone.pretrained else 0
            seconds += 2 * live * tokens[key] * rows / rate / machine.forwards()
    unread = any(make("penalties", one).unread for one in config.penalties)
    for phase in planned:
        most = config.optim.batch
        taken = phase.taken(phase.epochs * phase.updates)
        read = sum(n * min(most, config.contexts()[key].size or most) * tokens[key] for key, n in taken.items())
        read += _beside(phase) * most * tokens["target"] if unread else 0
        work = (4 * live + 2 * moved) * read / rate
        seconds += (step + config.task().step_seconds) * sum(taken.values()) + work
    return seconds


def _beside(phase: Phase) -> int:
    """How many updates of a phase see the target and another context."""
    seen = (phase.active(update) for update in range(phase.epochs * phase.updates))
    return sum("target" in keys and len(keys) > 1 for keys in seen)


def _writing_seconds(config: RunConfig, backbone: Backbone, planned: Sequence[Phase], rate: float) -> float:
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
    return texts * (task.text_seconds + 2 * sum(backbone.decoder_parameters()) * machine.USUAL_TOKENS / rate)


def fill_seconds(
    config: RunConfig, choice: ContextChoice, draws: int, deepest: int = 0, threads: int | None = None
) -> float:
    """How long frozen layers above the lowest ``deepest`` blocks take for the texts of a context that draws read.

    ``threads``: as in `one_run_seconds`; texts are encoded side by side, each by one (`ctx.sidebyside`).
    """
    frozen, _ = frozen_blocks(config)
    backbone: Backbone = make("backbones", config.backbone)
    sizes = _sizes(choice) if backbone.pretrained else {}
    train = sizes.get("train", 0)
    texts = min(train, draws * (choice.size or train)) + sizes.get("validation", 0) + sizes.get("test", 0)
    work = 2 * sum(backbone.parameters()[max(deepest, 1) : frozen]) * machine.tokens(backbone, choice) * texts
    return work / machine.forwards() / (machine.rate(1) * (threads or machine.fastest()))


def _sizes(choice: ContextChoice) -> dict[str, int]:
    try:
        return data.sizes(choice, patient=False)
    except CtxError:
        return {}


def one_run_seconds(
    config: RunConfig, finished: Sequence[Run] = (), taken_over: bool = False, threads: int | None = None
) -> float:
    """How long one run will take; ``taken_over``: its first phase is another run's.

    ``threads`` that it will have: as many as are fastest, where they are not said.
    """
    own = phases(config)[1:] if taken_over else phases(config)
    return _likely(config, _seconds(config, own, machine.rate(threads or machine.fastest())), finished)


def _likely(config: RunConfig, rough: float, finished: Sequence[Run]) -> float:
    """The guess, times what alike runs took against the same guess of theirs: the median of the latest."""
    ratios: list[float] = []
    for run in finished:
        took = run.final.get("train_seconds") if run.final and not run.final.get("taken_over") else None
        if took and len(ratios) < MOST_ALIKE and _alike(run.settings, config) and (guess := _guessed(run)):
            ratios.append(took / guess)
    return rough * (median(ratios) if ratios else 1.0)


def _guessed(run: Run) -> float:
    """What `_seconds` says of a stored run; 0 where it can't be read any more."""
    config = _read(json.dumps(run.settings))
    if config is None:
        return 0.0
    try:
        facts, rate = _facts(config), machine.rate(run.threads or machine.fastest())
        return _again(config.model_dump_json(), facts, rate)
    except CtxError:
        return 0.0


@lru_cache(maxsize=500)
def _read(settings: str) -> RunConfig | None:
    with suppress(ValidationError):
        return RunConfig.model_validate_json(settings)
    return None


@lru_cache(maxsize=500)
def _again(config: str, facts: Facts, rate: float) -> float:
    asked = RunConfig.model_validate_json(config)
    return _seconds(asked, phases(asked), rate)


Facts = tuple[tuple[object, ...], ...]


def _facts(config: RunConfig) -> Facts:
    """What a guess follows from beside a configuration: examples, tokens of a text, parameters, what was measured."""
    backbone: Backbone = make("backbones", config.backbone)
    choices = list(config.contexts().values())
    sizes = tuple(tuple(_sizes(choice).items()) for choice in choices)
    tokens = tuple(machine.tokens(backbone, choice) for choice in choices)
    return *sizes, tokens, tuple(backbone.parameters()), (machine.forwards(),)


def study_seconds(config: RunConfig, draws: int, finished: Sequence[Run] = ()) -> float:
    """How long a study will take: as long as alike runs took here, else a guess from the work there is.

    ``finished``: runs of the store to learn from, the latest first.
    """
    facts, at_once = _facts(config), max(1, slots()) if together.shared_out(config) else 1
    rate = machine.rate(together.threads(config, at_once) if at_once > 1 else machine.fastest())
    planned = _one_draw(config.model_dump_json(), facts, rate)
    return last_end([_likely(run, rough, finished) for run, rough in planned] * draws, at_once)


def last_end(seconds: Sequence[float], workers: int) -> float:
    """When the last of some runs ends, each taken by whoever is free first (Graham 1966)."""
    ends = [0.0] * workers
    for one in seconds:
        heapreplace(ends, ends[0] + one)
    return max(ends)


@lru_cache(maxsize=500)
def _one_draw(config: str, facts: Facts, rate: float) -> tuple[tuple[RunConfig, float], ...]:
    """Each arm's configuration and rough seconds (of the source alone only its tests, where it is taken over).

    A page asks for this a dozen times; it changes with the settings, and with what is in the data and the model.
    """
    asked = RunConfig.model_validate_json(config)
    try:
        found = arms(asked) if training_sizes(asked) else {"chosen": asked}
    except CtxError:
        found = {"chosen": asked}
    rows = []
    for arm, run in found.items():
        own = phases(run)
        if arm == "source-only" and len(found) == len(ARMS) and _begins_with(asked, own[0]):
            own = own[1:]
        rows.append((run, _seconds(run, own, rate)))
    return tuple(rows)


def _begins_with(config: RunConfig, phase: Phase) -> bool:
    """Whether a run's first phase is this one of the source alone, so that either takes it over from the other."""
    if kind_of(config):
        return False  # they train together
    first = phases(config)[0]
    plans = [(one.epochs, one.updates, set(one.weights), one.select_on) for one in (first, phase)]
    return not config.penalties and plans[0] == plans[1]


def _alike(settings: Mapping[str, object], config: RunConfig) -> bool:
    """Whether what a stored run took says what this one will."""
    parts = config.model_dump(mode="json")
    schedule, optim = (_inside(settings, name) for name in ("schedule", "optim"))
    beams = settings.get("beams", 1) if config.task().writes else config.beams
    return (
        _application(settings) == _application(parts)
        and settings.get("backbone") == parts["backbone"]
        and settings.get("tuning") == parts["tuning"]
        and _inside(settings, "balancer").get("name", "fixed") == config.balancer.name
        and _names(settings.get("penalties")) == _names(parts["penalties"])
        and schedule.get("name") == config.schedule.name
        and optim.get("batch", Optim().batch) == config.optim.batch
        and beams == config.beams
    )


def _application(settings: Mapping[str, object]) -> str:
    target, sources = _inside(settings, "target"), settings.get("sources")
    first = target or (sources[0] if isinstance(sources, list) and sources else {})
    return str(first.get("id", "")).partition("/")[0]


def _names(chosen: object) -> set[object]:
    """Of the parts in a list of a stored run's settings."""
    return {one.get("name") for one in chosen} if isinstance(chosen, list) else set()


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
