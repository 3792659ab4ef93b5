"""Hugging Face encoders as blocks: the embedding, then one block a layer; and their tokenizers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from ctx.errors import BadInput
from ctx.layers import AttentionLayer, TakeInputs

if TYPE_CHECKING:
    import numpy as np

# Families whose model is `.embeddings` and a list of layers called as layer(hidden, mask).
FAMILIES = {"bert": "encoder", "roberta": "encoder", "xlm-roberta": "encoder", "camembert": "encoder"}


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


def configuration(folder: Path) -> dict[str, Any]:
    """The ``config.json`` of a model folder, checked; raises BadInput with what is wrong. No torch needed."""
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        if not (folder / name).is_file():
            raise BadInput(f"{folder} has no {name}: name a folder that holds a Hugging Face encoder in safetensors.")
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        family, layers, width = found["model_type"], int(found["num_hidden_layers"]), int(found["hidden_size"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder / 'config.json'} is not an encoder's configuration ({error}).") from None
    if family not in FAMILIES:
        raise BadInput(f"{folder} holds a model of the family “{family}”; there are blocks for {', '.join(FAMILIES)}.")
    if found.get("auto_map") or not 0 < layers <= 48 or not 0 < width <= 4096:
        raise BadInput(f"{folder} wants code of its own or has an unusual size: use a plain encoder.")
    return dict(found)
