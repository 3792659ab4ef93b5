"""tiny: a small transformer with random weights and a tokenizer of its own. Nothing to fetch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from zlib import crc32

from ctx import parts

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

VOCABULARY, POSITIONS, SPECIAL = 8192, 128, 2  # ids 0 and 1: padding, start
END, PIECES = 2, 2**31 - 3  # of texts to be written: ids 0 to 2 are padding, start, end
PIECE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+(?:'\w+)?|[^\w\s]")
WRITTEN = re.compile(r"\s*(?:[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+|[^\w\s])")
_written: dict[int, str] = {}  # what the ids of this process stand for; a space in front where the text had one


class Tiny(parts.Backbone):
    """A small transformer with random weights: it shows what pretraining is worth."""

    name = "tiny"
    title = "Tiny transformer (random weights)"
    applications = ("sentiment", "ner", "translation", "summarisation")
    lr = 1e-3
    head_lr = 1e-3

    class Knobs(parts.Knobs):
        """Its size."""

        layers: int = parts.knob(2, "How many layers.", ge=1, le=6)
        width: int = parts.knob(64, "Width of the states; a multiple of 4.", ge=16, le=256, multiple_of=4)
        readout: int | None = parts.readout_knob()

    def layers(self) -> int:
        """The layers up to the read-out."""
        return parts.readout_layer(self.knobs.readout, self.knobs.layers)

    def parameters(self) -> list[int]:
        """Embedding (tokens, positions, one type, norm), then a layer: attention, feed-forward twice as wide, norms."""
        w = self.knobs.width
        layer = 4 * (w * w + w) + (w * 2 * w + 2 * w) + (2 * w * w + w) + 4 * w
        return [(VOCABULARY + POSITIONS + 1) * w + 2 * w] + [layer] * self.layers()

    def matrices(self) -> list[parts.Matrix]:
        """BERT's."""
        from ctx.matrices import bert

        return bert(self.knobs.width, 2 * self.knobs.width)

    def biases(self) -> list[int]:
        """Of the embedding's norm, then of six maps and two norms a layer."""
        from ctx.matrices import bert_biases

        return bert_biases(self.knobs.width, 2 * self.knobs.width, self.layers())

    def digest(self, seed: int) -> str:
        """Random weights: the draw's seed and the size name them."""
        return f"tiny:{self.knobs.layers}:{self.knobs.width}:{seed}"

    def encode(self, inputs: Sequence[Any]) -> list[np.ndarray]:
        """Words, and single Chinese or Japanese characters, hashed into the vocabulary (Weinberger et al. 2009)."""
        import numpy as np

        return [np.asarray([1, *_hashed(text)][:POSITIONS], np.int64) for text in inputs]

    def encode_words(
        self, sentences: Sequence[Sequence[str]], separator: str = " "
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """The pieces of each word by itself: joined or not, they are the same."""
        import numpy as np

        found = []
        for words in sentences:
            ids, firsts = [1], []
            for word in words:
                pieces = _hashed(word)
                firsts.append(len(ids) if pieces and len(ids) < POSITIONS else -1)
                ids += pieces
            found.append((np.asarray(ids[:POSITIONS], np.int64), np.asarray(firsts, np.int64)))
        return found

    def target_ids(self, texts: Sequence[str], longest: int) -> list[np.ndarray]:
        """Words, single Chinese or Japanese characters and signs, case kept: a 31-bit hash each, then 2."""
        import numpy as np

        def ids(text: str) -> list[int]:
            pieces = [" " * (piece[0].isspace()) + piece.strip() for piece in WRITTEN.findall(text.strip())]
            found = {piece: END + 1 + crc32(piece.encode()) % PIECES for piece in pieces}
            _written.update((id, piece) for piece, id in found.items())
            return [found[piece] for piece in pieces]

        return [np.asarray([*ids(text)[: longest - 1], END], np.int64) for text in texts]

    def decode(self, ids: Sequence[np.ndarray]) -> list[str]:
        """The pieces that `target_ids` has seen in this process; ids it hasn't seen stand for nothing."""
        return ["".join(_written.get(int(id), "") for id in row).strip() for row in ids]

    def blocks(self, seed: int) -> tuple[list[tuple[str, nn.Module]], int]:
        """A BERT of this size, built from the global generator."""
        from transformers.models.bert import BertConfig
        from transformers.models.bert.modeling_bert import BertModel

        from ctx.encoder import blocks_of

        w = self.knobs.width
        config = BertConfig(
            vocab_size=VOCABULARY,
            hidden_size=w,
            num_hidden_layers=self.knobs.layers,
            num_attention_heads=4,
            intermediate_size=2 * w,
            max_position_embeddings=POSITIONS,
            type_vocab_size=1,
        )
        return blocks_of(BertModel(config, add_pooling_layer=False), self.layers()), w


def _hashed(text: str) -> list[int]:
    return [SPECIAL + crc32(piece.encode()) % (VOCABULARY - SPECIAL) for piece in PIECE.findall(text.casefold())]
