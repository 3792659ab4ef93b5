"""A source phase is trained once: runs that begin with the same one take its end over from whichever had it first.

So the source alone (zero-shot) and the source handed over to a target cost one source phase, in a study and across
sessions. What is kept is the state at the end of the phase and every point up to there, under a name of all that they
follow from; a run that takes them over has the numbers, to the bit, that it would have had.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Literal
from uuid import uuid4

import torch
from safetensors import SafetensorError
from torch import Tensor

from ctx import kept
from ctx.config import identity
from ctx.parts import Choice
from ctx.plan import Phase
from ctx.prefix import arithmetic
from ctx.setup import Setup
from ctx.state import Position, State, under

Kind = Literal["start", "step", "epoch"]
MOST_BYTES = 200e6  # of weights that are kept
SOURCE_ALONE = Choice(name="source-only")  # stands for whatever schedule begins with the sources


@dataclass(frozen=True)
class Passed:
    """What happened at a step of the phase."""

    step: int
    kind: Kind
    values: dict[str, float]


@dataclass(frozen=True)
class Had:
    """A phase that some run had: what it left, and all that happened, from the start on."""

    weights: dict[str, Tensor]
    generator: Tensor
    at: Position
    events: list[Passed]


class Handover:
    """The first phase of one run, where it trains no target: kept when it ends, or taken over."""

    def __init__(self, setup: Setup) -> None:
        learns = any(part.state() for part in (setup.balancer, *setup.penalties))  # which the state here lacks
        phase = setup.phases[0]
        self.name = "" if "target" in phase.weights or learns else _name(setup, phase)
        self.events: list[Passed] = []

    def note(self, step: int, kind: Kind, values: Mapping[str, float]) -> None:
        """Something happened in the phase."""
        if self.name:
            self.events.append(Passed(step, kind, dict(values)))

    def keep(self, weights: Mapping[str, Tensor], at: Position, values: Mapping[str, float]) -> None:
        """The phase has ended: with these weights, there, with these values of its last epoch.

        Nothing is kept of a run that was resumed within it, nor where the disk is nearly full.
        """
        self.note(at.step, "epoch", values)
        events, self.events = self.events, []
        if not events or events[0].kind != "start":
            return
        state = State(under("model", weights) | {"generator": torch.get_rng_state()}, {})
        size = sum(tensor.nbytes for tensor in state.tensors.values())
        path = kept.place("phases", self.name, "safetensors")
        part = path.with_name(f"{path.name}.{uuid4().hex}.part")
        state.meta = {"position": asdict(at), "events": [asdict(event) for event in events]}
        state.meta["sum"] = _sum(state)
        with suppress(OSError, SafetensorError):
            path.parent.mkdir(parents=True, exist_ok=True)
            if size <= MOST_BYTES and not path.exists() and shutil.disk_usage(path.parent).free > kept.FREE + size:
                kept.make_room()
                state.write(part)
                part.replace(path)
        with suppress(OSError):
            part.unlink()

    def load(self) -> Had | None:
        """The phase as another run had it; None where none has, or what it left is damaged."""
        if not self.name:
            return None
        path = kept.place("phases", self.name, "safetensors")
        found = State.read(path)
        if found is None or found.meta.get("sum") != _sum(found):
            with suppress(OSError):
                path.unlink(missing_ok=True)
            return None
        kept.touch(path)
        at, events = Position(**found.meta["position"]), [Passed(**event) for event in found.meta["events"]]
        return Had(found.part("model"), found.tensors["generator"], at, events)


def _name(setup: Setup, phase: Phase) -> str:
    """Of all that the phase follows from; how many labels a context has that it doesn't train on is nothing to it."""
    config, total = setup.config, phase.epochs * phase.updates
    target = config.target.model_copy(update={"size": None}) if config.target else None
    alike = config.model_copy(update={"target": target, "schedule": SOURCE_ALONE})
    weights = {key: [weight(n / total) for n in range(total)] for key, weight in phase.weights.items()}
    plan = phase.epochs, phase.updates, weights, phase.select_on, dict(phase.shares), phase.fresh
    return kept.named(identity(alike), setup.weights, *plan, torch.get_num_threads(), *arithmetic())


def _sum(state: State) -> str:
    """A checksum of the tensors and the plain data."""
    plain = {name: value for name, value in state.meta.items() if name != "sum"}
    content = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for name in sorted(state.tensors):
        content.update(name.encode())
        content.update(state.tensors[name].detach().contiguous().flatten().view(torch.uint8).numpy().data)
    return content.hexdigest()
