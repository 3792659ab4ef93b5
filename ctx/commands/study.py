"""A study: the chosen setting and its baselines over draws, trained here or queued, and the answer that comes of it."""

from __future__ import annotations

from dataclasses import asdict
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctx.commands import results
from ctx.commands.output import Json, Value, emit, literal, note, table
from ctx.commands.training import Again, Name, Owner, Queue, here, other_names, prepared
from ctx.errors import BadInput

if TYPE_CHECKING:
    from ctx.lab.answer import Answer
    from ctx.store import Run, Store, Study

MOST_DRAWS = 50
Draws = Annotated[
    int | None,
    typer.Option("--draws", help="How many draws; 10 if all layers are frozen, else 3.", metavar="N", min=1),
]


def study(
    given: dict[str, Any],
    draws: Draws = None,
    again: Again = False,
    queue: Queue = False,
    owner: Owner = "local",
    name: Name = "",
    json: Json = False,
) -> int:
    """Compare a configuration with its baselines (target only, source only) over several draws."""
    from ctx.lab.link import spec
    from ctx.store import open_store
    from ctx.study import default_draws, rows

    if draws is not None and draws > MOST_DRAWS:
        raise BadInput(f"--draws is {draws}: a study has at most {MOST_DRAWS}; choose fewer.")
    config = prepared(given)
    other_names(config, given)
    count = draws or default_draws(config)
    planned = rows(config, count)
    store = open_store()
    found = store.add_study(name, spec(config, count, None), planned, owner=owner, again=again)
    return shown(store, found, json, waiting=carried_out(store, found, queue))


def carried_out(store: Store, found: Study, queue: bool, threads: int | None = None) -> bool:
    """Train what waits, run after run in this process, so that frozen layers are computed once.

    Or leave it to the dispatcher, then true: its runs are waiting.
    """
    rows = store.study_runs(found.id)
    if queue:
        from ctx.dispatch import ensure

        ensure(store.url)
        note(f"{len(rows)} runs are queued: `ctx show {found.id}` says how they stand.")
        return True
    held = sum(run.state == "done" for _, _, run in rows)
    if held:
        note(f"The store already holds {held} of the {len(rows)} runs: --again trains them once more.")
    trained(store, found, str(len(rows)), threads)
    return False


def trained(store: Store, found: Study, many: str, threads: int | None = None) -> bool:
    """Train what waits of a study in this process, saying run by run how ``many`` there are; False: it was stopped."""
    rows = store.study_runs(found.id)
    for number, (arm, draw, run) in enumerate(rows, 1):
        if run.state not in ("queued", "running"):
            continue
        now = store.run(run.id)
        ended = here(store, now, _silent, threads) if now.state in ("queued", "running") else now  # with another
        note(f"{number} of {many}: {_arm(found, arm)}, draw {draw}: {_headline(ended)}")
        if ended.state == "stopped":
            store.hold_search(found.id)
            store.request_stop([other.id for _, _, other in rows])
            note(f"Stopped: `ctx resume {found.id}` goes on.")
            return False
    return True


def _arm(found: Study, arm: str) -> str:
    if not found.is_map:
        return arm
    from ctx.sweeps.plan import cell_of

    cell, baseline = cell_of(arm)
    return ", ".join([*(f"{name} {value}" for name, value in cell.items()), *filter(None, [baseline])])


def _silent(_event: Any) -> None:
    """A study says how it goes run by run."""


def _headline(run: Run) -> str:
    if run.state != "done":
        return run.error or run.state
    metric = results.headline(run.settings)
    value = (((run.final or {}).get("metrics") or {}).get("target") or {}).get(metric)
    return f"{metric} {value:.3f} on the target" if value is not None else "done"


def shown(store: Store, found: Study, json: bool, waiting: bool = False) -> int:
    """Print a study: every result by arm and draw, means with their intervals, the verdict. The exit code."""
    from ctx.lab.answer import Answer
    from ctx.lab.link import asked

    rows = store.study_runs(found.id)
    answer = Answer(asked(found), rows)
    emit(_document(found, answer), _lines(found, answer), json)
    for sentence in answer.failures():
        note(sentence)
    return 0 if waiting or all(run.state == "done" for _, _, run in rows) else 1


def _document(found: Study, answer: Answer) -> dict[str, Any]:
    rows = [
        {"arm": arm, "draw": draw, "run": run.id, "state": run.state, "metrics": results.document(run)["metrics"]}
        for arm, draw, run in sorted(answer.rows, key=lambda row: row[1])
    ]
    arms = {arm: _spread(answer.results(arm)) for arm in answer.arms}
    verdict = answer.verdict
    said = {"answer": verdict.answer, **asdict(verdict.difference), "sentence": _sentence(answer)} if verdict else None
    return {
        "study": found.id,
        "name": found.name,
        "config": found.config.get("chosen"),
        "draws": answer.draws,
        "metric": answer.metric.name,
        "floor": _spread(floors(answer)),
        "arms": arms,
        "rows": rows,
        "chosen": answer.chosen,
        "verdict": said,
    }


def floors(answer: Answer) -> dict[int, float]:
    """What always giving the same answer scores on the target, by draw, from any run that has it."""
    found: dict[int, float] = {}
    for _, draw, run in answer.rows:
        value = (((run.final or {}).get("floor") or {}).get("target") or {}).get(answer.metric.name)
        if value is not None:
            found.setdefault(draw, float(value))
    return found


def _spread(values: dict[int, float]) -> dict[str, Any]:
    from ctx.verdict import interval

    low, high = interval(list(values.values()))
    return {"values": values, "mean": fmean(values.values()) if values else None, "low": low, "high": high}


def _lines(found: Study, answer: Answer) -> list[str]:
    draws = sorted({draw for _, draw, _ in answer.rows})
    by_arm = {answer.config.task().floor_name: floors(answer)} | {arm: answer.results(arm) for arm in answer.arms}
    rows: list[list[Value]] = []
    for arm, values in by_arm.items():
        spread = _spread(values)
        between = f"{spread['low']:.3f} to {spread['high']:.3f}" if spread["low"] is not None else "-"
        rows.append([arm, *(values.get(draw) for draw in draws), spread["mean"], between])
    header = ["arm", *(f"draw {draw}" for draw in draws), "mean", "95 % interval"]
    name = f" {literal(found.name)}" if found.name else ""
    about = (
        f"{results.describe(answer.config.model_dump(mode='json'))}; {answer.metric.name} on the target's test split"
    )
    states = ", ".join(f"{n} {state}" for state, n in sorted(answer.state().items()))
    return [f"study {found.id}{name}: {states}", f"  {about}", *table(header, rows), _sentence(answer)]


def _sentence(answer: Answer) -> str:
    from ctx.lab.words import headline, labels_added, price

    return " ".join(filter(None, (headline(answer), labels_added(answer), price(answer))))
