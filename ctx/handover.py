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
from ctx.model import Model
from ctx.parts import Choice, Stateful
from ctx.plan import Phase
from ctx.prefix import LAYOUT, arithmetic
from ctx.setup import Setup
from ctx.state import Position, State
from ctx.total import Total

Kind = Literal["start", "step", "epoch"]
MOST_BYTES = 200e6  # of weights that are kept
SOURCE_ALONE = Choice(name="source-only")  # stands for whatever schedule begins with the sources


@dataclass(frozen=True)
class Moment:
    """What happened at a step of the phase."""

    step: int
    kind: Kind
    values: dict[str, float]


@dataclass(frozen=True)
class Had:
    """A phase of this name that some run had: what it left, and all that happened, from the start on."""

    name: str
    weights: dict[str, Tensor]
    generator: Tensor
    at: Position
    moments: list[Moment]


class Handover:
    """The first phase of one run: kept when it ends, or taken over.

    Only a phase that neither trains on the target nor selects on it, with parts that have no state of their own.
    """

    def __init__(self, setup: Setup) -> None:
        phase = setup.phases[0]
        stateless = all(
            type(part).state is Stateful.state and type(part).parameters is Stateful.parameters
            for part in Total(setup.config).parts
        )
        alone = stateless and "target" not in (*phase.weights, phase.select_on)
        self.path = kept.place("phases", _name(setup, phase), "safetensors") if alone else None
        self.moments: list[Moment] = []

    def note(self, step: int, kind: Kind, values: Mapping[str, float]) -> None:
        """Something happened in the phase."""
        if self.path:
            self.moments.append(Moment(step, kind, {name: float(value) for name, value in values.items()}))

    def ended(self, at: Position) -> str | None:
        """The phase's name where the run has just ended it; None where it is nobody else's."""
        return self.path.stem if self.path and (at.phase, at.epoch, at.update) == (1, 0, 0) else None

    def keep(self, model: Model, at: Position, values: Mapping[str, float]) -> None:
        """The phase has ended: with these weights, there, with these values of its last epoch.

        Nothing is kept of a run that was resumed within it, nor where the disk is nearly full.
        """
        self.note(at.step, "epoch", values)
        moments, self.moments = self.moments, []
        if self.path is None or moments[0].kind != "start":
            return
        touched = set(at.touched)
        learned = {name: p.detach() for name, p in model.named_parameters() if name in touched}
        size = sum(tensor.nbytes for tensor in learned.values())
        if size > MOST_BYTES:
            return
        tensors = {f"model/{name}": tensor for name, tensor in learned.items()} | {"generator": torch.get_rng_state()}
        state = State(tensors, {"position": asdict(at), "moments": [asdict(moment) for moment in moments]})
        part = self.path.with_name(f"{self.path.name}.{uuid4().hex}.part")
        with suppress(OSError, SafetensorError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self.path.exists() and shutil.disk_usage(self.path.parent).free > kept.FREE + size:
                kept.make_room()
                state.meta["sum"] = _sum(state)
                state.write(part)
                part.replace(self.path)
        with suppress(OSError):
            part.unlink()

    def load(self) -> Had | None:
        """The phase as another run had it; None where none has, or what it left is damaged."""
        if self.path is None or not self.path.exists():
            return None
        found = State.read(self.path)
        if found is None or found.meta.get("sum") != _sum(found):
            with suppress(OSError):
                self.path.unlink()
            return None
        kept.touch(self.path)
        at, moments = Position(**found.meta["position"]), [Moment(**moment) for moment in found.meta["moments"]]
        return Had(self.path.stem, found.part("model"), found.tensors["generator"], at, moments)


def _name(setup: Setup, phase: Phase) -> str:
    """Of all that the phase follows from: not of beams, nor of how many labels the target has, which it doesn't see.

    The threads are in it, since the last bits follow from them: a fully tuned run alone on a machine has more of them
    than one beside others.
    """
    config, total = setup.config, phase.epochs * phase.updates
    target = config.target.model_copy(update={"size": None}) if config.target else None
    alike = config.model_copy(update={"target": target, "schedule": SOURCE_ALONE, "beams": 1})
    weights = [(key, [weight(n / total) for n in range(total)]) for key, weight in phase.weights.items()]
    plan = phase.name, phase.epochs, phase.updates, weights, phase.select_on, list(phase.shares.items()), phase.fresh
    return kept.named(identity(alike), setup.weights, *plan, torch.get_num_threads(), *LAYOUT, *arithmetic())


def _sum(state: State) -> str:
    """A checksum of the tensors and the plain data."""
    plain = {name: value for name, value in state.meta.items() if name != "sum"}
    content = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for name in sorted(state.tensors):
        content.update(name.encode())
        content.update(state.tensors[name].detach().contiguous().flatten().view(torch.uint8).numpy().data)
    return content.hexdigest()
