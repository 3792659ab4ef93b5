"""What a sweep will take, said before it begins: how many runs, how long, and how many share work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ctx import together
from ctx.config import RunConfig, frozen_blocks, key
from ctx.i18n import t
from ctx.lab.cost import duration, fill_seconds, one_run_seconds
from ctx.lab.effect import not_kept, phases
from ctx.manifest import cores
from ctx.records import Run
from ctx.registry import part
from ctx.sweeps.plan import Sweep, rows, stand_in
from ctx.together import kind_of, shared_out
from ctx.workforce import MANY


@dataclass(frozen=True)
class Cost:
    """``runs`` different ones, ``held`` of them in the store already; ``cached`` of the others read frozen layers'
    outputs that were computed for another, ``led`` begin with a source phase that another trains; seconds, all told.

    ``at_most``: it is a search's, whose cells are not known yet.
    """

    runs: int
    held: int
    cached: int
    led: int
    seconds: float
    at_most: bool = False

    @property
    def sentence(self) -> str:
        """As in “84 runs, about 3 min; 3 more are there already.”"""
        if self.at_most:
            return t("At most {n} runs, about {time}.", n=self.runs, time=duration(self.seconds))
        if self.runs == self.held:
            return t("All {n} runs are there already.", n=self.runs)
        words = [t("{n} runs, about {time}", n=self.runs - self.held, time=duration(self.seconds))]
        if self.held:
            words.append(t("{n} more are there already", n=self.held))
        if self.cached:
            words.append(t("{n} need no pass through the frozen layers, since another has made it", n=self.cached))
        if self.led:
            words.append(t("{n} go on from a source training that another does", n=self.led))
        return "; ".join(words) + "."


def cost(
    planned: Sequence[tuple[str, int, RunConfig]],
    held: Sequence[str],
    finished: Sequence[Run],
    workers: int,
    threads: int | None = None,
    ahead: bool = True,
) -> Cost:
    """Of planned rows. ``held``: keys of what the store holds; ``workers``: how many train at a time, if many wait.

    ``threads`` of a run where there is one at a time: as many as are fastest, where they are not said. ``ahead``: all
    cores encode the texts before the first run, else the runs do it.
    """
    different = {key(config): config for _, _, config in planned}
    there = set(held)
    left = {name: config for name, config in different.items() if name not in there}
    prefixes: set[str] = set()
    deepest: dict[str, int] = {}  # blocks that have run for the texts of some contexts
    draws = len({config.seed for config in left.values()})
    sources: set[str] = set()
    cached = led = 0
    filling, seconds = 0.0, 0.0
    ahead = ahead and threads is None
    share_out = len(left) > MANY or any(shared_out(config) for config in left.values())
    at_once = max(1, min(workers, len(left))) if share_out else 1
    for config in sorted(left.values(), key=frozen_blocks):
        frozen, _ = frozen_blocks(config)
        contexts = sorted(choice.id for choice in config.contexts().values())
        prefix = f"{config.backbone.model_dump_json()} {frozen} {contexts} {config.half}"
        each = together.threads(config, at_once) if at_once > 1 else threads
        for choice in () if not_kept(config) else config.contexts().values():
            texts = f"{config.backbone.model_dump_json()} {choice.id}" + f" {frozen}" * config.half  # see `ctx.prefix`
            if frozen > deepest.get(texts, 0):
                filling += fill_seconds(config, choice, draws, deepest.get(texts, 0), cores() if ahead else each)
                deepest[texts] = frozen
        if frozen and part("backbones", config.backbone.name).pretrained:
            cached += prefix in prefixes
            prefixes.add(prefix)
        source = _source_phase(config)
        led += bool(source) and source in sources
        seconds += one_run_seconds(config, finished, bool(source) and source in sources, each)
        sources |= {source} - {""}
    seconds = filling + seconds / at_once if ahead else (filling + seconds) / at_once
    return Cost(len(different), len(different) - len(left), cached, led, seconds)


def cost_of_search(sweep: Sweep, finished: Sequence[Run], workers: int, threads: int | None = None) -> Cost:
    """Of a search: the time that as many cells take that are drawn at random, none of them in the store."""
    found = cost(rows(stand_in(sweep)), [], finished, workers, threads, ahead=False)
    return replace(found, runs=sweep.most_runs, at_most=True)


def _source_phase(config: RunConfig) -> str:
    """Names what a run's first phase follows from where that is of the source alone; "" where it isn't."""
    first = phases(config)[0]
    if "target" in first.weights or config.penalties or kind_of(config):
        return ""
    own = config.model_copy(
        update={"target": None, "schedule": config.schedule.model_copy(update={"name": "", "knobs": {}})}
    )
    return f"{own.model_dump_json()} {first.epochs} {first.updates} {sorted(first.weights)} {first.select_on}"
