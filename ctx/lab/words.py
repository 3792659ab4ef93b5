"""What the Lab says about an answer: the verdict in one sentence, what the labels added, the price, the guess."""

from __future__ import annotations

from collections.abc import Mapping

from ctx import charts
from ctx.i18n import t
from ctx.lab.answer import GUESSES, MEANT, Answer
from ctx.lab.applications import amount
from ctx.lab.names import joined, short
from ctx.parts import Metric
from ctx.registry import make
from ctx.verdict import Difference, difference


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
    spread = _spread(found, answer.metric)
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


def _spread(found: Difference, metric: Metric) -> str:
    return t(
        "{by} {metric}, 95 % interval {low} to {high}",
        by=signed(found.mean),
        metric=metric.label,
        low=signed(found.low or 0),
        high=signed(found.high or 0),
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
    own = amount(answer.config.task().applications[0], size)
    labels = t("{all} of yours", all=own) if size is None else t("your {some}", some=own)
    score = t(
        "The source alone ({source}) already gives {mean}; {labels}",
        source=joined(answer.config.sources),
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


def against_floor(answer: Answer, floor: Mapping[int, float]) -> str:
    """How the chosen setting stands to what needs no learning (results by draw): said where it doesn't clearly beat it.

    Of a task that writes it is said in any case: there what needs no learning is hard to beat.
    """
    found = difference(answer.results(answer.chosen), floor) if answer.over else None
    if found is None or found.low is None or found.high is None:
        return ""
    task, metric = answer.config.task(), answer.metric
    above, below = (found.low > 0, found.high < 0) if metric.higher_is_better else (found.high < 0, found.low > 0)
    if above and not task.writes:
        return ""
    score = charts.number(sum(floor[draw] for draw in floor) / len(floor))
    given = {"arm": answer.label(answer.chosen), "floor": t(task.floor_name), "score": score, "by": signed(found.mean)}
    interval = t("{low} to {high}", low=signed(found.low), high=signed(found.high))
    if above:
        return t("“{arm}” beats “{floor}” ({score}) by {by} ({interval}).", interval=interval, **given)
    if below:
        given["by"] = charts.number(abs(found.mean))
        return t(
            "“{arm}” falls short of “{floor}” ({score}), which needs no learning, by {by} ({interval}).",
            interval=interval,
            **given,
        )
    return t(
        "“{arm}” can't be told from “{floor}” ({score}), which needs no learning ({interval}).",
        interval=interval,
        **given,
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
            said = t("Labels used: {each}", each=", ".join(each))
            if any(make("penalties", one).unread for one in answer.config.penalties) and answer.config.target:
                said += t("; further texts of {target} were read without labels", target=short(answer.config.target.id))
            return said
    return ""


def signed(value: float) -> str:
    """A difference with its sign, three digits, a true minus: ``+.270``."""
    text = charts.number(abs(value))
    return ("+" if value >= 0 else "−") + text
