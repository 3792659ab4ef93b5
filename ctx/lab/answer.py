"""The answer of a study as numbers: results by arm and draw, and the verdict. `ctx.lab.words` puts it in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from ctx import charts
from ctx.config import RunConfig
from ctx.i18n import t
from ctx.lab.effect import schedule_of
from ctx.lab.names import joined, short
from ctx.parts import Metric
from ctx.records import ENDED, Row
from ctx.registry import part
from ctx.verdict import Verdict, judge

GUESSES = ("helps", "no difference", "hurts")
MEANT = {"helps": "helped", "hurts": "hurt", "no difference": "can't tell"}


@dataclass(frozen=True)
class Answer:
    """A study's rows as numbers. Results are the headline metric on the target's test split."""

    config: RunConfig
    rows: Sequence[Row]
    guess: str | None = None

    @cached_property
    def metric(self) -> Metric:
        """The headline metric."""
        found: Metric = self.config.task().metrics[0]
        return found

    @cached_property
    def chosen(self) -> str:
        """The arm that the verdict is about: the chosen one, or the baseline that it comes down to."""
        arms = {arm for arm, _, _ in self.rows}
        if "chosen" in arms:
            return "chosen"
        return "target-only" if self.config.schedule.name == "target-only" else "source-only"

    @cached_property
    def arms(self) -> list[str]:
        """The arms there are, in the order in which they are drawn."""
        there = {arm for arm, _, _ in self.rows}
        return [arm for arm in ("target-only", "source-only", "chosen") if arm in there]

    def label(self, arm: str) -> str:
        """What an arm is called: by its contexts."""
        source = joined(self.config.sources)
        target = short(self.config.target.id) if self.config.target else ""
        if arm == "target-only":
            return t("{context} only", context=target)
        if arm == "source-only":
            return t("{context} only", context=source)
        if len(schedule_of(self.config).uses) < 2:
            return t("chosen")
        return t("both") if len(self.config.sources) < 2 else t("all")

    def results(self, arm: str, context: str = "target") -> dict[int, float]:
        """The headline results of an arm's finished runs, by draw."""
        found = {}
        for name, draw, run in self.rows:
            metrics = ((run.final or {}).get("metrics") or {}).get(context) or {}
            value = metrics.get(self.metric.name)
            if name == arm and run.state == "done" and value is not None:
                found[draw] = float(value)
        return found

    @cached_property
    def draws(self) -> int:
        """How many draws there are to be."""
        return len({draw for _, draw, _ in self.rows})

    @cached_property
    def verdict(self) -> Verdict | None:
        """The chosen arm against target only."""
        if self.chosen == "target-only":
            return None
        return judge(self.results(self.chosen), self.results("target-only"), self.metric.higher_is_better)

    def state(self) -> dict[str, int]:
        """How many different runs are in each state."""
        runs = {run.id: run.state for _, _, run in self.rows}
        return {state: sum(one == state for one in runs.values()) for state in set(runs.values())}

    @cached_property
    def over(self) -> bool:
        """Whether every run has ended."""
        return all(run.state in ENDED for _, _, run in self.rows)

    def failures(self) -> list[str]:
        """The different sentences of what failed."""
        said = [run.error for _, _, run in self.rows if run.state == "failed" and run.error]
        return list(dict.fromkeys(said))

    def frame(self, floor: Mapping[int, float]) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
        """Dots to draw: columns row, draw, value; and the rows with their colours from the top."""
        colours = {"target-only": charts.TARGET, "source-only": charts.SOURCE, "chosen": charts.BOTH}
        named = [
            (t(self.config.task().floor_name), charts.REFERENCE, {0: sum(floor.values()) / len(floor)} if floor else {})
        ]
        named += [(self.label(arm), colours[arm], self.results(arm)) for arm in self.arms]
        values = [(label, draw, value) for label, _, found in named for draw, value in sorted(found.items())]
        return pd.DataFrame(values, columns=["row", "draw", "value"]), [(label, colour) for label, colour, _ in named]


def has_classes(config: RunConfig) -> bool:
    """Whether an answer is one label, right or wrong."""
    return bool(config.target and part("contexts", config.target.id).labels) and config.task().inputs == "text"
