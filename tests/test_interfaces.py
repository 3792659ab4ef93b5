"""The loop takes parts it has never heard of: the stubs in tests/stubs are dropped into the registry, nothing else."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ctx import registry
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical, check
from ctx.model import Model
from ctx.parts import Choice, Tuning
from ctx.prefix import Memo
from ctx.setup import Setup
from ctx.state import Event
from ctx.train import Trainer, train

STUBS = Path(__file__).parent / "stubs"
OPTIM = Optim(epochs=3, min_updates=5, batch=16)


@pytest.fixture(autouse=True)
def _stubs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    registry.scanned.cache_clear()
    for folder in STUBS.iterdir():
        package = importlib.import_module(f"ctx.{folder.name}")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    yield
    registry.scanned.cache_clear()


def run(**changes: object) -> RunConfig:
    plain = RunConfig(
        sources=(SourceChoice(id="sentiment/sample-cafes-en", size=60),),
        target=ContextChoice(id="sentiment/sample-gadgets-en", size=20),
        backbone=Choice(name="tiny"),
        tuning=Choice(name="full"),
        optim=OPTIM,
    )
    return plain.model_copy(update=changes)


def seq2seq(**changes: object) -> RunConfig:
    echo = {"sources": (SourceChoice(id="echo/near", size=100),), "target": ContextChoice(id="echo/far", size=20)}
    return run(**echo | changes)


def resumed(config: RunConfig) -> None:
    """Stopping in the middle, later or just before the end, and resuming, gives the same rows and weights."""
    whole = list(train(config, features=Memo()))
    for events in (len(whole) // 2, 3 * len(whole) // 4, len(whole) - 1):
        first = list(itertools.islice(train(config, features=Memo()), events))
        rest = list(train(config, resume=first[-1].snapshot(), features=Memo()))
        assert [(e.step, e.values) for e in [*first, *rest]] == [(e.step, e.values) for e in whole]
        ends = whole[-1].snapshot().tensors, rest[-1].snapshot().tensors
        assert ends[0].keys() == ends[1].keys()
        assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())
        assert rest[-1].final == whole[-1].final


@pytest.mark.parametrize("schedule", ["joint", "sequential"])
def test_a_penalty_with_its_own_parameters_is_a_term_of_the_total_and_learns(schedule: str) -> None:
    config = run(penalties=(Choice(name="critic", knobs={"weight": 0.7}),), schedule=Choice(name=schedule))
    steps = [event.values for event in train(config, features=Memo()) if event.kind == "step"]
    for values in steps:
        weighted = sum(value for name, value in values.items() if name.startswith("weighted/"))
        assert values["total"] == pytest.approx(weighted + values["term/critic/critic"], rel=1e-9)
    assert steps[-1]["term/critic/critic"] < steps[0]["term/critic/critic"]
    resumed(config)


def test_a_balancer_may_differentiate_each_loss_apart() -> None:
    config = run(balancer=Choice(name="apart"))
    events = list(train(config, features=Memo()))
    for values in (event.values for event in events if event.kind == "step"):
        assert values["total"] == pytest.approx(values["weighted/source"] + values["weighted/target"])
        assert values["weighted/source"] != pytest.approx(values["loss/source"])
    resumed(config)


def test_a_tuning_may_unfreeze_by_epoch_and_the_frozen_prefix_follows() -> None:
    config = run(tuning=Choice(name="thaw"))
    trainer = Trainer(Setup(canonical(config)), Memo())
    start = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    depths, moved = [], []
    for event in trainer.run(None):
        if event.kind == "step":
            depths.append(trainer.frozen.depth)
            blocks = trainer.model.blocks.items()
            changed = [
                name
                for name, block in blocks
                if any(not torch.equal(p, start[f"blocks.{name}.{n}"]) for n, p in block.named_parameters())
            ]
            moved.append(changed)
    assert [depths[0], depths[5], depths[10]] == [4, 2, 1]
    assert moved[4] == []
    assert moved[9] == ["layer2"]
    assert moved[14] == ["layer1", "layer2"]
    resumed(config)


@pytest.mark.parametrize("tuning", ["full", "head"])
def test_a_sequence_to_sequence_head_runs_through_the_same_loop(tuning: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.part("backbones", "tiny"), "applications", ("sentiment", "echo"))
    config = seq2seq(tuning=Choice(name=tuning), optim=Optim(epochs=2, min_updates=25))
    events: list[Event] = list(train(config, features=Memo()))
    final = events[-1].final
    assert final is not None
    assert final["metrics"]["target"]["loss"] < final["floor"]["target"]["loss"]
    resumed(config)


def test_a_second_source_has_its_own_weight_and_curve() -> None:
    sources = (
        SourceChoice(id="sentiment/sample-cafes-en", size=60),
        SourceChoice(id="sentiment/sample-cafes-zh", size=40, weight=0.25),
    )
    config = check(run(sources=sources, schedule=Choice(name="joint", knobs={"lam": 2.0})))
    events = list(train(config, features=Memo()))
    for values in (event.values for event in events if event.kind == "step"):
        raw = values["loss/source"] + 0.25 * values["loss/source.2"] + 2.0 * values["loss/target"]
        assert values["total"] == pytest.approx(raw)
    assert "macro_f1" in events[-1].final["metrics"]["source.2"]
    resumed(config)


SECOND = SourceChoice(id="sentiment/sample-cafes-zh", size=40, weight=0.25)
SOURCES = (SourceChoice(id="sentiment/sample-cafes-en", size=60), SECOND)


@pytest.mark.parametrize(
    "changes",
    [
        {"tuning": Choice(name="thaw")},
        {"sources": SOURCES},
        {"optim": OPTIM.model_copy(update={"class_balanced": True, "epochs": 2})},
        {"augment": (Choice(name="deletion"), Choice(name="word-dropout"))},
    ],
    ids=lambda changes: next(iter(changes)),
)
@pytest.mark.parametrize("schedule", ["sequential", "source-only"])
def test_a_source_phase_is_taken_over_whatever_learns_in_it(
    changes: dict[str, object], schedule: str, home: Path
) -> None:
    config = run(schedule=Choice(name=schedule), **changes)
    other = {"sequential": "source-only", "source-only": "sequential"}[schedule]
    list(train(config.model_copy(update={"schedule": Choice(name=other)}), features=Memo(), sharing=True))
    assert len(list((home / "phases").iterdir())) == 1
    plain, taken = (list(train(config, features=Memo(), sharing=sharing)) for sharing in (False, True))
    assert [(e.step, e.values) for e in taken] == [(e.step, e.values) for e in plain]
    assert taken[0].gone
    ends = plain[-1].snapshot().weights().tensors, taken[-1].snapshot().weights().tensors
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


def test_a_tuning_that_changed_the_layers_halfway_leaves_no_features_of_theirs_behind(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def groups(self: Tuning, model: Model, progress: float) -> list[tuple[list[torch.nn.Parameter], float]]:
        blocks = [p for block in model.blocks.values() for p in block.parameters()]
        return [(list(model.heads.parameters()), 1.0), *([(blocks, 1.0)] if 0.2 < progress < 0.5 else [])]

    monkeypatch.setattr(registry.part("tunings", "thaw"), "groups", groups)
    alone = Choice(name="source-only")
    config, probe = run(tuning=Choice(name="thaw"), schedule=alone), run(tuning=Choice(name="head"), schedule=alone)
    first, fresh = (list(train(one, features=Memo(), sharing=True))[-1].outputs for one in (config, probe))
    features = Memo()
    again, after = (list(train(one, features=features, sharing=True))[-1] for one in (config, probe))
    assert again.final["taken_over"]
    assert all((again.outputs[name] == first[name]).all() for name in first)
    assert all((after.outputs[name] == fresh[name]).all() for name in fresh)


@pytest.mark.parametrize("changes", [{"penalties": (Choice(name="critic"),)}, {"balancer": Choice(name="apart")}])
def test_a_part_with_a_state_of_its_own_has_no_phase_taken_over(changes: dict[str, object], home: Path) -> None:
    config = run(schedule=Choice(name="sequential"), **changes)
    plain, shared = (list(train(config, features=Memo(), sharing=sharing)) for sharing in (False, True))
    assert [(e.step, e.values) for e in shared] == [(e.step, e.values) for e in plain]
    assert not (home / "phases").exists()
