"""Linear heads that train together: one batched product and one AdamW for all runs of a kind (`ctx.together`).

Each run keeps its own phases, batches, λ, rates, selection and results, and makes the updates that it makes alone in
`ctx.train`; only the order of its sums differs (max|Δ| / max|w| below 1e-6). A run's numbers are the same to the bit
whichever others it trains with: all batches have one shape, which fills whole registers, and the slices of a
product don't depend on each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ctx.errors import RunFailed
from ctx.gathered import Features, Feed, Looks
from ctx.optim import Optimiser, adamw
from ctx.plan import Phase
from ctx.prefix import Memo, memo
from ctx.setup import Setup, deterministic
from ctx.state import Event, State
from ctx.train import Trainer

REGISTER = 16  # numbers of a vector register: the exponential of one that stands beyond the last whole one may differ


class Group:
    """Runs of one kind in step, each known by its place.

    Their heads are slices of ``weight [R, C, W]`` and ``bias [R, C]``; ``adam``: one for all, with a group of
    parameters for each (rate, decay) that some runs share.
    """

    def __init__(self, setups: Sequence[Setup], features: Memo = memo) -> None:
        deterministic()
        self.members = [Member(setup, features) for setup in setups]
        shape = self.members[0].linear.weight.shape
        self.weight, self.bias = torch.zeros(len(setups), *shape), torch.zeros(len(setups), shape[0])
        self.adam = adamw([{"params": [*self.members[0].linear.parameters()]}])
        self.together: dict[tuple[float, float, float], list[int]] = {}
        self.live = list(range(len(setups)))
        for place, member in enumerate(self.members):
            member.slot = Slot(self, member)
            member.adopt(self.weight[place], self.bias[place])

    def leave(self, place: int) -> None:
        """A run goes no further."""
        self.live.remove(place)

    def run(self, resume: Sequence[State | None] = ()) -> Iterator[list[tuple[int, Event | RunFailed]]]:
        """The events of each step, with the places of their runs; ``resume``: where some go on from.

        A run that diverges ends with what it raises alone; the others go on.
        """
        states = list(resume) or [None] * len(self.members)
        for member, state in zip(self.members, states, strict=True):
            member.take_up(state)
        self.features = Features(self.members, self.weight.shape[1])
        for _ in self.features.read():
            yield []  # so that somebody can leave
        for member in self.members:
            member.read(self.features)
        yield [(place, event) for place in list(self.live) for event in self._began(place, states[place])]
        while self.live:
            told: list[tuple[int, Event | RunFailed]] = []
            for place, values in self._update(self.live).items():
                try:
                    told += [(place, event) for event in self.members[place].stepped(values)]
                except RunFailed as error:
                    told.append((place, error))
            ended = {place for place, one in told if isinstance(one, RunFailed) or self.members[place].over}
            self.live = [place for place in self.live if place not in ended]
            yield told

    def _began(self, place: int, state: State | None) -> list[Event]:
        member = self.members[place]
        if member.over:
            self.leave(place)
            return [member._end()]
        return [] if state else [member.started()]

    def _update(self, live: Sequence[int]) -> dict[int, dict[str, float]]:
        """One update of every run: what each logs."""
        pieces = [piece for place in live for piece in self.members[place].pieces(place)]
        who = torch.tensor([piece.place for piece in pieces])
        rows = torch.from_numpy(np.concatenate([piece.rows for piece in pieces]))
        shape = len(pieces), -1
        x = self.features.x.index_select(0, rows).reshape(*shape, self.weight.shape[2])  # [P, B, W]
        right = self.features.right.index_select(0, rows).reshape(*shape, self.weight.shape[1])  # [P, B, C]
        counts = torch.from_numpy(np.concatenate([piece.counts for piece in pieces])).reshape(shape)  # [P, B]
        total = counts.sum(1)
        share = torch.tensor([piece.lam for piece in pieces]) / total
        logits = torch.baddbmm(self.bias[who][:, None], x, self.weight[who].transpose(1, 2)).requires_grad_()
        said = logits.log_softmax(-1)
        losses = -(counts * (said.detach() * right).sum(-1)).sum(1) / total
        (slopes,) = torch.autograd.grad(said, logits, -right * (counts * share[:, None])[..., None])
        weight = torch.zeros_like(self.weight).index_add_(0, who, slopes.transpose(1, 2) @ x)
        bias = torch.zeros_like(self.bias).index_add_(0, who, slopes.sum(1))
        found: dict[int, dict[str, float]] = {place: {} for place in live}
        for piece, loss in zip(pieces, losses.tolist(), strict=True):
            found[piece.place][f"loss/{piece.key}"] = loss
        for piece in pieces:
            values = found[piece.place]
            values[f"weighted/{piece.key}"] = weighted = piece.lam * values[f"loss/{piece.key}"]
            values["total"] = values.pop("total", 0.0) + weighted
            if piece.key in self.members[piece.place].varying:
                values[f"lambda/{piece.key}"] = piece.lam
        norms = self._step(live, weight, bias).tolist()
        for place in live:
            found[place]["grad_norm"] = norms[place]
        return found

    def _step(self, live: Sequence[int], weight: Tensor, bias: Tensor) -> Tensor:
        """Clip each run's gradient and make AdamW's step; the norms before clipping ``[R]``."""
        each = torch.stack(torch._foreach_norm([*weight, *bias]))  # as `torch.nn.utils.get_total_norm` takes them
        norms = each.double().reshape(2, -1).square().sum(0).sqrt().float()  # exact squares: no instruction matters
        most = torch.tensor([member.slot.optim.clip for member in self.members])
        scale = torch.where(norms > most, most / (norms + 1e-6), 1.0)
        weight, bias = weight * scale[:, None, None], bias * scale[:, None]
        together: dict[tuple[float, float, float], list[int]] = {}
        for place in live:
            member = self.members[place]
            member.linear.weight.grad, member.linear.bias.grad = weight[place], bias[place]
            together.setdefault(member.slot.pace, []).append(place)
        if list(together.values()) != list(self.together.values()):
            self.adam.param_groups = []
            for places in together.values():
                for name in ("weight", "bias"):
                    self.adam.add_param_group({"params": [getattr(self.members[n].linear, name) for n in places]})
        self.together = together
        groups = iter(self.adam.param_groups)
        for lr, share, decay in together:
            next(groups).update(lr=lr * share, weight_decay=decay)
            next(groups).update(lr=lr * share, weight_decay=0.0)
        self.adam.step()
        return norms


class Piece:
    """A batch of one context of one run: rows ``[B]`` of the features, what each counts in the mean, and λ."""

    __slots__ = ("counts", "key", "lam", "place", "rows")

    def __init__(self, place: int, key: str, lam: float, rows: np.ndarray, counts: np.ndarray) -> None:
        self.place, self.key, self.lam, self.rows, self.counts = place, key, lam, rows, counts


class Slot(Optimiser):
    """One run's share of the group's optimiser, in the place of one of its own."""

    def __init__(self, group: Group, member: Member) -> None:
        super().__init__(member.setup.config, member.model)
        self.group, self.member = group, member

    @property
    def pace(self) -> tuple[float, float, float]:
        """The rate, the share of it that an update has, and the decay."""
        return self.head_lr, self.rate, self.optim.weight_decay

    def arrange(self, groups: object, extra: object) -> None:
        """A phase begins: the head learns, without moments."""
        self.adam = self.group.adam
        self.names = dict(self.member.model.named_parameters())
        for p in self.member.linear.parameters():
            self.adam.state.pop(p, None)


class Member(Trainer):
    """One run of a group: all but its updates is as in a run that trains alone."""

    slot: Slot
    linear: nn.Linear  # the head's parameters

    def __init__(self, setup: Setup, features: Memo) -> None:
        super().__init__(setup, features)
        self.feeds: dict[str, Feed] = {}

    @property
    def over(self) -> bool:
        """Whether all phases are."""
        return self.at.phase == len(self.setup.phases)

    def adopt(self, weight: Tensor, bias: Tensor) -> None:
        """Let the head's parameters be these slices, with the values that they have."""
        for p, part in ((self.linear.weight, weight), (self.linear.bias, bias)):
            part.copy_(p.detach())
            p.data = part

    def _fresh_model(self) -> None:
        parts = (self.linear.weight.data, self.linear.bias.data) if hasattr(self, "slot") else None
        super()._fresh_model()
        (head,) = self.model.heads.values()
        self.linear = head.linear  # type: ignore[assignment]
        if parts:
            self.adopt(*parts)
            self.slot.group.together = {}  # other parameters

    def _fresh_optimiser(self) -> None:
        self.optimiser, self.arranged = self.slot, []

    def take_up(self, state: State | None) -> None:
        """Begin, or go on from a state."""
        torch.manual_seed(self.setup.config.seed)
        if state:
            self._load(state)
        else:
            self.begin()
        self.generator = torch.get_rng_state()

    def snapshot(self) -> State:
        """As of a run that trains alone; the others' draws from the generator are none of its business."""
        state = super().snapshot()
        state.tensors["generator"] = self.generator
        return state

    def read(self, features: Features) -> None:
        """Use these features from now on."""
        setup = self.setup
        looks = Looks(setup, self._hidden, self._head, self._training)
        looks.states = lambda key, rows: features.of(setup, key, rows)
        self.evaluator = looks
        size = -(-setup.config.optim.batch // REGISTER) * REGISTER
        for key in setup.trained_on():
            counts, place = setup.class_weights[key], features.place(setup, key)
            self.feeds[key] = Feed(setup.samplers[key], setup.rows[key], place, size, counts)

    def pieces(self, place: int) -> list[Piece]:
        """The batches of its next update."""
        phase: Phase = self.setup.phases[self.at.phase]
        done, total = self.at.epoch * phase.updates + self.at.update, phase.epochs * phase.updates
        self.slot.pass_on(done, total)
        found = []
        for key in phase.active(done):
            number = self.at.batches.get(key, 0)
            rows, counts, examples = self.feeds[key][number]
            self.at.take(key, examples, None)
            found.append(Piece(place, key, phase.weights[key](done / total), rows, counts))
        return found

    def stepped(self, values: dict[str, float]) -> list[Event]:
        """What happened with an update: that itself, perhaps the end of an epoch, perhaps of the run; or RunFailed."""
        self.total.bounded(values, self.at.step + 1)
        phase: Phase = self.setup.phases[self.at.phase]
        events = [self._updated(values)]
        if self.at.update == phase.updates:
            events.append(self._epoch_over(phase))
        return [*events, self._end()] if self.over else events
