"""What is said of the gradients is what they are, and looking changes nothing of a run."""

from __future__ import annotations

import pytest
import torch

from ctx import inside
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical
from ctx.parts import Choice
from ctx.plan import Phase, constant
from ctx.prefix import Memo
from ctx.setup import Setup
from ctx.train import Trainer, train

CONFIG = RunConfig(
    sources=(SourceChoice(id="sentiment/sample-cafes-en", size=60),),
    target=ContextChoice(id="sentiment/sample-gadgets-en", size=20),
    backbone=Choice(name="tiny"),
    schedule=Choice(name="joint", knobs={"lam": 0.5}),
    tuning=Choice(name="full"),
    optim=Optim(epochs=2, min_updates=20, batch=8),
)
TWO = (*CONFIG.sources, SourceChoice(id="sentiment/sample-cafes-zh", size=40, weight=0.25))


def apart(config: RunConfig) -> tuple[dict[str, list[torch.Tensor]], list[str]]:
    """Each context's gradient at the first update, each by a backward pass of its own; the parameters' blocks."""
    found, blocks = {}, []
    for key in config.contexts():
        trainer = Trainer(Setup(canonical(config)), Memo())
        torch.manual_seed(config.seed)
        trainer.begin()
        trainer.started()
        losses = {}
        for name in trainer.setup.phases[0].active(0):
            batch = trainer._next(name)
            losses[name] = trainer.setup.task.loss(trainer._forward(name, batch)[1], batch)
        losses[key].backward()
        found[key] = [torch.zeros_like(p) if p.grad is None else p.grad for p in trainer.shared]
        names = {id(p): name for name, block in trainer.model.blocks.items() for p in block.parameters()}
        blocks = [names[id(p)] for p in trainer.shared]
    return found, blocks


def cosine(alone: dict[str, list[torch.Tensor]], key: str, blocks: list[str], inside: set[str]) -> float:
    """Of a context's gradient and the target's in some blocks."""
    one, other = (
        torch.cat([g.flatten() for g, block in zip(alone[name], blocks, strict=True) if block in inside])
        for name in (key, "target")
    )
    return float(torch.cosine_similarity(one, other, dim=0))


@pytest.mark.parametrize("sources", [CONFIG.sources, TWO])
@pytest.mark.parametrize("frozen", [0, 1])
def test_norms_and_cosines_are_those_of_the_contexts_own_gradients(
    sources: tuple[SourceChoice, ...], frozen: int
) -> None:
    tuning = Choice(name="freeze", knobs={"layers": frozen}) if frozen else CONFIG.tuning
    config = CONFIG.model_copy(update={"sources": sources, "tuning": tuning})
    alone, blocks = apart(config)
    events = list(train(config, features=Memo()))
    said = next(event.values for event in events if event.kind == "step")
    flat = {key: torch.cat([g.flatten() for g in one]) for key, one in alone.items()}
    for key, one in flat.items():
        assert said[f"gradient/{key}"] == pytest.approx(float(one.norm()), rel=1e-3)
        if key == "target":
            continue
        assert said[f"cosine/{key}"] == pytest.approx(cosine(alone, key, blocks, set(blocks)), abs=1e-3)
        for block in set(blocks):
            assert said[f"cosine/{key}/{block}"] == pytest.approx(cosine(alone, key, blocks, {block}), abs=1e-3)
    assert {name.split("/")[2] for name in said if name.startswith("cosine/source/")} == set(blocks)


def test_it_is_looked_at_now_and_then() -> None:
    looked = [event.step - 1 for event in train(CONFIG, features=Memo()) if "cosine/source" in event.values]
    assert looked == [0, 30]
    assert sorted(inside.looks(Phase("long", 10, 900, {"target": constant(1)})))[:3] == [0, 150, 300]


@pytest.mark.parametrize(("share", "at"), [(0.5, [0, 30, 60, 90]), (0.07, [0, 42, 85]), (0.01, [0])])
def test_the_next_update_with_several_contexts_is_looked_at(share: float, at: list[int]) -> None:
    phase = Phase("both", 1, 99, {"source": constant(1), "target": constant(1)}, shares={"source": share})
    assert sorted(inside.looks(phase)) == at
    assert all(len(phase.active(update)) == 2 for update in at)


REPLAY = CONFIG.model_copy(
    update={
        "schedule": Choice(name="replay", knobs={"share": 0.5}),
        "target": ContextChoice(id="sentiment/sample-gadgets-en", size=20),
        "optim": Optim(epochs=3, min_updates=11, batch=8),
    }
)


def test_contexts_are_compared_wherever_a_phase_of_any_length_ends() -> None:
    events = list(train(REPLAY, features=Memo()))
    begins = next(event.step for event in events if event.values.get("phase") == 1)
    assert begins == 33  # odd: the source comes back at every other step of the run, none of them even
    assert [event.step - 1 for event in events if "cosine/source" in event.values] == [begins, begins + 30]
    assert {event.step - 1 for event in events if "gradient/source" in event.values} >= {0, 30}
    assert all(any(name.startswith("lr/") for name in event.values) for event in events if event.step in (1, 31, 34))


def test_a_resumed_run_looks_where_the_uninterrupted_one_did() -> None:
    events = list(train(REPLAY, features=Memo()))
    for cut in (20, 50):
        one = next(event for event in train(REPLAY, features=Memo()) if event.step == cut)
        rest = list(train(REPLAY, resume=one.snapshot(), features=Memo()))
        after = events[events.index(next(event for event in events if event.step == cut and event.kind == one.kind)) :]
        assert [event.values for event in rest] == [event.values for event in after[1:]]
        assert any("cosine/source" in event.values for event in rest)


@pytest.mark.parametrize("schedule", ["target-only", "sequential"])
@pytest.mark.parametrize("tuning", [Choice(name="full"), Choice(name="gradual", knobs={"interval": 1})])
def test_one_context_at_a_time_has_norms_and_rates_too(schedule: str, tuning: Choice) -> None:
    config = CONFIG.model_copy(update={"schedule": Choice(name=schedule), "tuning": tuning})
    events = [event for event in train(config, features=Memo()) if event.kind == "step"]
    learning = [event.values for event in events if any(name.startswith("lr/") for name in event.values)]
    lengths = [one for one in learning if one.keys() & {"gradient/source", "gradient/target"}]
    assert len(learning) == len(lengths) >= (1 if schedule == "target-only" else 2)
    assert all(0 < one[name] <= one["grad_norm"] for one in learning for name in one if name.startswith("gradient/"))
    assert not any(name.startswith("cosine/") for one in learning for name in one)


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_the_length_of_one_gradient_is_read_from_the_plain_pass(weight: float, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = (CONFIG.sources[0].model_copy(update={"weight": weight}),)
    config = CONFIG.model_copy(update={"sources": sources, "schedule": Choice(name="sequential")})
    said = next(event.values for event in train(config, features=Memo()) if event.kind == "step")
    before = inside.told
    monkeypatch.setattr(inside, "told", lambda model, losses, shared, plain: before(model, losses, shared, False))
    own = next(event.values for event in train(config, features=Memo()) if event.kind == "step")
    assert said["gradient/source"] == pytest.approx(own["gradient/source"], rel=1e-5)


@pytest.mark.parametrize("backbone", [False, True])
def test_only_parameters_that_both_contexts_reach_are_compared(backbone: bool) -> None:
    tuning = Choice(name="per-context", knobs={"backbone": backbone})
    config = CONFIG.model_copy(update={"tuning": tuning})
    said = next(event.values for event in train(config, features=Memo()) if event.kind == "step")
    alone, blocks = apart(config)
    assert said["gradient/source"] > 0
    if not backbone:  # a module each, and nothing in common
        assert not any(name.startswith("cosine/") for name in said)
        return
    both = [i for i, one in enumerate(alone["source"]) if one.any() and alone["target"][i].any()]
    one, other = (torch.cat([alone[key][i].flatten() for i in both]) for key in ("source", "target"))
    assert len(both) < len(alone["source"])
    assert said["cosine/source"] == pytest.approx(float(torch.cosine_similarity(one, other, dim=0)), abs=1e-4)
    assert (
        said["cosine/source"] > cosine(alone, "source", blocks, set(blocks)) + 1e-3
    )  # over each one's own modules too


@pytest.mark.parametrize("schedule", ["joint", "sequential"])
@pytest.mark.parametrize("tuning", ["full", "head"])
def test_looking_changes_nothing(tuning: str, schedule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = CONFIG.model_copy(update={"tuning": Choice(name=tuning), "schedule": Choice(name=schedule)})
    seen = list(train(config, features=Memo()))
    monkeypatch.setattr(inside, "looks", lambda phase: frozenset())
    unseen = list(train(config, features=Memo()))
    new = ("cosine/", "gradient/", "lr/")
    for one, other in zip(seen, unseen, strict=True):
        assert {name: value for name, value in one.values.items() if not name.startswith(new)} == other.values
    ends = seen[-1].snapshot().tensors, unseen[-1].snapshot().tensors
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())
    assert any(name.startswith("gradient/") for name in seen[1].values) == (tuning == "full")


def test_rates_are_those_of_the_blocks_that_learn() -> None:
    config = CONFIG.model_copy(update={"tuning": Choice(name="freeze", knobs={"layers": 1})})
    first = next(event.values for event in train(config, features=Memo()) if event.kind == "step")
    rates = {name: value for name, value in first.items() if name.startswith("lr/")}
    assert set(rates) == {"lr/layer2"}
    assert rates["lr/layer2"] == pytest.approx(config.learning_rates()[0] / (0.1 * 40), rel=1e-6)
