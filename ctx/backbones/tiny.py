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
PIECE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+(?:'\w+)?|[^\w\s]")


class Tiny(parts.Backbone):
    """A small transformer with random weights: it shows what pretraining is worth."""

    name = "tiny"
    title = "Tiny transformer (random weights)"
    applications = ("sentiment",)
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

    def digest(self, seed: int) -> str:
        """Random weights: the draw's seed and the size name them."""
        return f"tiny:{self.knobs.layers}:{self.knobs.width}:{seed}"

    def encode(self, inputs: Sequence[Any]) -> list[np.ndarray]:
        """Words, and single Chinese or Japanese characters, hashed into the vocabulary (Weinberger et al. 2009)."""
        import numpy as np

        def ids(text: str) -> list[int]:
            pieces = PIECE.findall(text.casefold())[: POSITIONS - 1]
            return [1] + [SPECIAL + crc32(piece.encode()) % (VOCABULARY - SPECIAL) for piece in pieces]

        return [np.asarray(ids(text), np.int64) for text in inputs]

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
