"""Knobs: the settings that a part declares, and a part chosen by name with its knobs."""

from __future__ import annotations

from typing import Any

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


class Choice(BaseModel):
    """A part by name with its knobs, kept as plain data: ``{"name": "joint", "knobs": {"lam": 0.1}}``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    knobs: dict[str, Any] = Field(default_factory=dict)
