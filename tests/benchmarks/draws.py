"""Runs over draws, and a table of them: what the transfer benchmarks share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ctx.config import RunConfig, canonical
from ctx.train import train
from ctx.verdict import difference, interval


@dataclass
class Arm:
    """One row of a table: its test and validation headline by draw, the source's, and the target updates it had.

    ``floor``: what needs no learning gets on the test split, by draw.
    """

    test: dict[int, float] = field(default_factory=dict)
    floor: dict[int, float] = field(default_factory=dict)
    validation: dict[int, float] = field(default_factory=dict)
    source: dict[int, float] = field(default_factory=dict)
    updates: int = 0


def run(config: RunConfig, metric: str, draws: int) -> Arm:
    """The configuration on draws 0 … draws - 1."""
    arm = Arm()
    for seed in range(draws):
        for event in train(canonical(config.model_copy(update={"seed": seed})), sharing=True):
            if f"validation/target/{metric}" in event.values:
                arm.validation[seed] = event.values[f"validation/target/{metric}"]
        final = event.final or {}
        arm.test[seed] = final["metrics"]["target"][metric]
        arm.floor[seed] = final["floor"]["target"][metric]
        if final["metrics"]["source"]:
            arm.source[seed] = final["metrics"]["source"][metric]
        arm.updates = final["updates"]["target"]
    return arm


def mean(values: Mapping[int, float]) -> float:
    """The mean over draws."""
    return float(np.mean(list(values.values())))


def line(name: str, arm: Arm, against: Arm | None = None) -> str:
    """``name  mean [95 % interval]  validation  source  updates  difference to an arm, paired``."""
    low, high = interval(list(arm.test.values()))
    text = f"| {name} | {mean(arm.test):.3f} | {low:.3f} to {high:.3f} | {mean(arm.validation):.3f} | "
    text += f"{mean(arm.source):.3f}" if arm.source else "–"
    text += f" | {arm.updates} | "
    found = difference(arm.test, against.test) if against else None
    if found is None or found.low is None or found.high is None:
        return text + "– |"
    return text + f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f}), above in {found.above}/{found.draws} |"


HEADER = (
    "| arm | test | 95 % interval | validation | source test | target updates | against target only |\n"
    "|---|---|---|---|---|---|---|"
)
