"""Heads that train together: the updates of each alone, the same to the bit in any company, stopped and taken up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical
from ctx.heads import Group
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.setup import Setup
from ctx.state import Event, State
from ctx.together import kind_of
from ctx.train import train

Points = list[tuple[int, str, dict[str, float]]]


def run(schedule: str = "joint", seed: int = 0, size: int | None = 20, lam: float = 0.3, **optim: Any) -> RunConfig:
    knobs = {"lam": lam} if schedule == "joint" else {}
    return RunConfig(
        sources=(SourceChoice(id="sentiment/sample-cafes-en", size=70),),
        target=ContextChoice(id="sentiment/sample-gadgets-en", size=size),
        backbone=Choice(name="tiny"),
        schedule=Choice(name=schedule, knobs=knobs),
        optim=Optim(**({"epochs": 3, "min_updates": 7, "batch": 10} | optim)),
        seed=seed,
    )


UNLIKE = [
    run(),
    run(seed=1, lam=3.0),
    run("target-only", size=None),
    run("source-only", epochs=2),
    run("sequential", head_lr=0.1),
    run(weight_decay=1.0, warmup=0.0, clip=0.05),
    run(class_balanced=True, size=110),
    run("target-only", seed=2, epochs=5),
]


@dataclass
class Told:
    """What a run said: its points, how it ended, its state at each."""

    points: Points = field(default_factory=list)
    end: Event | None = None
    states: dict[tuple[int, str], State] = field(default_factory=dict)

    def take(self, event: Event, keep: Sequence[int] = ()) -> None:
        if event.kind == "end":
            self.end = event
        else:
            self.points.append((event.step, event.kind, dict(event.values)))
        if event.step in keep or event.kind == "end":
            self.states[event.step, event.kind] = event.snapshot()

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        assert self.end is not None
        return self.states[self.end.step, "end"].part("model")


def together(configs: Sequence[RunConfig], states: Sequence[State | None] = (), keep: Sequence[int] = ()) -> list[Told]:
    told = [Told() for _ in configs]
    for events in Group([Setup(canonical(config)) for config in configs], Memo()).run(states):
        for place, event in events:
            told[place].take(event, keep)
    return told


def alone(config: RunConfig, features: Memo | None = None, resume: State | None = None) -> Told:
    told = Told()
    for event in train(config, resume, features=features or Memo()):
        told.take(event)
    return told


def same(one: State, other: State) -> bool:
    return (
        one.meta == other.meta
        and one.tensors.keys() == other.tensors.keys()
        and all(torch.equal(value, other.tensors[name]) for name, value in one.tensors.items())
    )


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """max|Δ| / max|w| over all parameters."""
    assert one.keys() == other.keys()
    far, most = (
        max(t.abs().max().item() for t in found) for found in ([one[n] - other[n] for n in one], other.values())
    )
    return far / most


@pytest.fixture(scope="module")
def group() -> list[Told]:
    return together(UNLIKE, keep=range(1000))


@pytest.mark.parametrize("place", range(len(UNLIKE)))
def test_a_run_of_a_group_makes_the_updates_that_it_makes_alone(place: int, group: list[Told]) -> None:
    expected, found = alone(UNLIKE[place]), group[place]
    assert [(step, kind, list(values)) for step, kind, values in found.points] == [
        (step, kind, list(values)) for step, kind, values in expected.points
    ]
    for (_, _, values), (_, _, wanted) in zip(found.points, expected.points, strict=True):
        assert values == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    assert apart(found.weights, expected.weights) <= 1e-6
    assert found.end is not None
    assert expected.end is not None
    assert found.end.steps == expected.end.steps
    for name in ("updates", "seen", "kept_step", "parameters", "labels_used", "floor"):
        assert (found.end.final or {})[name] == (expected.end.final or {})[name]


@pytest.mark.parametrize("places", [[0], [5], [7, 3, 5], [1, 0, 2, 6]])
def test_a_runs_numbers_are_the_same_to_the_bit_in_any_company(places: list[int], group: list[Told]) -> None:
    for told, place in zip(together([UNLIKE[n] for n in places], keep=range(1000)), places, strict=True):
        assert told.points == group[place].points
        assert all(same(state, group[place].states[at]) for at, state in told.states.items())
        assert (told.end.final if told.end else None) == (group[place].end.final if group[place].end else {})


@pytest.mark.parametrize("step", [0, 3, 7, 20])
def test_a_run_goes_on_from_its_state_as_if_it_had_not_stopped(step: int, group: list[Told]) -> None:
    kind = "start" if step == 0 else "epoch" if step % 7 == 0 else "step"
    states = [told.states.get((step, kind)) for told in group]
    told = together(UNLIKE, states)
    for found, expected, state in zip(told, group, states, strict=True):
        assert same(found.states[expected.end.step, "end"], expected.states[expected.end.step, "end"])  # type: ignore[union-attr]
        if state:
            assert found.points == [point for point in expected.points if point[0] > step]


def test_a_state_of_a_run_alone_goes_on_in_a_group_and_the_other_way_round(group: list[Told]) -> None:
    halves = [next(e.snapshot() for e in train(UNLIKE[4], features=Memo()) if e.step == 9), group[4].states[9, "step"]]
    ends = [together([UNLIKE[4]], [halves[0]])[0].weights, alone(UNLIKE[4], resume=halves[1]).weights]
    assert all(apart(end, group[4].weights) <= 1e-6 for end in ends)


def test_runs_that_leave_change_nothing_for_the_others(group: list[Told]) -> None:
    told = [Told() for _ in UNLIKE]
    one = Group([Setup(canonical(config)) for config in UNLIKE], Memo())
    for number, events in enumerate(one.run()):
        for place, event in events:
            told[place].take(event)
        if number == 5:
            one.leave(0)
            one.leave(4)
    assert [bool(one.end) for one in told] == [place not in (0, 4) for place in range(len(UNLIKE))]
    assert all(found.points == expected.points for found, expected in zip(told, group, strict=True) if found.end)


def test_features_that_were_kept_or_not_give_the_same_bits(group: list[Told]) -> None:
    features = Memo()
    for _ in range(2):
        told = [Told() for _ in UNLIKE]
        for events in Group([Setup(canonical(config)) for config in UNLIKE], features).run():
            for place, event in events:
                told[place].take(event)
        assert [one.points for one in told] == [one.points for one in group]
    assert features.computed > 0


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"schedule": Choice(name="sequential")}, True),
        ({"seed": 5, "keep": "last"}, True),
        ({"tuning": Choice(name="freeze", knobs={"layers": 1})}, False),
        ({"augment": (Choice(name="eda"),)}, False),
        ({"tuning": Choice(name="full")}, False),
    ],
)
def test_only_runs_of_linear_heads_train_together(change: dict[str, Any], fits: bool) -> None:
    kind = kind_of(run().model_copy(update=change))
    assert bool(kind) == fits
    if fits:
        assert kind == kind_of(run())


def test_another_batch_or_backbone_is_another_kind_and_names_are_none() -> None:
    other = run().model_copy(update={"backbone": Choice(name="minilm")})
    assert len({kind_of(run()), kind_of(run(batch=11)), kind_of(other)}) == 3
    names = RunConfig(target=ContextChoice(id="ner/sample-office-en"), schedule=Choice(name="target-only"))
    assert kind_of(names.model_copy(update={"backbone": Choice(name="tiny")})) == ""


def test_only_rows_that_some_run_looks_at_are_encoded() -> None:
    features, config = Memo(), run("source-only", size=None)
    setup = Setup(canonical(config))
    for _ in Group([setup], features).run():
        pass
    source, target = setup.rows["source"], setup.rows["target"]
    assert len(target.learn) > 100
    assert features.computed == sum(
        map(len, (source.learn, source.select, source.validation, source.test, target.validation, target.test))
    )
