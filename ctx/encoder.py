"""Hugging Face encoders as blocks: the embedding, then one block a layer; and their tokenizers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from ctx.layers import AttentionLayer, TakeInputs

if TYPE_CHECKING:
    import numpy as np


def blocks_of(model: Any, layers: int) -> list[tuple[str, nn.Module]]:
    """The embedding and the lowest ``layers`` layers of a transformers encoder."""
    inner = [(f"layer{i + 1}", AttentionLayer(layer)) for i, layer in enumerate(model.encoder.layer[:layers])]
    return [("embedding", TakeInputs(model.embeddings)), *inner]


def pretrained(folder: Path) -> Any:
    """The model in a folder: safetensors only, no code from the folder, nothing fetched."""
    from transformers import AutoModel

    return AutoModel.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, attn_implementation="sdpa"
    )


def tokenize(folder: Path, texts: Sequence[str], longest: int) -> list[np.ndarray]:
    """Token ids ``[T]``, T at most ``longest``, special tokens included."""
    import numpy as np
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(longest)
    return [np.asarray(encoding.ids, np.int64) for encoding in tokenizer.encode_batch(list(texts))]
