"""choose: any set of layers learns, and the head; the others stay as they are.

What lies below the lowest that learns is run once and kept, as with `freeze`. Frozen layers above it pass gradients on
and never drop anything out: frozen, a layer is the same function of what it reads wherever it stands.
"""

from __future__ import annotations

import re
from typing import Any

from ctx import parts
from ctx.errors import BadInput

EMBEDDING, HEAD = "embedding", "head"
NUMBERS = re.compile(r"(\d{1,3})(?:\s*-\s*(\d{1,3}))?")


class Choose(parts.Tuning):
    """Only the layers that you name learn, and the head; all others stay frozen.

    Which layers hold what a new context needs is a question: min L over the weights of the chosen ones (Lee et al.,
    Surgical Fine-Tuning Improves Adaptation to Distribution Shifts, ICLR 2023).
    """

    name = "choose"
    title = "Chosen layers learn"

    class Knobs(parts.Knobs):
        """Which layers learn, how fast, which of them begin anew."""

        learn: str = parts.knob(
            "1",
            "The layers that learn, by number, 1 the lowest, and “embedding”, as in “2, 5” or “embedding, 4-6”; the "
            "head always learns.",
            flag="learn",
            max_length=200,
        )
        decay: float = parts.decay_knob()
        reinit: int = parts.reinit_knob()
        decoder: int = parts.decoder_knob()

    def check(self, layers: int) -> None:
        """There must be such layers."""
        most = max(self._blocks(), default=0)
        if most > layers:
            raise BadInput(
                f"learn names layer {most}, and this backbone has {_there(layers)}: name layers that there are."
            )

    def fitted(self, layers: int) -> dict[str, Any]:
        """Those that there are."""
        blocks = self._blocks()
        return {"learn": _written({n for n in blocks if n <= layers})} if max(blocks, default=0) > layers else {}

    def canonical(self, layers: int, epochs: int) -> parts.Choice:
        """Every layer is full, the highest without a gap are freeze, none is head; else they are named in order."""
        blocks, knobs = self._blocks(), self.knobs.model_dump(exclude={"learn"})
        if not blocks:
            return parts.Choice(name="head", knobs={"decoder": self.knobs.decoder})
        if blocks == {layers}:  # no rate is lower than its own
            knobs["decay"] = 1.0
        if blocks != set(range(min(blocks), layers + 1)):
            return parts.Choice(name=self.name, knobs=knobs | {"learn": _written(blocks)})
        lowest = min(blocks)
        freeze = parts.Choice(name="freeze", knobs=knobs | {"layers": lowest - 1})
        return freeze if lowest else parts.Choice(name="full", knobs=knobs)

    def frozen(self, layers: int) -> int:
        """What lies below the lowest that learns."""
        return min(self._blocks(), default=layers + 1)

    def learning(self, layers: int, epoch: int) -> list[bool]:
        """Those that are named."""
        blocks = self._blocks()
        return [block in blocks for block in range(layers + 1)]

    def _blocks(self) -> set[int]:
        """The blocks that are named, the embedding being 0; raises BadInput."""
        found: set[int] = set()
        for piece in filter(None, (one.strip().casefold() for one in self.knobs.learn.split(","))):
            numbers = NUMBERS.fullmatch(piece)
            if numbers:
                first, last = int(numbers[1]), int(numbers[2] or numbers[1])
                found |= set(range(first, last + 1))
            if piece == EMBEDDING:
                found.add(0)
            elif piece != HEAD and (numbers is None or first == 0 or last < first):
                raise BadInput(
                    f"learn is “{self.knobs.learn}”, and “{piece}” is no layer: write “embedding”, numbers from 1, or "
                    "from one to another, as in “embedding, 2, 4-6”."
                )
        return found


def _there(layers: int) -> str:
    return f"an embedding and layers 1 to {layers}" if layers else "an embedding and no layer above it"


def _written(blocks: set[int]) -> str:
    return ", ".join(str(block) if block else EMBEDDING for block in sorted(blocks))
