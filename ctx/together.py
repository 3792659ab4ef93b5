"""Which runs train together, on features that don't change, and which have a worker each. No torch."""

from __future__ import annotations

from ctx import data
from ctx.config import RunConfig, frozen_blocks
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


def layers_learn(config: RunConfig) -> bool:
    """Whether pretrained layers do: else steps are so small that a second thread costs more than it gives."""
    frozen, blocks = frozen_blocks(config)
    return frozen < blocks and part("backbones", config.backbone.name).pretrained


def apart(config: RunConfig) -> bool:
    """Whether a study of such runs is shared out among workers, a thread each, though each worker reads its data anew.

    Two runs beside each other take less time than one after the other on two threads (`tests.benchmarks.shared_out`).
    """
    return layers_learn(config) or config.task().step_seconds > 0
