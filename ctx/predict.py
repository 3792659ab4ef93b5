"""What a finished run says of texts that nobody has labelled. It imports torch inside its functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ctx import checkpoint
from ctx.config import RunConfig, key
from ctx.errors import BadInput, Unavailable
from ctx.plan import Progress
from ctx.records import Run

if TYPE_CHECKING:
    from ctx.model import Model
    from ctx.setup import Setup
    from ctx.state import State


def answers(config: RunConfig, weights: State, text: str) -> dict[str, float] | str:
    """The target head's answer to a text: each label's probability, or a text. ``weights``: a run's final ones."""
    import torch
    from scipy.special import softmax

    from ctx.batches import encoded_rows
    from ctx.model import space_of
    from ctx.setup import Setup
    from ctx.train import Trainer

    trainer = Trainer(Setup(config))
    trainer.model.put(weights.part("model"))
    setup = trainer.setup
    context = setup.rows["target"].context
    example = setup.task.typed(text, context)
    encoded = encoded_rows("", [example], context, setup.backbone, setup.task)
    batch = encoded.batch(np.arange(1))
    depth = _depth(setup, trainer.model) if config.half else 0
    head = trainer.model.eval().heads[space_of(context.labels)]
    with torch.inference_mode():
        frozen = trainer.frozen.features.hidden(trainer.model, setup.weights, depth, batch, half=config.half)
        hidden = trainer.model.run(batch, start=depth, hidden=frozen)
        found = setup.task.answer(head, hidden, batch, setup.backbone, config.beams)
    said = setup.task.said(found, encoded.references, [example], context.labels)
    if said is not None:
        return str(said[0])
    return dict(zip(context.labels, softmax(found[0].astype(float)).tolist(), strict=True))


def _depth(setup: Setup, model: Model) -> int:
    """How many blocks were frozen when the run ended."""
    epochs = setup.phases[-1].epochs
    groups = setup.tuning.groups(model, Progress(epochs - 1, epochs))
    return model.learn([p for parameters, _ in groups for p in parameters])


def of_run(run: Run, text: str) -> dict[str, float] | str:
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
    return answers(config, weights, text)
