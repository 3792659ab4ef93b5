"""What a run minimises beside its tasks' losses: the parts that add terms, and the one that makes a step of them all.

Part files import these from `ctx.parts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal

from ctx.knobs import Part

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ctx.answers import Answers
    from ctx.batches import Batch
    from ctx.model import Model
    from ctx.plan import Phase


@dataclass(frozen=True)
class Facts:
    """What a run is like, for parts that mean something only in some.

    ``schedule``, ``tuning``: their names; ``together``: whether an update minimises two contexts' losses; ``beside``:
    whether one sees the target and another, with a weight or without; ``varies``: whether a weight changes by a
    schedule of its own; ``handed``: whether weights learnt from one context go on to another; ``left``: whether a
    context is then trained on no more; ``learns``: whether anything of the backbone does; ``shares``: whether contexts
    have some of that in common; ``fewest``: the examples of a context in an update, at most; ``one_head``: whether all
    contexts have the same labels; ``numbers``: whether answers are numbers; ``epochs``: of a phase; ``backbone``: its
    name; ``knows``: whether any weight that learns, of it or of its decoder, was pretrained.
    """

    schedule: str
    tuning: str
    together: bool
    beside: bool
    varies: bool
    handed: bool
    left: bool
    learns: bool
    shares: bool
    fewest: int
    one_head: bool
    numbers: bool
    epochs: int
    backbone: str
    knows: bool


@dataclass(frozen=True)
class Begin:
    """What a part sees as a phase begins.

    ``source``: the weights handed over, by parameter, None in the first phase; ``before``: the keys of the contexts
    that earlier phases trained on; ``heads``: each context's; ``losses(key, most)``: the loss of each of at most so
    many examples of a context, one by one, spread over those it learns from, without dropout, to be differentiated
    before the next is asked for; ``answers``: what heads say of texts with the weights that are there when one first
    comes up, which is computed once; ``task``: its name.
    """

    model: Model
    phase: Phase
    source: Mapping[str, Tensor] | None
    before: Sequence[str]
    heads: Mapping[str, nn.Module]
    losses: Callable[[str, int], Iterator[Tensor]]
    answers: Answers
    task: str


@dataclass(frozen=True)
class Step:
    """What a penalty sees of an update: the batch, the head's input and what the head gave, of every active context.

    ``progress`` of the phase, from 0 to 1; ``further()``: a batch of any of the target's training texts, and what its
    head would read of them, which takes a pass the first time; ``told``: of heads that write what their losses were
    computed from, nothing of others; ``after``: the losses' gradients are there, and `ctx.pull.pull` adds its own to
    them at once.
    """

    model: Model
    progress: float
    batches: Mapping[str, Batch]
    hidden: Mapping[str, Tensor]
    out: Mapping[str, Tensor]
    further: Callable[[], tuple[Batch, Tensor]]
    told: Mapping[str, tuple[Tensor, ...]] = field(default_factory=dict)
    after: bool = False


class Stateful(Part):
    """A part that learns: its own parameters, and a state that checkpoints carry."""

    @classmethod
    def unfit(cls, facts: Facts) -> str:
        """Why it means nothing in a run, in a sentence that says what to do instead; "" where it does. No torch."""
        return ""

    def begin(self, begin: Begin) -> None:
        """A phase begins, or a run goes on in the middle of one: then `load` comes next."""

    def parameters(self) -> Iterable[nn.Parameter]:
        """Parameters trained beside the model's."""
        return ()

    def told(self) -> dict[str, float]:
        """Further curves: what the last update had to say, by name."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """What a resumed run needs."""
        return {}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""


class Penalty(Stateful):
    """An extra loss term with its own weight.

    ``samples``: it takes batches for random samples of their contexts, so that they mix texts of all lengths; ``adds``:
    what the formula of a run shows, by the knob that weighs it, ``{:g}`` where its value stands; ``acts``: in every
    phase, only in those with source and target, or only in those that go on from contexts left behind; ``looks_back``:
    it reads the weights handed over, which are not kept otherwise; ``pulls``: it is of the weights alone, and is asked
    when the losses' gradients are there; ``said``: its curves (`told`) in words.
    """

    kind = "penalties"
    samples: ClassVar[bool] = False
    adds: ClassVar[Mapping[str, str]] = MappingProxyType({})
    acts: ClassVar[Literal["always", "beside", "left"]] = "always"
    looks_back: ClassVar[bool] = False
    pulls: ClassVar[bool] = False
    said: ClassVar[Mapping[str, str]] = MappingProxyType({})

    @property
    def unread(self) -> bool:
        """Whether it reads further texts of the target, without labels."""
        return False

    def idle(self, facts: Facts) -> dict[str, str]:
        """Knobs that mean nothing in a run, each with why."""
        return {}

    def weighs(self) -> bool:
        """Whether it has a weight."""
        return bool(getattr(self.knobs, "weight", 1.0))

    def handed(self) -> Mapping[str, Tensor]:
        """The weights handed over that it still reads, by parameter; nobody else keeps them."""
        return {}

    def terms(self, step: Step) -> dict[str, Tensor]:
        """Named scalars, weighted, added to the total."""
        raise NotImplementedError


class Balancer(Stateful):
    """What turns the contexts' losses into one step. ``plain``: it adds them up with the weights as they are set.

    ``makes``: what a formula shows for the loss ``{}`` of a context among several, its weight included; ``{n}``: its
    number, as an index. ``undoes``: in time it undoes λ.
    ``compares``: it means something only where an update sees several contexts; ``differentiates``: only where layers
    that they share learn. ``used``: the weights of the last update, told as curves, where they aren't those set;
    ``beside``: what it minimised then beside the weighed losses.
    """

    kind = "balancers"
    plain: ClassVar[bool] = False
    makes: ClassVar[str] = "{}"
    undoes: ClassVar[bool] = False
    compares: ClassVar[bool] = False
    differentiates: ClassVar[bool] = False
    used: Mapping[str, float] = MappingProxyType({})
    beside: float = 0.0

    @classmethod
    def unfit(cls, facts: Facts) -> str:
        """It compares contexts that no update sees together, or gradients on layers of which none learns."""
        if cls.compares and not facts.together:
            return (
                f"The balancer {cls.name} weighs contexts against each other, and with the schedule {facts.schedule} "
                "each update sees one alone: choose the schedule “Both at once (joint)” with λ above 0, or the "
                "balancer fixed."
            )
        if cls.undoes and facts.varies:
            return (
                f"The balancer {cls.name} sets the weight of each loss itself, whatever λ is, and the schedule "
                f"{facts.schedule} changes λ as it goes: choose the shape constant, or the balancer fixed."
            )
        if cls.differentiates and not facts.shares:
            return (
                f"The balancer {cls.name} compares gradients on the layers that contexts share, and with the tuning "
                f"{facts.tuning} none of them learns: choose the tuning “Nothing frozen (full)”, or the balancer fixed."
            )
        return ""

    def told(self) -> dict[str, float]:
        """The weight of each context in the last update."""
        return dict(self.used)

    def epoch(self) -> None:
        """An epoch is over."""

    def backward(
        self, losses: Mapping[str, Tensor], weights: Mapping[str, float], shared: Sequence[nn.Parameter]
    ) -> dict[str, float]:
        """Add to the gradients; return the weight used for each context. ``shared``: the backbone's trainable ones."""
        raise NotImplementedError
