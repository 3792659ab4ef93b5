"""What penalties share that hold a model near where a phase began: those weights, the contexts left behind.

As light as `ctx.parts`: their part files import it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

from ctx import parts

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ctx.model import Model


class Start:
    """The weights as a phase began, by parameter name.

    ``handed``: whether weights were handed over; ``given`` are those, not copied; ``own`` are copies of others, each
    made before it has moved.
    """

    def __init__(self, begin: parts.Begin) -> None:
        self.handed = begin.source is not None and not begin.phase.fresh
        self.given: dict[str, Tensor] = dict(begin.source or {}) if self.handed else {}
        self.own: dict[str, Tensor] = {}

    def of(self, learning: Mapping[str, nn.Parameter]) -> list[Tensor]:
        """What these held; called in every update, so that one that begins to learn is copied before it moves."""
        for name, p in learning.items():
            if name not in self.given and name not in self.own:
                self.own[name] = p.detach().clone()
        return [self.given[name] if name in self.given else self.own[name] for name in learning]

    @contextmanager
    def back(
        self, model: Model, gradients: bool = False, more: Mapping[str, Tensor] = MappingProxyType({})
    ) -> Iterator[None]:
        """The model as it was, for evaluation, by default without gradients; afterwards as it is.

        ``more``: weights that are kept elsewhere.
        """
        import torch

        parameters, modes = dict(model.named_parameters()), [(one, one.training) for one in model.modules()]
        then = {**self.own, **self.given, **more}
        now = {name: parameters[name].data for name in then}
        model.eval()
        try:
            for name, value in then.items():
                parameters[name].data = value  # no copy, and the graph of the update under way sees none of it
            with torch.set_grad_enabled(gradients):
                yield
        finally:
            for name, value in now.items():
                parameters[name].data = value
            for one, mode in modes:
                one.training = mode


class Guarding(parts.Penalty):
    """Guards what contexts taught that are not trained on any more."""

    acts = "left"
    looks_back = True
    start: Start
    left: Sequence[str] = ()  # the contexts left behind

    @classmethod
    def unfit(cls, facts: parts.Facts) -> str:
        """Something must have been learnt before, and must be able to get lost."""
        if facts.handed and not facts.left:
            return (
                f"The penalty {cls.name} guards what was learnt from contexts left behind, and the schedule "
                f"{facts.schedule} goes on training on all of them: choose the schedule “One after the other "
                "(sequential)”."
            )
        if not facts.left:
            return (
                f"The penalty {cls.name} guards what was learnt from contexts left behind, and with the schedule "
                f"{facts.schedule} no weights are handed over from any: choose the schedule “One after the other "
                "(sequential)”, and let it copy the weights."
            )
        if not facts.learns and not facts.one_head:
            return (
                f"The penalty {cls.name} guards what contexts share, and with the tuning {facts.tuning} and labels of "
                "its own each has only a head: choose the tuning “Nothing frozen (full)”."
            )
        return ""

    def begin(self, begin: parts.Begin) -> None:
        """Note what there is to guard."""
        self.start = Start(begin)
        self.left = [key for key in begin.before if key not in begin.phase.weights] if self.start.handed else ()

    def handed(self) -> Mapping[str, Tensor]:
        """What was handed over."""
        return self.start.given
