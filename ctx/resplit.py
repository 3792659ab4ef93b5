"""Encoded examples whose pieces are split further: their ids, and where their words begin then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, chain
from unicodedata import normalize

import numpy as np

from ctx.batches import Encoded
from ctx.parts import Augmentation, Pieces, Task


def taken(encoded: Encoded, rows: np.ndarray) -> Encoded:
    """These rows by themselves, for one use."""
    return Encoded(
        "",
        [encoded.examples[row] for row in rows],
        [encoded.inputs[row] for row in rows],
        encoded.targets[rows],
        encoded.references[rows],
        encoded.lengths[rows],
        encoded.tokens,
        context=encoded.context,
    )


def resplit(
    encoded: Encoded,
    part: Augmentation,
    randoms: Sequence[np.random.Generator],
    pieces: Pieces,
    task: Task,
    unspaced: bool,
) -> tuple[Encoded, np.ndarray]:
    """The examples as an augmentation of pieces leaves them, and which of them differ ``[N]``.

    ``randoms``: each example's generator; ``unspaced``: words are written without spaces between them.
    """
    inputs, targets = list(encoded.inputs), encoded.targets.copy()
    moved = np.zeros(len(inputs), bool)
    for row, (ids, example, random) in enumerate(zip(encoded.inputs, encoded.examples, randoms, strict=True)):
        ways = part.split(_own(ids, pieces).tolist(), pieces, random)
        if all(len(way) == 1 for way in ways):
            continue
        if not isinstance(example.input, str):
            old = targets[row, : len(example.input), 1]
            places = _by_characters(example.input, ways, pieces) if unspaced else _followed(old, ways, pieces)
            if places is None:
                continue
            room = pieces.longest - (len(ids) - pieces.frame - len(ways))
            targets[row, : len(example.input), 1] = np.where(places < room, places, -1)
        inputs[row], moved[row] = _joined(ids, ways, pieces), True
    lengths = np.asarray([len(ids) for ids in inputs], np.int64)
    references = task.references(encoded.examples, targets)
    return replace(encoded, inputs=inputs, targets=targets, references=references, lengths=lengths), moved


def _own(ids: np.ndarray, pieces: Pieces) -> np.ndarray:
    """The text's own ids: without what stands before every text, and the sign that ends it."""
    return ids[pieces.frame : len(ids) - (pieces.tokens[ids[-1]] == "")]


def _joined(ids: np.ndarray, ways: list[list[int]], pieces: Pieces) -> np.ndarray:
    """What the backbone takes of them: beyond its longest text the last pieces are cut off."""
    end = ids[pieces.frame + len(ways) :]
    own = np.asarray([*chain(*ways)][: pieces.longest - pieces.frame - len(end)], np.int64)
    return np.concatenate([ids[: pieces.frame], own, end])


def _followed(old: np.ndarray, ways: list[list[int]], pieces: Pieces) -> np.ndarray:
    """The new places ``[W]`` of words that no piece shares; -1 stays."""
    begins = [pieces.frame + n for n in accumulate((len(way) for way in ways), initial=0)]
    first = np.asarray([begin + pieces.first(way) for begin, way in zip(begins, ways, strict=False)])
    return np.where(old < 0, -1, first[np.maximum(old - pieces.frame, 0)])


def _by_characters(words: Sequence[str], ways: list[list[int]], pieces: Pieces) -> np.ndarray | None:
    """The places ``[W]`` of words by the characters that pieces cover; None where they don't spell the words.

    A piece may cover several words there, or the end of one and the beginning of the next.
    """
    written = [pieces.text(id) for id in chain(*ways)]
    said = [normalize("NFKC", word) for word in words]
    if not "".join(said).startswith("".join(written)):
        return None
    ends = np.cumsum([len(text) for text in written])
    starts = np.cumsum([0, *(len(word) for word in said[:-1])])
    place = np.searchsorted(ends, starts, side="right")
    return np.where(place < len(written), pieces.frame + place, -1)
