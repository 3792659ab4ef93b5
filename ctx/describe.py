"""How far apart two contexts' sentences lie for a backbone: computed here and now, and kept. Torch inside functions."""

from __future__ import annotations

from collections.abc import Callable

from ctx import data, pairs
from ctx.config import ContextChoice
from ctx.distance import Distance, distance
from ctx.errors import BadInput
from ctx.parts import Choice
from ctx.records import Job
from ctx.store import Store

KIND = "describe"


def payload(source: ContextChoice, target: ContextChoice, backbone: Choice) -> dict[str, object]:
    """What a job of this kind is told. ``data`` names the contents, so that other contents are another job."""
    contexts = {
        role: {"id": one.id, "knobs": dict(one.knobs)} for role, one in (("source", source), ("target", target))
    }
    digests = [data.digest(source), data.digest(target)]
    return contexts | {"backbone": backbone.model_dump(mode="json"), "data": digests}


def queue(store: Store, source: ContextChoice, target: ContextChoice, backbone: Choice) -> Job:
    """Queue it, or give the same job that is waiting or at work. Raises BadInput."""
    pairs.check(source, target)
    return store.add_job(KIND, payload(source, target, backbone))


def latest(store: Store, source: ContextChoice, target: ContextChoice, backbone: Choice) -> Job | None:
    """The latest job for this pair and backbone, whatever became of it."""
    return store.latest_job(KIND, payload(source, target, backbone))


def of_job(job: Job, threads: int, progress: Callable[[int, int], None]) -> Distance:
    """What a job asks for."""
    import torch

    torch.set_num_threads(threads)
    source, target = (ContextChoice.model_validate(job.payload[role]) for role in ("source", "target"))
    return describe(source, target, Choice.model_validate(job.payload["backbone"]), progress)


def describe(
    source: ContextChoice,
    target: ContextChoice,
    backbone: Choice,
    progress: Callable[[int, int], None] | None = None,
) -> Distance:
    """The distances of a pair's sentence embeddings, from disk or computed. Raises BadInput, Unavailable.

    ``progress(done, of)`` counts sentences of one context at a time.
    """
    pairs.check(source, target)
    found = pairs.distance(source, target, backbone)
    if found is None:
        from ctx.embeddings import embedded

        samples = [embedded(choice, backbone, progress) for choice in (source, target)]
        for choice, sample in zip((source, target), samples, strict=True):
            if len(sample) < pairs.FEWEST:
                raise BadInput(f"{choice.id} has {len(sample)} training examples: a comparison takes {pairs.FEWEST}.")
        found = distance(*samples)
        pairs.keep_distance(source, target, backbone, found)
    return found
