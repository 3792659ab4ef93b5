"""What a folder with an encoder-decoder says of itself: its family, sizes, files. No torch.

Families: T5 and mT5 (Raffel et al. 2020), BART (Lewis et al. 2020), mBART (Liu et al. 2020), Marian
(Junczys-Dowmunt et al. 2018), M2M100 (Fan et al. 2021; NLLB is of its kind).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ctx import folders
from ctx.errors import BadInput
from ctx.matrices import Matrix, bart, t5

WHAT = "an encoder-decoder"
# Each family, and the files that transformers makes its tokenizer of where there is no tokenizer.json.
FAMILIES = {
    "t5": ("spiece.model",),
    "mt5": ("spiece.model",),
    "bart": ("vocab.json", "merges.txt"),
    "mbart": ("sentencepiece.bpe.model",),
    "marian": ("vocab.json", "source.spm", "target.spm"),
    "m2m_100": ("vocab.json", "sentencepiece.bpe.model"),
}
T5 = ("t5", "mt5")
OTHERS = ("generation_config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


@dataclass(frozen=True)
class Sizes:
    """How an encoder-decoder is built: ``layers`` of each side, width, input positions (0: any number).

    ``encoder`` and ``decoder`` count the parameters: embedding first, then each layer; the decoder's last number is
    what lies above its layers. ``biases``: those of the encoder, alike; ``matrices``: of each of its layers.
    """

    family: str
    layers: tuple[int, int]
    width: int
    positions: int
    encoder: tuple[int, ...]
    decoder: tuple[int, ...]
    matrices: tuple[Matrix, ...]
    biases: tuple[int, ...]


def sizes(folder: Path) -> Sizes:
    """The sizes of the model in a folder, whose files are checked; raises BadInput."""
    found = folders.read(folder, tuple(FAMILIES), WHAT)
    made = (_t5 if found["model_type"] in T5 else _bart)(folder, found)
    if not (max(made.layers) <= 48 and min(made.layers) > 0 and 0 < made.width <= 4096 and min(made.encoder) > 0):
        raise BadInput(
            f"{folder / 'config.json'} gives sizes that no encoder-decoder has: "
            f"{made.layers[0]} and {made.layers[1]} layers of width {made.width}."
        )
    return made


def _t5(folder: Path, found: dict[str, Any]) -> Sizes:
    found = {"num_decoder_layers": found.get("num_layers"), "relative_attention_num_buckets": 32} | found
    names = "num_layers num_decoder_layers d_model d_kv d_ff num_heads vocab_size relative_attention_num_buckets"
    lower, upper, w, kv, feed, heads, pieces, buckets = folders.whole(folder, found, WHAT, names)
    usual = "gated-gelu" if found["model_type"] == "mt5" else "relu"
    gated = str(found.get("feed_forward_proj", usual)).startswith("gated")
    attention, forward = 4 * w * kv * heads, (3 if gated else 2) * w * feed
    encoder = [pieces * w, *[attention + forward + 2 * w] * lower]
    decoder = [pieces * w, *[2 * attention + forward + 3 * w] * upper]
    for side in (encoder, decoder):
        side[1] += buckets * heads  # the first layer holds the table of relative positions
    encoder[-1] += w
    above = w + (pieces * w if own_output(folder) else 0)
    matrices, biases = tuple(t5(w, kv * heads, feed, gated)), (0,) * (lower + 1)
    return Sizes(found["model_type"], (lower, upper), w, 0, tuple(encoder), (*decoder, above), matrices, biases)


def _bart(folder: Path, found: dict[str, Any]) -> Sizes:
    family = found["model_type"]
    names = "encoder_layers decoder_layers d_model encoder_ffn_dim decoder_ffn_dim vocab_size max_position_embeddings"
    lower, upper, w, feed, feed_above, pieces, places = folders.whole(folder, found, WHAT, names)
    learned = family in ("bart", "mbart")
    own = 0 if found.get("share_encoder_decoder_embeddings", True) else int(found.get("decoder_vocab_size") or pieces)
    around = (places + 2) * w + 2 * w if learned else 0
    norm = 2 * w if family in ("mbart", "m2m_100") else 0
    attention = 4 * (w * w + w)
    encoder = [pieces * w + around, *[attention + 2 * w * feed + feed + w + 4 * w] * lower]
    decoder = [(own or pieces) * w + around, *[2 * attention + 2 * w * feed_above + feed_above + w + 6 * w] * upper]
    encoder[-1] += norm
    above = norm + ((own or pieces) * w if own_output(folder) else 0)
    biases = [w if learned else 0] + [7 * w + feed] * lower
    biases[-1] += w if norm else 0
    return Sizes(
        family, (lower, upper), w, places, tuple(encoder), (*decoder, above), tuple(bart(w, feed)), tuple(biases)
    )


def own_output(folder: Path) -> bool:
    """Whether the decoder's output has weights of its own; else it is tied to an embedding (Press & Wolf 2017)."""
    names = folders.weights(folder, WHAT)
    return any("lm_head.weight" in _names(folder / name) for name in names if name.endswith(".safetensors"))


def _names(file: Path) -> frozenset[str]:
    stamp = file.stat()
    return _header(file, (stamp.st_mtime_ns, stamp.st_size))


@lru_cache(maxsize=64)
def _header(file: Path, stamp: tuple[int, int]) -> frozenset[str]:
    """The names of a safetensors file's tensors: eight bytes give the length of the JSON that lists them."""
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            if length > stamp[1]:
                raise ValueError("it is cut off")
            return frozenset(json.loads(opened.read(length)))
    except (OSError, ValueError) as error:
        raise BadInput(f"{file} is no safetensors file ({error}): save the model again.") from None


def tokenizer_files(folder: Path) -> tuple[str, ...]:
    """The files that the tokenizer is made of: tokenizer.json where there is one; raises BadInput."""
    if (folder / "tokenizer.json").is_file():
        return ("tokenizer.json",)
    names = FAMILIES[sizes(folder).family]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise BadInput(
            f"{folder} has no tokenizer.json, nor {' and '.join(missing)} to make its tokenizer of: "
            "save the tokenizer beside the model."
        )
    return names


def files(folder: Path) -> list[str]:
    """All files of a folder that count; raises BadInput."""
    sizes(folder)
    others = [name for name in OTHERS if (folder / name).is_file()]
    return ["config.json", *folders.weights(folder, WHAT), *tokenizer_files(folder), *others]


def digest(folder: Path) -> str:
    """SHA-256 over the files that count."""
    return folders.digest(folder, files(folder))


def setting(folder: Path, name: str) -> Any:
    """A setting of how texts are written, such as ``eos_token_id``; None where the folder names none."""
    for file in ("generation_config.json", "config.json"):
        if (folder / file).is_file():
            try:
                found = json.loads((folder / file).read_text(encoding="utf-8")).get(name)
            except (ValueError, AttributeError, OSError) as error:
                raise BadInput(f"{folder / file} can't be read: {error!r} is the trouble.") from None
            if found is not None:
                return found
    return None
