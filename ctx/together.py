"""Which runs train together, those of which only a linear head learns, and which have a worker each. No torch."""

from __future__ import annotations

from ctx import data, machine
from ctx.config import RunConfig, frozen_blocks
from ctx.manifest import cores
from ctx.registry import make, part

MOST = 64  # runs of one group


def kind_of(config: RunConfig) -> str:
    """Runs of one kind can be trained together (`ctx.heads`); "" for one that trains alone.

    They share a backbone, its precision, the size of a batch and the number of classes; all else may differ, contexts
    too.
    """
    frozen, blocks = frozen_blocks(config)
    plain = not config.penalties and not config.augment and config.balancer.name == "fixed"
    spaces = {data.context(choice).labels for choice in config.contexts().values()}
    if frozen < blocks or not plain or not config.task().convex or len(spaces) != 1:
        return ""
    backbone = make("backbones", config.backbone).canonical()
    return f"{backbone.model_dump_json()} {config.half} {config.optim.batch} {len(spaces.pop())}"


def shared_out(config: RunConfig) -> bool:
    """Whether a study of such runs goes to several workers, though each reads its data anew.

    Where steps are large, two runs beside each other take less time than one after the other with two threads
    (`tests.benchmarks.shared_out`).
    """
    return _layers_learn(config) or config.task().step_seconds > 0


def threads(config: RunConfig, at_once: int = 1) -> int:
    """How many threads a run has of which so many train at once.

    Where no pretrained layer learns, steps are so small that a second thread costs more than it gives.
    """
    return max(1, min(machine.fastest() if _layers_learn(config) else 1, cores() // at_once))


def _layers_learn(config: RunConfig) -> bool:
    frozen, blocks = frozen_blocks(config)
    return frozen < blocks and part("backbones", config.backbone.name).pretrained
