"""The answer of a study: results by arm and draw, and the one-sentence verdict with what stands beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from ctx import charts
from ctx.config import RunConfig
from ctx.i18n import t
from ctx.lab.effect import schedule_of
from ctx.lab.names import short
from ctx.parts import Metric
from ctx.records import ENDED, Run
from ctx.registry import part
from ctx.verdict import Difference, Verdict, difference, judge

Row = tuple[str, int, Run]  # arm, draw, run
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
        source = short(self.config.sources[0].id) if self.config.sources else ""
        target = short(self.config.target.id) if self.config.target else ""
        if arm == "target-only":
            return t("{context} only", context=target)
        if arm == "source-only":
            return t("{context} only", context=source)
        return t("both") if len(schedule_of(self.config).uses) > 1 else t("chosen")

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
        named = [(t("always one answer"), charts.REFERENCE, {0: sum(floor.values()) / len(floor)} if floor else {})]
        named += [(self.label(arm), colours[arm], self.results(arm)) for arm in self.arms]
        values = [(label, draw, value) for label, _, found in named for draw, value in sorted(found.items())]
        return pd.DataFrame(values, columns=["row", "draw", "value"]), [(label, colour) for label, colour, _ in named]


def headline(answer: Answer) -> str:
    """The verdict in one sentence, with its spread; what is missing where there is none yet."""
    if answer.chosen == "target-only":
        return t("No source takes part in this setting: there is nothing to judge. Choose another schedule.")
    verdict = answer.verdict
    if verdict is None:
        return t("No draw is complete yet.") if not answer.over else t("No draw was completed, so there is no answer.")
    found = verdict.difference
    if not answer.over:
        return t(
            "So far, after {n} of {draws} draws: {by} {metric}.",
            n=found.draws,
            draws=answer.draws,
            by=signed(found.mean),
            metric=answer.metric.label,
        )
    if found.draws == 1:
        return t(
            "One draw: {by} {metric} against {alone}. One draw proves nothing, it may be luck.",
            by=signed(found.mean),
            metric=answer.metric.label,
            alone=answer.label("target-only"),
        )
    spread = t(
        "{by} {metric}, 95 % interval {low} to {high}",
        by=signed(found.mean),
        metric=answer.metric.label,
        low=signed(found.low or 0),
        high=signed(found.high or 0),
    )
    better, worse = _sides(found, answer.metric)
    if verdict.answer == "helped":
        return t("Helped in {n} of {draws} draws ({spread}).", n=better, draws=found.draws, spread=spread)
    elif verdict.answer == "hurt":
        return t("Hurt in {n} of {draws} draws ({spread}).", n=worse, draws=found.draws, spread=spread)
    return t(
        "Can't tell: better in {n}, worse in {worse} of {draws} draws ({spread}).",
        n=better,
        worse=worse,
        draws=found.draws,
        spread=spread,
    )


def _sides(found: Difference, metric: Metric) -> tuple[int, int]:
    return (found.above, found.below) if metric.higher_is_better else (found.below, found.above)


def labels_added(answer: Answer) -> str:
    """What the target's labels added to the source alone; "" where that can't be said."""
    alone = answer.results("source-only")
    if answer.chosen != "chosen" or not alone or answer.config.target is None:
        return ""
    found = difference(answer.results("chosen"), alone)
    if found is None:
        return ""
    size = answer.config.target.size
    labels = t("all your labels") if size is None else t("your {n} labels", n=size)
    score = t(
        "{source} alone already score {mean}; {labels}",
        source=_capital(short(answer.config.sources[0].id)),
        mean=charts.number(sum(alone.values()) / len(alone)),
        labels=labels,
    )
    if found.low is None or found.high is None:
        return t("{score} changed that by {by} in one draw.", score=score, by=signed(found.mean))
    interval = t("{low} to {high}", low=signed(found.low), high=signed(found.high))
    if found.low <= 0 <= found.high:
        return t(
            "{score} added nothing that shows ({by}, {interval}).",
            score=score,
            by=signed(found.mean),
            interval=interval,
        )
    if found.mean > 0:
        return t("{score} added {by} ({interval}).", score=score, by=signed(found.mean), interval=interval)
    return t(
        "{score} made it worse by {by} ({interval}).", score=score, by=charts.number(-found.mean), interval=interval
    )


def price(answer: Answer) -> str:
    """What the source itself lost or won: alone against with the target; "" where it wasn't trained on."""
    before, after = answer.results("source-only", "source"), answer.results("chosen", "source")
    shared = sorted(set(before) & set(after))
    if not shared:
        return ""
    return t(
        "Price: {source} {before} → {after}",
        source=short(answer.config.sources[0].id),
        before=charts.number(sum(before[draw] for draw in shared) / len(shared)),
        after=charts.number(sum(after[draw] for draw in shared) / len(shared)),
    )


def against_guess(answer: Answer) -> str:
    """The guess beside what came out."""
    verdict = answer.verdict
    if answer.guess not in GUESSES or verdict is None or not answer.over or verdict.difference.draws < 2:
        return ""
    if MEANT[answer.guess] == verdict.answer:
        return t("You guessed “{guess}”: so it is.", guess=t(answer.guess))
    came = {"helped": t("it helped"), "hurt": t("it hurt"), "can't tell": t("no difference can be told")}
    return t("You guessed “{guess}”: {came}.", guess=t(answer.guess), came=came[verdict.answer])


def labels_used(answer: Answer) -> str:
    """Labels that the chosen arm used of each context, selection included; "" before a run has ended."""
    for arm, _, run in answer.rows:
        if arm == answer.chosen and run.final and run.final.get("labels_used"):
            used = run.final["labels_used"]
            contexts = answer.config.contexts()
            each = [f"{short(contexts[key].id)} {n:,}" for key, n in used.items() if key in contexts]
            return t("Labels used: {each}", each=", ".join(each))
    return ""


def signed(value: float) -> str:
    """A difference with its sign, three digits, a true minus: ``+.270``."""
    text = charts.number(abs(value))
    return ("+" if value >= 0 else "−") + text


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def has_labels(config: RunConfig) -> bool:
    """Whether the target's answers are labels (and not numbers)."""
    return bool(config.target and part("contexts", config.target.id).labels)
