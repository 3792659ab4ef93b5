"""The tokenizers of encoder-decoders: tokenizer.json, or what transformers makes of a family's own files."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctx import encoder
from ctx.errors import BadInput
from ctx.seq2seq_files import setting, tokenizer_files

if TYPE_CHECKING:
    import numpy as np


def end_of(folder: Path) -> int:
    """The id that ends a text; raises BadInput where the folder names none."""
    found = setting(folder, "eos_token_id")
    if isinstance(found, list) and found:
        found = found[0]
    if not isinstance(found, int):
        raise BadInput(f"{folder / 'config.json'} names no eos_token_id, the piece that ends a text: add it.")
    return found


def encode(folder: Path, texts: Sequence[str], longest: int, language: str = "") -> list[np.ndarray]:
    """The ids ``[T]`` of texts to be read, T at most ``longest``, special tokens included.

    ``language``: the code of their language, in place of the tokenizer's own.
    """
    plain = _plain(folder)
    found = (
        encoder.tokenize(folder, texts, longest)
        if plain
        else _arrays(_tool(folder)(list(texts), truncation=True, max_length=longest)["input_ids"])
    )
    return _spoken(folder, found, language) if language else found


def _spoken(folder: Path, rows: list[np.ndarray], language: str) -> list[np.ndarray]:
    """Rows of ids with another language in the place where the tokenizer puts its own; raises BadInput."""
    (frame,) = encode(folder, [""], 16)
    usual = {setting(folder, f"{name}_token_id") for name in ("bos", "eos", "pad", "unk")}
    places = [place - len(frame) if place else 0 for place, id in enumerate(frame.tolist()) if id not in usual]
    if not places:
        raise BadInput(f"The tokenizer in {folder} marks no language on what is read: leave “reads” out.")
    code = language_id(folder, language)
    for row in rows:
        row[places[0]] = code
    return rows


def target_ids(folder: Path, texts: Sequence[str], longest: int) -> list[np.ndarray]:
    """The ids ``[T]`` of texts to be written, T at most ``longest``: no special tokens but the end."""
    end = end_of(folder)
    if _plain(folder):
        return encoder.target_ids(folder, texts, longest, end)
    found = _tool(folder)(text_target=list(texts), add_special_tokens=False)["input_ids"]
    return _arrays([[*row[: longest - 1], end] for row in found])


def decode(folder: Path, ids: Sequence[np.ndarray]) -> list[str]:
    """The texts of such ids, special tokens left out."""
    if _plain(folder):
        return encoder.decode(folder, ids)
    tool = _tool(folder)
    return [str(tool.decode(row.tolist(), skip_special_tokens=True)) for row in ids]


def language_id(folder: Path, code: str) -> int:
    """The id of a language's code (es_XX, spa_Latn, es); raises BadInput where the tokenizer has none."""
    plain = _plain(folder)
    tool = encoder.tokenizer(folder) if plain else _tool(folder)
    for name in (code, f"__{code}__"):
        id = tool.token_to_id(name) if plain else tool.convert_tokens_to_ids(name)
        if id is not None and (plain or id != tool.unk_token_id):
            return int(id)
    raise BadInput(f"The tokenizer in {folder} knows no language “{code}”: name its code as the model writes it.")


def _plain(folder: Path) -> bool:
    return tokenizer_files(folder) == ("tokenizer.json",)


@lru_cache(maxsize=2)
def _tool(folder: Path) -> Any:
    names = tokenizer_files(folder)
    spm = [name for name in names if name.endswith((".spm", ".model"))]
    if spm and importlib.util.find_spec("sentencepiece") is None:
        raise BadInput(
            f"{folder} has no tokenizer.json, and reading its {spm[0]} needs one more package: "
            "`pip install sentencepiece`."
        )
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the many ways in which a tokenizer's files can be broken
        said = " ".join(str(error).split())[:160]
        raise BadInput(f"The tokenizer in {folder} can't be read ({said}): save it again.") from None


def _arrays(rows: Sequence[Sequence[int]]) -> list[np.ndarray]:
    import numpy as np

    return [np.asarray(row, np.int64) for row in rows]
