"""seq2seq: any local folder or hub model with an encoder-decoder that transformers knows: safetensors only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import field_validator

from ctx import parts

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from torch import nn

    from ctx.seq2seq_files import Sizes


class Seq2Seq(parts.Backbone):
    """A pretrained encoder-decoder, whose own decoder writes: T5, mT5, BART, mBART, Marian or M2M100."""

    name = "seq2seq"
    title = "An encoder-decoder (pretrained)"
    applications = ("translation", "summarisation")
    lr = 5e-5
    decoder_lr = 5e-5
    pretrained = True
    POSITIONS: ClassVar[int] = 128  # of an input, as e5's; longer ones are cut, whatever the model could take

    class Knobs(parts.Knobs):
        """Which model, and how it is spoken to."""

        path: str = parts.knob(
            "",
            "The folder: config.json, model.safetensors and a tokenizer; or owner/name of a model on the "
            "Hugging Face hub, which is fetched.",
        )
        prefix: str = parts.knob("", "Text put before each input, as T5 wants it: “translate English to German: ”.")
        language: str = parts.knob(
            "",
            "The code of the language to write in, for models of several (mBART: es_XX, NLLB: spa_Latn); empty: none.",
        )
        reads: str = parts.knob("", "The code of the language of the inputs, for such models; empty: the tokenizer's.")

        @field_validator("path")
        @classmethod
        def _anywhere(cls, path: str) -> str:
            """One spelling, that means the same model wherever a worker stands."""
            from ctx.hub import spelled

            return spelled(path)

    @classmethod
    def offered(cls) -> list[Path]:
        """Those of CTX_MODEL_FOLDERS that hold such a model."""
        from ctx.folders import offered
        from ctx.seq2seq_files import FAMILIES

        return offered(tuple(FAMILIES))

    def folder(self) -> Path:
        """The folder, fetched where it is the hub's; raises BadInput, Unavailable."""
        from ctx.hub import place

        return place(self.knobs.path, self.name, "an encoder-decoder")

    def sizes(self) -> Sizes:
        """How the model is built; raises BadInput."""
        from ctx.seq2seq_files import sizes

        return sizes(self.folder())

    def layers(self) -> int:
        """The encoder's."""
        return self.sizes().layers[0]

    def parameters(self) -> list[int]:
        """The encoder's embedding and layers."""
        return list(self.sizes().encoder)

    def matrices(self) -> list[parts.Matrix]:
        """The encoder's."""
        return list(self.sizes().matrices)

    def biases(self) -> list[int]:
        """The encoder's; T5 has none."""
        return list(self.sizes().biases)

    def decoder_parameters(self) -> list[int]:
        """The decoder's embedding and layers, and what lies above them."""
        return list(self.sizes().decoder)

    def digest(self, seed: int) -> str:
        """The hash of the files, what is said to the model beside the input, and where texts are cut."""
        from ctx.seq2seq_files import digest

        return ":".join([digest(self.folder()), self.knobs.prefix, self.knobs.reads, str(self.POSITIONS)])

    def encode(self, inputs: Sequence[Any]) -> list[np.ndarray]:
        """The model's own pieces of prefix and input, at most 128 (or what it can take)."""
        from ctx.seq2seq_text import encode

        longest = min(self.POSITIONS, self.sizes().positions or self.POSITIONS)
        return encode(self.folder(), [self.knobs.prefix + text for text in inputs], longest, self.knobs.reads)

    def target_ids(self, texts: Sequence[str], longest: int) -> list[np.ndarray]:
        """The pieces of texts to be written, without a prefix; the model's end of a text is the last."""
        from ctx.seq2seq_text import target_ids

        return target_ids(self.folder(), texts, longest)

    def decode(self, ids: Sequence[np.ndarray]) -> list[str]:
        """The texts of pieces, special ones left out."""
        from ctx.seq2seq_text import decode

        return decode(self.folder(), ids)

    def blocks(self, seed: int) -> tuple[list[tuple[str, nn.Module]], int]:
        """The pretrained embedding and layers of the encoder."""
        from ctx.seq2seq import blocks_of, loaded

        return blocks_of(loaded(self.folder(), self.digest(seed))), self.sizes().width

    def decoder(self) -> nn.Module:
        """A copy of the pretrained decoder, that begins as the model does and with the language asked for."""
        from ctx.seq2seq import decoder_of, loaded

        folder = self.folder()
        return decoder_of(loaded(folder, self.digest(0)), folder, self.knobs.language)
