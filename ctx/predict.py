"""What a finished run says of texts that nobody has labelled. It imports torch inside its functions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ctx import checkpoint, data
from ctx.config import ContextChoice, RunConfig, key
from ctx.errors import BadInput, Unavailable
from ctx.parts import Context
from ctx.plan import Progress
from ctx.records import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctx.model import Model
    from ctx.setup import Setup
    from ctx.state import State
    from ctx.train import Trainer


class Judged(NamedTuple):
    """``answer``: each label's probability, or a text; ``modules``: the contexts whose modules gave it, by id."""

    answer: dict[str, float] | str
    modules: tuple[str, ...]


def answers(config: RunConfig, weights: State, text: str, of: str = "") -> Judged:
    """What a head says of a text. ``weights``: a run's final ones; ``of``: the context it belongs to, else the target.

    A context that the run never saw has the head of those with its labels; BadInput where there is none.
    """
    import torch
    from scipy.special import softmax

    from ctx.batches import encoded_rows
    from ctx.model import space_of
    from ctx.setup import Setup
    from ctx.train import Trainer

    trainer = Trainer(Setup(config))
    trainer.model.put(weights.part("model"))
    setup = trainer.setup
    context, modules = _whose(trainer, of)
    example = setup.task.typed(text, context)
    encoded = encoded_rows("", [example], context, setup.backbone, setup.task)
    if len(modules) == 1:
        encoded = replace(encoded, context=modules[0])
    batch = encoded.batch(np.arange(1))
    depth = _depth(setup, trainer.model) if config.half else 0
    head = trainer.model.eval().heads[space_of(context.labels)]
    with torch.inference_mode():
        frozen = trainer.frozen.features.hidden(trainer.model, setup.weights, depth, batch, half=config.half)
        hidden = trainer.model.run(batch, start=depth, hidden=frozen)
        found = setup.task.answer(head, hidden, batch, setup.backbone, config.beams)
    said = setup.task.said(found, encoded.references, [example], context.labels)
    if said is not None:
        return Judged(str(said[0]), modules)
    return Judged(dict(zip(context.labels, softmax(found[0].astype(float)).tolist(), strict=True)), modules)


def _whose(trainer: Trainer, name: str) -> tuple[Context, tuple[str, ...]]:
    """A context of the run (its target, where none is named) or another like them; whose modules it has."""
    from ctx.batches import rows_of

    setup, tuning = trainer.setup, trainer.setup.tuning
    there = {rows.context.name: rows for rows in setup.rows.values()}
    rows = there.get(name) if name else setup.rows["target"]
    if rows is not None:
        return rows.context, tuple(tuning.modules(trainer.model, rows))
    other = data.context(ContextChoice(id=name))
    check_alike(other, [rows.context for rows in there.values()])
    if not tuning.modules(trainer.model, setup.rows["target"]):
        return other, ()
    rows = rows_of(setup.config, ContextChoice(id=name), setup.backbone, setup.task)
    return other, tuple(tuning.modules(trainer.model, rows))


def check_alike(other: Context, there: Sequence[Context]) -> None:
    """Raise BadInput unless some of the contexts has the other's application and labels; a text also its language."""
    own = there[0].application
    if other.application != own:
        raise BadInput(f"{other.name} is {other.application}, and this run is of {own}: name another context.")
    if other.labels not in {one.labels for one in there}:
        learnt = "; or ".join({one.labels: ", ".join(one.labels) for one in there}.values())
        raise BadInput(
            f"{other.name} has the labels {', '.join(other.labels)}, and this run has learnt {learnt}: "
            "name another context."
        )
    if not other.labels and other.language not in {one.language for one in there}:
        learnt = " and ".join(sorted({one.language for one in there}))
        raise BadInput(f"{other.name} is in {other.language}, and this run has learnt {learnt}: name another context.")


def _depth(setup: Setup, model: Model) -> int:
    """How many blocks were frozen when the run ended."""
    epochs = setup.phases[-1].epochs
    groups = setup.tuning.groups(model, Progress(epochs - 1, epochs))
    return model.learn([p for parameters, _ in groups for p in parameters])


def of_run(run: Run, text: str, of: str = "") -> Judged:
    """What a finished run answers to a text, as `answers` gives it; raises BadInput or Unavailable."""
    config = run.config
    if run.state != "done":
        raise BadInput(f"Run {run.id} is {run.state}: only a finished run can judge a sentence.")
    if config.target is None or config.task().inputs == "numbers":
        raise BadInput(f"Run {run.id} has no target whose sentences it could judge: name a run of another application.")
    if not text.strip():
        raise BadInput("There is nothing to judge: give a text.")
    weights = checkpoint.final_weights(run.id)
    if weights is None:
        raise Unavailable(f"The weights of run {run.id} are gone, to make room: train it again with --again.")
    if key(config) != run.key:
        raise Unavailable(
            f"Run {run.id} was trained by an earlier version of this program, or on other data: "
            "train it again with --again."
        )
    return answers(config, weights, text, of)
