"""Which data the Lab starts with, what has to be fetched for it, and real examples to show before training."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from ctx import assets, data, hub
from ctx.config import ContextChoice, RunConfig
from ctx.errors import CtxError
from ctx.lab.applications import applications
from ctx.parts import Asset, Context
from ctx.predict import check_alike
from ctx.records import Job
from ctx.registry import OWNER, contexts, fetchable, part, task_of
from ctx.store import Store

SHORTEST, LONGEST = 45, 120  # characters of an example that is shown


def default(application: str) -> RunConfig:
    """What the Lab opens with; links are read against it."""
    return applications()[application].start


def sample(application: str = "sentiment") -> RunConfig | None:
    """What stands in where the default can't be fetched; None where it never needs to be."""
    return applications()[application].sample


def needed(config: RunConfig) -> list[str]:
    """Names of the contexts and the backbone whose archives are not on this machine."""
    parts: list[tuple[str, tuple[Asset, ...]]] = [
        (choice.id, part("contexts", choice.id).assets) for choice in config.contexts().values()
    ]
    parts.append((config.backbone.name, part("backbones", config.backbone.name).assets))
    return [name for name, wanted in parts if not all(assets.available(asset) for asset in wanted)]


def archives(names: list[str]) -> list[Asset]:
    """The archives that these parts still lack, each once."""
    found: dict[str, Asset] = {}
    for name in names:
        found |= {asset.sha256: asset for asset in fetchable(name).assets if not assets.available(asset)}
    return list(found.values())


def citations(names: list[str]) -> list[str]:
    """What to cite for these parts, each once."""
    return list(dict.fromkeys(filter(None, (fetchable(name).citation for name in names))))


def offline() -> bool:
    """Whether the network is forbidden (CTX_OFFLINE)."""
    return hub.offline()


def fetching(store: Store, config: RunConfig) -> Job | None:
    """The latest job that fetches all that this configuration lacks, waiting, at work or failed; None without one."""
    names = set(needed(config))
    for job in store.jobs(states=None, kind="fetch"):
        if names <= set(job.payload.get("names", ())):
            return job if job.state != "done" else None
    return None


def fetch(store: Store, config: RunConfig) -> Job | None:
    """Queue the fetching of what this configuration lacks; None where nothing does."""
    names = needed(config)
    return store.add_job("fetch", {"names": names}) if names else None


def encode(store: Store, config: RunConfig) -> Job | None:
    """Queue the encoding of a pair whose layers are all frozen, so that the first study finds it done."""
    if needed(config) or config.target is None or not part("backbones", config.backbone.name).pretrained:
        return None
    return store.add_job("encode", config.model_dump(mode="json"))


def encoding(store: Store, config: RunConfig) -> Job | None:
    """The job that encodes this pair just now, or None."""
    plain = config.model_dump(mode="json")
    for job in store.jobs(["running"], kind="encode"):
        if "study" in job.payload:
            continue
        ids = [[one["id"] for one in of["sources"]] + [of["target"]["id"]] for of in (job.payload, plain)]
        if ids[0] == ids[1] and job.payload["backbone"] == plain["backbone"]:
            return job
    return None


def prepare(store: Store) -> bool:
    """At the server's start: fetch the default pair, or encode it where it is there; whether anything was queued."""
    config = default("sentiment")
    if not needed(config):
        return encode(store, config) is not None
    return not offline() and fetch(store, config) is not None


@dataclass(frozen=True)
class Shown:
    """A real example to show: what is read, and what people answered ("" for numbers)."""

    text: str
    label: str


def example(choice: ContextChoice, number: int = 0) -> Shown | None:
    """The number-th labelled example of ordinary length; None where the data isn't there."""
    try:
        if not data.available(choice):
            return None
        train = data.splits(choice).train
    except CtxError:
        return None
    if not train:
        return None
    task = task_of(part("contexts", choice.id).application)
    ordinary = [one for one in train if SHORTEST <= len(task.written(one)[0]) <= LONGEST] or train
    return Shown(*task.written(ordinary[(7 + 31 * number) % len(ordinary)]))


def counted(config: RunConfig) -> bool:
    """Whether the sizes of its contexts are known; to count one that is slow to read would hold a page up for long."""
    return all(data.sizes(choice, patient=False) for choice in config.contexts().values())


def floor(config: RunConfig, draws: int) -> dict[int, float]:
    """The headline result on the target's test split of always giving one answer, by draw; empty without data."""
    if config.target is None or needed(config):
        return {}
    seeds = range(config.seed, config.seed + draws)
    try:
        digest = data.digest(config.target)
        return {n: _floor(config.target.model_dump_json(), digest, seed) for n, seed in enumerate(seeds)}
    except CtxError:
        return {}


@lru_cache(maxsize=256)
def _floor(target: str, digest: str, seed: int) -> float:
    choice = ContextChoice.model_validate_json(target)
    context: Context = data.context(choice)
    task = RunConfig(target=choice).task()
    parts = data.splits(choice)
    learn, _ = data.labelled(parts.train, choice.size, seed)
    test = data.spread(parts.test, task.tested)
    return float(task.floor(learn, test, context.labels)[task.metrics[0].name])


def judged(config: RunConfig) -> list[str]:
    """The contexts whose texts every arm of a study can judge, its own first: those that are here and like its target.

    A run of the target alone knows nothing else.
    """
    own = [choice.id for choice in reversed(config.contexts().values())]
    target = data.context(ContextChoice(id=own[0]))
    found = []
    for name in dict.fromkeys([*own, *contexts(OWNER)]):
        with suppress(CtxError):
            other = data.context(ContextChoice(id=name))
            check_alike(other, [target])
            found += [name] if data.available(other) else []
    return found
