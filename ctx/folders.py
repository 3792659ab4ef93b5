"""Model folders of the user's own: checked before anything in them is loaded. No torch.

A folder may also be named as a model of the Hugging Face hub, ``owner/name``: see `ctx.hub`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ctx.errors import BadInput

# Families whose model is `.embeddings` and `.encoder.layer`, a list of layers called as layer(hidden, mask).
FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert")
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
FILES = ("config.json", WEIGHTS, "tokenizer.json")


def read(folder: Path, families: Sequence[str], what: str) -> dict[str, Any]:
    """The ``config.json`` of a folder that holds ``what``, of one of the families; raises BadInput."""
    if not (folder / "config.json").is_file():
        raise BadInput(f"{folder} has no config.json: name a folder that holds {what} in safetensors.")
    weights(folder, what)
    try:
        found = dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))
        family = str(found["model_type"])
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise BadInput(f"{folder / 'config.json'} is not {what}'s configuration: {error!r} is the trouble.") from None
    if family not in families:
        raise BadInput(f"{folder} holds a model of the family “{family}”; these can be used: {', '.join(families)}.")
    if found.get("auto_map"):
        raise BadInput(f"{folder} wants code of its own to be run, which is refused: use a plain model.")
    return found


def weights(folder: Path, what: str) -> list[str]:
    """The names of the files that hold the weights: one, or the shards that an index lists; raises BadInput."""
    if (folder / WEIGHTS).is_file():
        return [WEIGHTS]
    if not (folder / INDEX).is_file():
        raise BadInput(f"{folder} has no {WEIGHTS}: name a folder that holds {what} in safetensors.")
    try:
        shards = sorted({str(name) for name in json.loads((folder / INDEX).read_text("utf-8"))["weight_map"].values()})
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise BadInput(f"{folder / INDEX} is no list of weights: {error!r} is the trouble.") from None
    for name in shards:
        if Path(name).name != name or not name.endswith(".safetensors") or not (folder / name).is_file():
            raise BadInput(f"{folder / INDEX} names {name!r}, which is no safetensors file beside it.")
    return [INDEX, *shards]


def configuration(folder: Path) -> dict[str, Any]:
    """The ``config.json`` of an encoder's folder, checked; raises BadInput with what is wrong."""
    what = "an encoder"
    found = read(folder, FAMILIES, what)
    if not (folder / "tokenizer.json").is_file():
        raise BadInput(f"{folder} has no tokenizer.json: name a folder that holds a Hugging Face encoder.")
    layers, width, *sizes = whole(
        folder,
        found,
        what,
        "num_hidden_layers hidden_size intermediate_size vocab_size max_position_embeddings",
    )
    if not (0 < layers <= 48 and 0 < width <= 4096 and min(sizes) > 0 and max(sizes) <= 2_000_000):
        raise BadInput(f"{folder / 'config.json'} gives sizes that no encoder has: {layers} layers of width {width}.")
    return found


def whole(folder: Path, found: dict[str, Any], what: str, names: str) -> list[int]:
    """The whole numbers of these names in a configuration; raises BadInput."""
    try:
        return [int(found[name]) for name in names.split()]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder / 'config.json'} is not {what}'s configuration: {error!r} is the trouble.") from None


def digest(folder: Path, files: Sequence[str] = ()) -> str:
    """SHA-256 over a folder's files (an encoder's by default); hashed once while they don't change."""
    if not files:
        configuration(folder)
        files = ("config.json", *weights(folder, "an encoder"), "tokenizer.json")
    stamps = tuple((folder / name).stat() for name in files)
    return _digest(folder, tuple(files), tuple((stamp.st_mtime_ns, stamp.st_size) for stamp in stamps))


@lru_cache(maxsize=8)
def _digest(folder: Path, files: tuple[str, ...], stamps: tuple[tuple[int, int], ...]) -> str:
    total = hashlib.sha256()
    for name in files:
        with (folder / name).open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def allowed() -> list[Path]:
    """The folders that a web page may name: CTX_MODEL_FOLDERS, separated as PATH is; by default none."""
    named = os.environ.get("CTX_MODEL_FOLDERS", "")
    return [Path(name).expanduser().resolve() for name in named.split(os.pathsep) if name]


def offered(families: Sequence[str]) -> list[Path]:
    """The allowed folders, and those right inside them, that hold a model of one of these families."""
    places = [place for place in allowed() if place.is_dir()]
    inside = [folder for place in places for folder in sorted(place.iterdir())]
    return [folder for folder in (*places, *inside) if _family(folder) in families]


def _family(folder: Path) -> str:
    try:
        return str(json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"])
    except (ValueError, KeyError, TypeError, OSError):
        return ""


def check_allowed(path: str) -> None:
    """Raise BadInput unless a web page may use this folder (it, or a folder above it, is on the list)."""
    folder = Path(path).expanduser().resolve()
    if not any(folder == place or place in folder.parents for place in allowed()):
        raise BadInput(
            f"The folder {path!r} is not on this server's list: ask for it to be added to CTX_MODEL_FOLDERS, "
            "or run it on the command line."
        )
