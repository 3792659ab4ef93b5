"""Sentence embeddings of a context: the mean of a backbone's last states, as it comes, before anything is learnt."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from ctx import data, kept
from ctx.batches import Encoded
from ctx.cards import texts
from ctx.config import ContextChoice, RunConfig
from ctx.layers import MeanPool
from ctx.model import Model, pretrained
from ctx.parts import Backbone, Choice, Example
from ctx.registry import make, task_of

EMBEDDINGS_VERSION = 1  # raised by hand when the same sentences would give others
MOST, ROWS = 300, 32  # sentences of a context; of a batch
FOLDER = "embeddings"


def embedded(choice: ContextChoice, backbone: Choice, progress: Callable[[int, int], None] | None = None) -> np.ndarray:
    """Embeddings ``[n, W]`` float32 of at most 300 training sentences, kept on disk. Numbers stand for themselves.

    ``progress(done, of)`` counts sentences. Raises Unavailable.
    """
    made: Backbone = make("backbones", backbone)
    name = kept.named(data.digest(choice), backbone.model_dump(mode="json"), made.digest(0), MOST, EMBEDDINGS_VERSION)
    return kept.array(FOLDER, name, lambda: _embed(choice, made, backbone, progress))


def _embed(
    choice: ContextChoice, made: Backbone, backbone: Choice, progress: Callable[[int, int], None] | None
) -> np.ndarray:
    context = data.context(choice)
    examples = data.spread(data.splits(choice).train, MOST)
    read, _ = texts(examples, task_of(context.application), context)
    if not read:
        return np.asarray([example.input for example in examples], np.float32)
    return _mean_states(examples, made.encode(read), _model(made, backbone), progress)


def _model(made: Backbone, backbone: Choice) -> Model:
    """The whole backbone, shared with the runs of this process where it is pretrained."""
    torch.manual_seed(0)
    blocks, _ = pretrained(RunConfig(backbone=backbone), made.layers() + 1) if made.pretrained else made.blocks(0)
    model = Model([*blocks, ("mean", MeanPool())], {})
    model.eval()
    return model


def _mean_states(
    examples: Sequence[Example], ids: list[np.ndarray], model: Model, progress: Callable[[int, int], None] | None
) -> np.ndarray:
    lengths = np.asarray([len(row) for row in ids], np.int64)
    nothing = np.zeros(len(ids))
    encoded = Encoded("sentences", examples, ids, nothing, nothing, lengths, True)
    order = np.argsort(lengths, kind="stable")
    found: dict[int, np.ndarray] = {}
    with torch.inference_mode():
        for start in range(0, len(order), ROWS):
            rows = order[start : start + ROWS]
            states = model.run(encoded.batch(rows)).float().numpy()
            found.update(zip(rows.tolist(), states, strict=True))
            if progress:
                progress(len(found), len(order))
    return np.stack([found[row] for row in range(len(ids))])
