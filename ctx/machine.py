"""How fast this machine is, as measured here once, and how long texts are. No torch."""

from __future__ import annotations

import platform
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from ctx import data, kept
from ctx.config import ContextChoice
from ctx.manifest import cores
from ctx.parts import Backbone

SPEEDS, TOKENS = "speeds", "lengths"  # folders
SPEEDS_VERSION = 2  # raised by hand when layers learn at another speed
FORWARDS = "forwards"  # the name of that ratio, beside the numbers of threads
USUAL_RATE, USUAL_TOKENS = 8e10, 30.0  # until they are measured: operations a second of a thread, and tokens of a text


def speeds() -> dict[int, float]:
    """Operations a second of a layer that learns, by threads; empty where that was never measured."""
    place = kept.place(SPEEDS, _name(cores()), "json")
    if place not in _speeds:
        found = kept.document(SPEEDS, place.stem) or {}
        with suppress(TypeError, ValueError):  # damaged: measured again
            _forwards[place] = float(found.pop(FORWARDS, 1.0)) or 1.0
            read = {int(threads): float(speed) for threads, speed in found.items() if float(speed) > 0}
            if read:
                _speeds[place] = read
    return dict(_speeds.get(place, {}))


def keep_speeds(found: dict[int, float], forwards: float = 1.0) -> None:
    """Remember what was measured; ``forwards``: the speed of layers that only answer, to that of those that learn."""
    place = kept.place(SPEEDS, _name(cores()), "json")
    speeds = {str(threads): speed for threads, speed in found.items()}
    kept.keep_document(SPEEDS, place.stem, {FORWARDS: forwards} | speeds)
    _speeds[place], _forwards[place] = found, forwards


def fastest() -> int:
    """How many threads a run has that trains by itself: so many as were fastest, or one a core."""
    found = speeds()
    return max(found, key=found.__getitem__) if found else cores()


def rate(threads: int) -> float:
    """Operations a second with so many threads."""
    return speeds().get(threads, USUAL_RATE)


def forwards() -> float:
    """How many times as fast layers are that only answer as those that learn, operation for operation; 1 if unknown."""
    speeds()
    return _forwards.get(kept.place(SPEEDS, _name(cores()), "json"), 1.0)


@cache
def _name(threads: int) -> str:
    return kept.named(platform.node(), platform.processor(), threads, version("torch"), SPEEDS_VERSION)


def tokens(backbone: Backbone, choice: ContextChoice) -> float:
    """The mean number of tokens in a text of a context; a usual one where the backbone has not read it yet."""
    name = _texts(backbone, choice)
    place = kept.place(TOKENS, name, "json")
    if place not in _means:
        found = (kept.document(TOKENS, name) or {}).get("mean")
        if not isinstance(found, float) or found <= 0:
            return USUAL_TOKENS
        _means[place] = found
    return _means[place]


def keep_tokens(backbone: Backbone, choice: ContextChoice, mean: float) -> None:
    """Remember it."""
    if tokens(backbone, choice) != mean:
        name = _texts(backbone, choice)
        kept.keep_document(TOKENS, name, {"mean": mean})
        _means[kept.place(TOKENS, name, "json")] = mean


_speeds: dict[Path, dict[int, float]] = {}  # what this process has read, by where it lies
_forwards: dict[Path, float] = {}
_means: dict[Path, float] = {}


def _texts(backbone: Backbone, choice: ContextChoice) -> str:
    return kept.named(backbone.canonical().model_dump_json(), data.digest(choice))
