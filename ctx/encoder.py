"""Hugging Face encoders as blocks: the embedding, then one block a layer; and their tokenizers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from ctx.layers import AttentionLayer, PackedLayer, Table, TakeInputs
from ctx.mapped import Mapped
from ctx.memory import give_back
from ctx.pieces import SPACES, Pieces
from ctx.products import quicken

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")
LARGE = 100_000  # pieces
SPREAD = 0.02


def blocks_of(model: Any, layers: int) -> list[tuple[str, nn.Module]]:
    """The embedding and the lowest ``layers`` layers of a transformers encoder."""
    from transformers.models.bert.modeling_bert import BertLayer

    quicken(model.encoder)
    kinds = [PackedLayer if isinstance(layer, BertLayer) else AttentionLayer for layer in model.encoder.layer[:layers]]
    inner = [(f"layer{i + 1}", kind(model.encoder.layer[i])) for i, kind in enumerate(kinds)]
    return [("embedding", TakeInputs(model.embeddings)), *inner]


def renew(layer: nn.Module) -> None:
    """Draw a layer of BERT's kind anew, as before pretraining (Devlin et al. 2019): what Zhang et al. (2021) do.

    Weights from a normal distribution of standard deviation 0.02, biases 0, norms 1.
    """
    for module in layer.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=SPREAD)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


def pretrained(folder: Path) -> Any:
    """The model in a folder: safetensors only, no code from the folder, nothing fetched."""
    from transformers import AutoModel

    return AutoModel.from_pretrained(
        folder,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        attn_implementation="sdpa",
        dtype=torch.float32,  # by default what the file has, which may be half of that
    )


def weights(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, mapped into memory: what isn't read takes none, what is, once a machine."""
    from safetensors.torch import load_file

    found: dict[str, Tensor] = load_file(file)
    return found


def assembled(sizes: Mapping[str, Any], weights: Mapping[str, Tensor], name: str, words: Mapped) -> Any:
    """A BERT of these sizes around the tensors themselves; the embedding of its words, ``name``, is a `Table`."""
    from transformers.models.bert import BertConfig
    from transformers.models.bert.modeling_bert import BertModel

    with torch.device("meta"):
        model = BertModel(BertConfig(**sizes), add_pooling_layer=False)
    model.load_state_dict({**weights, name: words.values}, assign=True)
    inner = model.embeddings
    inner.word_embeddings = Table(words.values, words.rest)
    places = torch.arange(sizes["max_position_embeddings"])[None]
    inner.position_ids, inner.token_type_ids = places, torch.zeros_like(places)
    return model.eval()


def tokenizer(folder: Path, longest: int | None = None) -> Any:
    """The tokenizer of a folder, that cuts at ``longest``."""
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(folder / "tokenizer.json"))
    found.no_padding()
    found.no_truncation()
    if longest:
        found.enable_truncation(longest)
    return found


def _used(use: Callable[[Any], T], folder: Path, longest: int | None = None) -> T:
    """What ``use`` makes of the tokenizer, then let go: one of 250,000 pieces loads in 0.7 s and takes 300 MB."""
    tool = tokenizer(folder, longest)
    large = tool.get_vocab_size() > LARGE
    found = use(tool)
    del tool
    if large:
        give_back()
    return found


def tokenize(folder: Path, texts: Sequence[str], longest: int) -> list[np.ndarray]:
    """Token ids ``[T]``, T at most ``longest``, special tokens included."""

    def use(tool: Any) -> list[np.ndarray]:
        return [_array(encoding.ids) for encoding in tool.encode_batch(list(texts))]

    return _used(use, folder, longest)


def tokenize_words(
    folder: Path, sentences: Sequence[Sequence[str]], separator: str, longest: int, prefix: str = ""
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Token ids ``[T]`` of words, joined as in running text, and the position of each word's first token ``[words]``.

    Words that one token covers have the same position. -1: the word was cut off, or no token stands for it.
    """

    def use(tool: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        encodings = tool.encode_batch([prefix + separator.join(words) for words in sentences])
        return [
            (_array(encoding.ids), _array(_firsts(encoding, words, len(prefix), len(separator))))
            for encoding, words in zip(encodings, sentences, strict=True)
        ]

    return _used(use, folder, longest)


def _firsts(encoding: Any, words: Sequence[str], start: int, gap: int) -> list[int]:
    """By the characters that tokens and words cover; a token that is only the sign for a space stands for no word."""
    owner: list[int] = [-1] * start  # the word of every character
    for i, word in enumerate(words):
        owner += [i] * len(word) + [-1] * gap
    firsts = [-1] * len(words)
    for position, (token, (begin, end)) in enumerate(zip(encoding.tokens, encoding.offsets, strict=True)):
        if token not in SPACES:
            for number in set(owner[begin:end]) - {-1}:
                firsts[number] = position if firsts[number] < 0 else firsts[number]
    return firsts


def target_ids(folder: Path, texts: Sequence[str], longest: int, end: int | None = None) -> list[np.ndarray]:
    """Token ids ``[T]``, T at most ``longest``, without special tokens but for the last one, which ends a text.

    ``end``: its id; by default the last special one that a text gets.
    """

    def use(tool: Any) -> list[np.ndarray]:
        last = tool.encode("").ids[-1] if end is None else end
        encodings = tool.encode_batch(list(texts), add_special_tokens=False)
        return [_array([*encoding.ids[: longest - 1], last]) for encoding in encodings]

    return _used(use, folder)


def decode(folder: Path, ids: Sequence[np.ndarray]) -> list[str]:
    """The texts of token ids; special tokens, and ids that stand for none, are left out."""
    tokens, decoder = _tokens(folder)
    known = [
        [tokens[id] for id in row.tolist() if 0 <= id < len(tokens)] for row in ids
    ]  # T5 has more rows than pieces
    return [str(decoder.decode([token for token in row if token])) for row in known]


@lru_cache(maxsize=2)
def _tokens(folder: Path) -> tuple[list[str], Any]:
    """Every token by its id ("" for a special one) and what joins them: a tenth of the tokenizer, kept."""

    def use(tool: Any) -> tuple[list[str], Any]:
        special = {id for id, token in tool.get_added_tokens_decoder().items() if token.special}
        there = [tool.id_to_token(id) or "" for id in range(tool.get_vocab_size())]
        return ["" if id in special else token for id, token in enumerate(there)], tool.decoder

    return _used(use, folder)


@lru_cache(maxsize=2)
def pieces(folder: Path, longest: int, prefix: str = "") -> Pieces:
    """The pieces that `tokenize` gives, as a vocabulary; ``prefix`` is what it puts before every text."""

    def use(tool: Any) -> tuple[str, int]:
        mark: str = getattr(tool.model, "continuing_subword_prefix", None) or ""
        return mark, len(tool.encode(prefix.strip()).ids) - 1

    return Pieces(_tokens(folder)[0], *_used(use, folder), longest)


def _array(ids: Sequence[int]) -> np.ndarray:
    import numpy as np

    return np.asarray(ids, np.int64)
