"""Which runs train together: those of which only a linear head learns, on features that don't change. No torch."""

from __future__ import annotations

from ctx import data
from ctx.config import RunConfig, frozen_blocks
from ctx.registry import make

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
