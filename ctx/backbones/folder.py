"""folder: any local folder or hub model with a Hugging Face encoder: safetensors only, no code of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import field_validator

from ctx import parts

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from torch import nn


class Folder(parts.Backbone):
    """An encoder in a local folder or of the hub, as safetensors: BERT, RoBERTa, XLM-RoBERTa or CamemBERT."""

    name = "folder"
    title = "An encoder of your own"
    applications = ("sentiment", "ner")
    lr = 5e-5
    head_lr = 1e-2
    pretrained = True

    class Knobs(parts.Knobs):
        """Which model, and where the head reads."""

        path: str = parts.knob(
            "",
            "The folder: config.json, model.safetensors and tokenizer.json; or owner/name of a model on the "
            "Hugging Face hub, which is fetched.",
        )

        @field_validator("path")
        @classmethod
        def _anywhere(cls, path: str) -> str:
            """One spelling, that means the same model wherever a worker stands."""
            from ctx.hub import spelled

            return spelled(path)

        readout: int | None = parts.readout_knob()

    @classmethod
    def offered(cls) -> list[Path]:
        """Those of CTX_MODEL_FOLDERS that hold such a model."""
        from ctx import folders

        return folders.offered(folders.FAMILIES)

    def folder(self) -> Path:
        """The folder, fetched where it is the hub's; raises BadInput, Unavailable."""
        from ctx.hub import place

        return place(self.knobs.path, self.name, "a Hugging Face encoder")

    def configuration(self) -> dict[str, Any]:
        """The folder's checked configuration."""
        from ctx.folders import configuration

        return configuration(self.folder())

    def _sizes(self) -> tuple[int, int]:
        found = self.configuration()
        return int(found["hidden_size"]), int(found["intermediate_size"])

    def layers(self) -> int:
        """The layers up to the read-out."""
        return parts.readout_layer(self.knobs.readout, int(self.configuration()["num_hidden_layers"]))

    def parameters(self) -> list[int]:
        """Embedding and layers by the BERT formula."""
        c = self.configuration()
        w, inner = self._sizes()
        rows = int(c["vocab_size"]) + int(c["max_position_embeddings"]) + int(c.get("type_vocab_size", 1))
        return [rows * w + 2 * w] + [4 * (w * w + w) + 2 * w * inner + inner + w + 4 * w] * self.layers()

    def matrices(self) -> list[parts.Matrix]:
        """BERT's."""
        from ctx.matrices import bert

        return bert(*self._sizes())

    def biases(self) -> list[int]:
        """Of the embedding's norm, then of six maps and two norms a layer."""
        from ctx.matrices import bert_biases

        return bert_biases(*self._sizes(), self.layers())

    def digest(self, seed: int) -> str:
        """The hash of the weights, the configuration and the tokenizer."""
        from ctx.folders import digest

        return digest(self.folder())

    def longest(self) -> int:
        """At most 128 tokens, or what the model can take (RoBERTa's positions begin at 2)."""
        return min(128, int(self.configuration()["max_position_embeddings"]) - 2)

    def encode(self, inputs: Sequence[Any]) -> list[np.ndarray]:
        """The folder's own token ids, at most 128 (or what the model can take)."""
        from ctx.encoder import tokenize

        return tokenize(self.folder(), inputs, self.longest())

    def encode_words(
        self, sentences: Sequence[Sequence[str]], separator: str = " "
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """As `encode`, with the position of each word's first token."""
        from ctx.encoder import tokenize_words

        return tokenize_words(self.folder(), sentences, separator, self.longest())

    def pieces(self) -> parts.Pieces:
        """The folder's own."""
        from ctx.encoder import pieces

        return pieces(self.folder(), self.longest())

    def blocks(self, seed: int) -> tuple[list[tuple[str, nn.Module]], int]:
        """The pretrained embedding and layers."""
        from ctx.encoder import blocks_of, pretrained

        model = pretrained(self.folder())
        return blocks_of(model, self.layers()), int(model.config.hidden_size)

    def renew(self, layer: nn.Module) -> None:
        """As BERT's layers begin."""
        from ctx.encoder import renew

        renew(layer)
