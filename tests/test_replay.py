"""The batches that the Run page lists are those that training took."""

import pytest

from ctx import data
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical
from ctx.errors import Unavailable
from ctx.parts import Choice
from ctx.plan import Phase, constant
from ctx.replay import Replay
from ctx.sampling import Sampler

SHORT = Optim(epochs=2, min_updates=3, batch=16)


def small(schedule: str, backbone: str = "tiny", source: str = "sentiment/sample-gadgets-en") -> RunConfig:
    return RunConfig(
        sources=(SourceChoice(id=source, size=70),),
        target=ContextChoice(id="sentiment/sample-cafes-en", size=20),
        backbone=Choice(name=backbone),
        schedule=Choice(name=schedule),
        optim=SHORT,
        seed=3,
    )


@pytest.mark.parametrize("schedule", ["joint", "sequential", "source-only", "target-only"])
def test_replayed_batches_are_those_that_training_took(schedule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from ctx.train import train

    taken: list[list[int]] = []
    original = Sampler.__getitem__

    def watched(self: Sampler, n: int) -> object:
        rows = original(self, n)
        taken.append([int(row) for row in rows])
        return rows

    config = canonical(small(schedule))
    with monkeypatch.context() as patch:
        patch.setattr(Sampler, "__getitem__", watched)
        for event in train(config):
            steps = event.steps
    parts = {choice.id: data.splits(choice) for choice in config.contexts().values()}
    texts = {name: [e.input for e in [*s.train, *s.validation, *s.test]] for name, s in parts.items()}
    replay = Replay(config)
    assert replay.steps == steps
    listed = [
        (config.contexts()[key].id, [example.input for example in batch])
        for number in range(1, steps + 1)
        for key, batch in replay.step(number).batches.items()
    ]
    assert len(listed) == len(taken)
    assert all(batch == [texts[name][row] for row in rows] for (name, batch), rows in zip(listed, taken, strict=True))


def test_a_context_with_a_share_of_the_batches_is_active_in_that_share_of_the_updates() -> None:
    phase = Phase("x", 1, 10, {"a": constant(1), "b": constant(1)}, shares={"b": 0.3})
    active = [phase.active(update) for update in range(10)]
    assert all("a" in keys for keys in active)
    assert sum("b" in keys for keys in active) == 3 == phase.taken(10)["b"]


def test_replaying_data_that_is_not_here_says_how_to_fetch_it_and_fetches_nothing() -> None:
    config = small("joint", "minilm", source="sentiment/tweets")
    with pytest.raises(Unavailable, match="ctx fetch sentiment/tweets"):
        Replay(config)
