"""A run as commands show it: the document, the lines, and the exit code that its state means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ctx.commands.output import Value, emit, literal, note, table, when
from ctx.labels import whose
from ctx.registry import part, task_of

if TYPE_CHECKING:
    from ctx.records import Run

ROLES = ("source", "target")
COUNTS = ("floor", "labels_used", "updates", "parameters")


def document(run: Run) -> dict[str, Any]:
    """A run as JSON: its state, settings and test results; null where there is none."""
    final = run.final or {}
    metrics = dict.fromkeys(ROLES) | (final.get("metrics") or {})
    found: dict[str, Any] = {"run": run.id, "state": run.state, "config": run.settings, "metrics": metrics}
    found |= {name: final.get(name) for name in COUNTS} | {
        "seconds": final.get("train_seconds"),
        "taken_over": final.get("taken_over", 0),
    }
    found |= {"name": run.name, "note": run.note, "owner": run.owner, "study": run.study, "error": run.error}
    found |= {"step": run.step, "steps": run.steps, "created": run.created, "ended": run.ended}
    return found


def lines(run: Run) -> list[str]:
    """A run as text: what it is, how it stands, its results on the test splits."""
    name = f" {literal(run.name)}" if run.name else ""
    found = [f"run {run.id}{name}: {run.state}", f"  {describe(run.settings)}"]
    if run.error:
        found.append(f"  {literal(run.error)}")
    if run.final:
        found += [f"  {line}" for line in _tested(run)]
        learn = (run.final.get("parameters") or {}).get("learn")
        found.append(f"  {learn:,} parameters learnt in {run.final.get('train_seconds', 0):.1f} s" if learn else "")
        found += [f"  {whose(run.final, key, name)}" for key, name in contexts(run.settings).items()]
        n = run.final.get("taken_over")
        found.append(f"  its first {n} updates are those of a run with the same source" if n else "")
    elif run.steps:
        found.append(f"  update {run.step} of {run.steps}, begun {when(run.started)}")
    return [line for line in found if line.strip()]


def _tested(run: Run) -> list[str]:
    final = run.final or {}
    metrics = {key: values for key, values in (final.get("metrics") or {}).items() if values}
    floors = final.get("floor") or {}
    names = list(dict.fromkeys(name for values in metrics.values() for name in values))
    rows: list[list[Value]] = []
    ids = contexts(run.settings)
    for key in sorted(metrics, key=lambda key: key != "target"):
        labels, updates = (str((final.get(what) or {}).get(key, 0)) for what in ("labels_used", "updates"))
        rows.append([f"{key} {ids.get(key, '')}", *(metrics[key].get(name) for name in names), labels, updates])
        if key in floors:
            lowest = [f"  {_floor_name(ids)}", *(floors[key].get(name) for name in names)]
            rows.append([*lowest, "", ""])
    return table(["test split of", *names, "labels", "updates"], rows) if rows else []


def _floor_name(ids: dict[str, str]) -> str:
    return task_of(next(iter(ids.values()), "sentiment/").partition("/")[0]).floor_name


def contexts(settings: dict[str, Any]) -> dict[str, str]:
    """The ids of a stored configuration's contexts, by key."""
    sources = settings.get("sources") or []
    found = {"source" if i == 0 else f"source.{i + 1}": str(source["id"]) for i, source in enumerate(sources)}
    return found | ({"target": str(settings["target"]["id"])} if settings.get("target") else {})


def describe(settings: dict[str, Any]) -> str:
    """A stored configuration in a line: contexts with their sizes, parts with their knobs, the draw."""
    size = [choice.get("size") for choice in [*(settings.get("sources") or []), settings.get("target")] if choice]
    named = [f"{name} ({n} labels)" if n else name for name, n in zip(contexts(settings).values(), size, strict=True)]
    both = settings.get("target") and settings.get("sources")
    sides = [*named[:-1], "→", named[-1]] if both else named
    parts = [_choice(settings[kind]) for kind in ("schedule", "tuning", "backbone") if settings.get(kind)]
    parts += [_choice(choice) for kind in ("penalties", "augment") for choice in settings.get(kind) or []]
    return literal(f"{' '.join(sides)}: {', '.join(parts)}, draw {settings.get('seed', 0)}")


def _choice(choice: dict[str, Any]) -> str:
    knobs = " ".join(f"{name}={value}" for name, value in (choice.get("knobs") or {}).items())
    return f"{choice['name']} {knobs}".strip()


def headline(settings: dict[str, Any]) -> str:
    """The metric that verdicts compare, of a stored configuration's task."""
    first = next(iter(contexts(settings).values()))
    return task_of(part("contexts", first).application).metrics[0].name


def ended(run: Run, json: bool) -> int:
    """Print a run that has ended; the exit code."""
    emit(document(run), lines(run), json)
    if run.error and json:
        note(run.error)
    if run.state == "stopped":
        note(f"Stopped at update {run.step}, its checkpoint is kept: `ctx resume {run.id}` goes on.")
    return 0 if run.state == "done" else 1
