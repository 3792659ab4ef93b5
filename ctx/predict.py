"""What a finished run says of texts that nobody has labelled. It imports torch inside its functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ctx import checkpoint
from ctx.config import RunConfig
from ctx.errors import BadInput, Unavailable
from ctx.records import Run

if TYPE_CHECKING:
    from ctx.state import State


def shares(config: RunConfig, weights: State, texts: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """The target's labels, and the probability ``[N, C]`` of each for every text. ``weights``: a run's final ones."""
    import torch

    from ctx.batches import Encoded
    from ctx.model import space_of
    from ctx.setup import Setup
    from ctx.train import Trainer

    trainer = Trainer(Setup(config))
    trainer.restore(weights)
    labels = trainer.setup.rows["target"].context.labels
    inputs = trainer.setup.backbone.encode(texts)
    lengths, nothing = np.asarray([len(row) for row in inputs]), np.zeros(len(inputs), np.int64)
    encoded = Encoded("texts of a visitor", (), inputs, nothing, nothing, lengths, True)
    batch = encoded.batch(np.arange(len(inputs)))
    model = trainer.model.eval()
    with torch.inference_mode():
        logits = model.heads[space_of(labels)](model.run(batch), batch)
        found: np.ndarray = torch.softmax(logits.double(), dim=1).numpy()
    return labels, found


def of_run(run: Run, text: str) -> dict[str, float]:
    """The probability of each label that a finished run gives a text; raises BadInput or Unavailable."""
    config = run.config
    if run.state != "done":
        raise BadInput(f"Run {run.id} is {run.state}: only a finished run can judge a sentence.")
    if config.target is None or config.task().inputs != "text":
        raise BadInput(f"Run {run.id} has no target whose sentences it could judge: name a run of another application.")
    weights = checkpoint.final_weights(run.id)
    if weights is None:
        raise Unavailable(f"The weights of run {run.id} are gone, to make room: train it again with --again.")
    labels, found = shares(config, weights, [text])
    return dict(zip(labels, found[0].tolist(), strict=True))
