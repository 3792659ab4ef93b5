"""What every λ, or every number of target labels, would give, before anything is trained: `ctx preview`."""

from __future__ import annotations

from enum import StrEnum
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctx.commands.output import Json, Value, emit, table
from ctx.commands.study import Draws
from ctx.commands.training import prepared, quiet
from ctx.errors import BadInput

if TYPE_CHECKING:
    from ctx.preview import Preview


class Along(StrEnum):
    """What varies."""

    lam = "lam"
    size = "size"


def preview(
    given: dict[str, Any],
    along: Annotated[Along, typer.Option("--along", help="What varies: λ, or the target's labels.")] = Along.lam,
    draws: Draws = None,
    json: Json = False,
) -> None:
    """Solve linear probes of the frozen features for every λ at once; scores are on validation examples."""
    from ctx.preview import asked, offered, why_not
    from ctx.probe import probe
    from ctx.study import default_draws

    config = prepared(given)
    if not offered(config):
        needs = "a source and a target to be classified, the schedule joint, and the tuning head"
        raise BadInput(why_not(config) or f"There is no preview of this: it takes {needs}.")
    question = asked(config, along.value, draws or default_draws(config))
    quiet()
    found = probe(question)
    says = f"{found.metric} on validation, the mean of {question.draws} draws, {found.heads} heads"
    emit(found.model_dump(), [says, *_table(found)], json)


def _table(found: Preview) -> list[str]:
    """A row a value, the ends of the path first and last; where labels vary, the target without the source beside."""
    both, alone, zero = (
        [[fmean(scores[key][place]) for key in found.both] for place in range(len(scores["target"]))]
        for scores in (found.both, found.alone, found.zero)
    )
    if found.axis == "lam":
        rows: list[list[Value]] = [[f"{value:.3g}", *means] for value, means in zip(found.values, both, strict=True)]
        return table(["λ", *found.both], [["source only", *zero[0]], *rows, ["target only", *alone[0]]])
    place = list(found.both).index("target")
    rows = [[f"{n:.0f}", *one, own[place]] for n, one, own in zip(found.values, both, alone, strict=True)]
    return table(["labels", *found.both, "target without the source"], [["none", *zero[0], None], *rows])
