"""Model folders of the user's own: checked before anything in them is loaded. No torch."""

from __future__ import annotations

import hashlib
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from ctx.errors import BadInput

# Families whose model is `.embeddings` and `.encoder.layer`, a list of layers called as layer(hidden, mask).
FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert")
FILES = ("config.json", "model.safetensors", "tokenizer.json")


def configuration(folder: Path) -> dict[str, Any]:
    """The ``config.json`` of a model folder, checked; raises BadInput with what is wrong."""
    for name in FILES:
        if not (folder / name).is_file():
            raise BadInput(f"{folder} has no {name}: name a folder that holds a Hugging Face encoder in safetensors.")
    try:
        found = dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))
        family, layers, width = found["model_type"], int(found["num_hidden_layers"]), int(found["hidden_size"])
        sizes = [int(found[name]) for name in ("intermediate_size", "vocab_size", "max_position_embeddings")]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise BadInput(
            f"{folder / 'config.json'} is not an encoder's configuration: {error!r} is the trouble."
        ) from None
    if family not in FAMILIES:
        raise BadInput(f"{folder} holds a model of the family “{family}”; these can be used: {', '.join(FAMILIES)}.")
    if found.get("auto_map"):
        raise BadInput(f"{folder} wants code of its own to be run, which is refused: use a plain encoder.")
    if not (0 < layers <= 48 and 0 < width <= 4096 and min(sizes) > 0 and max(sizes) <= 2_000_000):
        raise BadInput(f"{folder / 'config.json'} gives sizes that no encoder has: {layers} layers of width {width}.")
    return found


def digest(folder: Path) -> str:
    """SHA-256 over the folder's files; hashed once while they don't change."""
    configuration(folder)
    stamps = tuple((folder / name).stat() for name in FILES)
    return _digest(folder, tuple((stamp.st_mtime_ns, stamp.st_size) for stamp in stamps))


@lru_cache(maxsize=8)
def _digest(folder: Path, stamps: tuple[tuple[int, int], ...]) -> str:
    total = hashlib.sha256()
    for name in FILES:
        with (folder / name).open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def allowed() -> list[Path]:
    """The folders that a web page may name: CTX_MODEL_FOLDERS, separated as PATH is; by default none."""
    named = os.environ.get("CTX_MODEL_FOLDERS", "")
    return [Path(name).expanduser().resolve() for name in named.split(os.pathsep) if name]


def check_allowed(path: str) -> None:
    """Raise BadInput unless a web page may use this folder (it, or a folder above it, is on the list)."""
    folder = Path(path).expanduser().resolve()
    if not any(folder == place or place in folder.parents for place in allowed()):
        raise BadInput(
            f"The folder {path!r} is not on this server's list: ask for it to be added to CTX_MODEL_FOLDERS, "
            "or run it on the command line."
        )
