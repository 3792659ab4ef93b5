"""A part, the knobs that it declares as its settings, and a part chosen by name with its knobs."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field


class Knobs(BaseModel):
    """The settings of a part. Fields made by `knob`; anything else is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def knob(default: Any, help: str, *, flag: str = "", log: bool = False, **bounds: Any) -> Any:
    """A knob: its default, one sentence of help, pydantic bounds (``ge``, ``le`` …).

    ``flag`` is a short command-line name (``lam`` for ``--lam``) beside the full ``--<part>.<knob>``;
    ``log`` asks forms and charts for a logarithmic scale.
    """
    return Field(default, description=help, json_schema_extra={"flag": flag, "log": log}, **bounds)


def readout_knob(**bounds: Any) -> Any:
    """The knob of a backbone whose head may read any layer; empty: the last."""
    help = "The layer whose output the head reads (0: the embedding); empty: the last."
    return knob(None, help, flag="readout", ge=0, **bounds)


def rate_knob() -> Any:
    """The knob of a tuning of which few parameters learn, which want larger steps than all do."""
    return knob(
        10.0, "Times the learning rate of the layers: few parameters want larger steps.", gt=0, le=1000, log=True
    )


def decoder_knob() -> Any:
    """The knob of a tuning that may leave the lowest parts of a head that writes as they are."""
    help = (
        "How many parts of the decoder stay frozen, lowest first, where texts are written: 0 none, 1 its embedding, "
        "2 its first layer too, and so on. An output that is tied to the embedding is frozen with it."
    )
    return knob(0, help, flag="freeze-decoder", ge=0)


def decay_knob() -> Any:
    """The knob of a tuning whose lower layers may learn slower than its higher ones."""
    help = (
        "How many times slower each layer learns than the one above it (discriminative rates, Howard & Ruder 2018, who "
        "use 2.6); 1: all alike."
    )
    return knob(1.0, help, flag="lr-decay", log=True, ge=1, le=10)


def reinit_knob() -> Any:
    """The knob of a tuning that may draw the highest layers anew before training."""
    help = (
        "How many of the highest layers forget what they were pretrained on: they begin with random weights, from the "
        "draw's seed (Zhang et al. 2021)."
    )
    return knob(0, help, flag="reinit", ge=0)


class Choice(BaseModel):
    """A part by name with its knobs, kept as plain data: ``{"name": "joint", "knobs": {"lam": 0.1}}``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    knobs: dict[str, Any] = Field(default_factory=dict)


class Part:
    """What all parts have in common. ``version`` is raised by hand when the part's results change."""

    kind: ClassVar[str]
    name: ClassVar[str]
    title: ClassVar[str] = ""
    version: ClassVar[int] = 1
    Knobs: ClassVar[type[Knobs]] = Knobs

    def __init__(self, knobs: BaseModel | None = None) -> None:
        self.knobs: Any = knobs if knobs is not None else self.Knobs()

    @classmethod
    def summary(cls) -> str:
        """The first line of the part's docstring."""
        return (cls.__doc__ or "").strip().split("\n")[0]

    @classmethod
    def explained(cls) -> str:
        """The first two paragraphs of the docstring: what it does, its formula and the paper that it comes from."""
        paragraphs = (cls.__doc__ or "").strip().split("\n\n")
        return " ".join(" ".join(paragraph.split()) for paragraph in paragraphs[:2])

    @classmethod
    def shown(cls) -> str:
        """The title, with the name behind it where the title doesn't hold it: ``Nothing frozen (full)``."""
        plain, name = (re.sub("[^a-z0-9]", "", text.casefold()) for text in (cls.title, cls.name))
        return cls.title if name in plain else f"{cls.title} ({cls.name})".strip()
