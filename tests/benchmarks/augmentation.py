"""Does augmentation help with 20 or 50 labels? Each against none, 5 draws, same labels, start, order and updates.

    python -m tests.benchmarks.augmentation            made-up reviews, tiny encoder, nothing to fetch
    python -m tests.benchmarks.augmentation editorials newspaper opinion with MiniLM, its layers frozen

Frozen layers are computed anew for changed examples, so the second takes some twenty minutes.
"""

from __future__ import annotations

import sys

from ctx.config import ContextChoice, Optim, RunConfig
from ctx.parts import Choice
from ctx.registry import part, registry
from tests.benchmarks.draws import HEADER, line, run

DRAWS, METRIC, SIZES = 5, "macro_f1", (20, 50)

CAFES = RunConfig(
    target=ContextChoice(id="sentiment/sample-cafes-en"),
    backbone=Choice(name="tiny"),
    schedule=Choice(name="target-only"),
    tuning=Choice(name="full"),
    optim=Optim(epochs=5),
)
EDITORIALS = RunConfig(
    target=ContextChoice(id="sentiment/editorials"),
    schedule=Choice(name="target-only"),
    optim=Optim(epochs=1, batch=16),
)


def fitting(config: RunConfig) -> list[str]:
    """The augmentations that can be used there."""
    backbone = part("backbones", config.backbone.name)
    return [name for name, cls in registry("augment").items() if not cls.unfit("sentiment", backbone)]


def table(config: RunConfig) -> None:
    """One row an augmentation, each against none."""
    print(HEADER.replace("target only", "no augmentation"))
    none = run(config, METRIC, DRAWS)
    print(line("none", none), flush=True)
    for name in fitting(config):
        arm = run(config.model_copy(update={"augment": (Choice(name=name),)}), METRIC, DRAWS)
        print(line(name, arm, none), flush=True)


def main() -> None:
    config = EDITORIALS if sys.argv[1:] == ["editorials"] else CAFES
    assert config.target is not None
    for size in SIZES:
        print(f"\n{config.target.id}, {size} labels, {config.backbone.name}\n")
        table(config.model_copy(update={"target": ContextChoice(id=config.target.id, size=size)}))


if __name__ == "__main__":
    main()
