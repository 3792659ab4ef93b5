"""Hugging Face encoders as blocks: the embedding, then one block a layer; and their tokenizers."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from ctx.layers import AttentionLayer, TakeInputs

if TYPE_CHECKING:
    import numpy as np

SPACES = {"▁", "Ġ"}


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


@contextmanager
def tokenizer(folder: Path, longest: int | None = None) -> Iterator[Any]:
    """The tokenizer of a folder, that cuts at ``longest``. It is not kept: one of 250,000 pieces takes 300 MB."""
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(folder / "tokenizer.json"))
    found.no_padding()
    found.no_truncation()
    if longest:
        found.enable_truncation(longest)
    try:
        yield found
    finally:
        large = found.get_vocab_size() > 100_000
        del found
        if large:
            give_back()


def give_back() -> None:
    """Give freed memory back to the system at once, where it can (glibc keeps it for the process otherwise)."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def tokenize(folder: Path, texts: Sequence[str], longest: int) -> list[np.ndarray]:
    """Token ids ``[T]``, T at most ``longest``, special tokens included."""
    with tokenizer(folder, longest) as tool:
        return [_array(encoding.ids) for encoding in tool.encode_batch(list(texts))]


def tokenize_words(
    folder: Path, sentences: Sequence[Sequence[str]], separator: str, longest: int, prefix: str = ""
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Token ids ``[T]`` of words, joined as in running text, and the position of each word's first token ``[words]``.

    Words that one token covers have the same position. -1: the word was cut off, or no token stands for it.
    """
    texts = [prefix + separator.join(words) for words in sentences]
    with tokenizer(folder, longest) as tool:
        encodings = tool.encode_batch(texts)
        return [
            (_array(encoding.ids), _array(_firsts(encoding, words, len(prefix), len(separator))))
            for encoding, words in zip(encodings, sentences, strict=True)
        ]


def _firsts(encoding: Any, words: Sequence[str], start: int, gap: int) -> list[int]:
    """By the characters that tokens and words cover; a token that is only the sign for a space stands for no word."""
    owner: list[int] = [-1] * start  # the word of every character
    for i, word in enumerate(words):
        owner += [i] * len(word) + [-1] * gap
    firsts = [-1] * len(words)
    for position, (token, (begin, end)) in enumerate(zip(encoding.tokens, encoding.offsets, strict=True)):
        if token not in SPACES:
            for word_at in set(owner[begin:end]) - {-1}:
                firsts[word_at] = position if firsts[word_at] < 0 else firsts[word_at]
    return firsts


def target_ids(folder: Path, texts: Sequence[str], longest: int) -> list[np.ndarray]:
    """Token ids ``[T]``, T at most ``longest``, without special tokens but for the last one, which ends a text."""
    with tokenizer(folder) as tool:
        end = tool.encode("").ids[-1]
        encodings = tool.encode_batch(list(texts), add_special_tokens=False)
        return [_array([*encoding.ids[: longest - 1], end]) for encoding in encodings]


def decode(folder: Path, ids: Sequence[np.ndarray]) -> list[str]:
    """The texts of token ids, special tokens left out."""
    with tokenizer(folder) as tool:
        return [str(text) for text in tool.decode_batch([[int(id) for id in row] for row in ids])]


def _array(ids: Sequence[int]) -> np.ndarray:
    import numpy as np

    return np.asarray(ids, np.int64)
