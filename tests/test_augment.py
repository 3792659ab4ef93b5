"""Augmentation: the examples learnt from change, the others never; the same for the same seed; tags stay with words."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from ctx import augmented
from ctx.augmented import Batches, Pool, loss_of
from ctx.backbones.minilm import ASSET
from ctx.batches import Batch
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical, key
from ctx.errors import BadInput
from ctx.parts import Augmentation, Backbone, Choice, Example, Pieces
from ctx.prefix import Memo
from ctx.registry import make, part, registry
from ctx.setup import Setup
from ctx.spans import spans
from ctx.train import Trainer, train

PAIRS = {
    "sentiment": ("sentiment/sample-cafes-en", "sentiment/sample-cafes-zh"),
    "ner": ("ner/sample-office-en", "ner/sample-travel-zh"),
    "translation": ("translation/sample-cafe-en-es", "translation/sample-cafe-en-pt"),
    "summarisation": ("summarisation/sample-notices-en", "summarisation/sample-notices-es"),
}
PARTS: dict[str, type[Augmentation]] = registry("augment")
CASES = [(name, application) for name, cls in PARTS.items() for application in cls.applications]
OF_PIECES = [name for name, cls in PARTS.items() if cls.of_pieces()]
OF_WORDS = [(name, application) for name, application in CASES if PARTS[name].of_words()]
NEEDY = [name for name, cls in PARTS.items() if cls.embeddings]


@pytest.fixture(autouse=True)
def _lent_embeddings(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Flat ones for the tiny encoder, and a vocabulary, so that a part that needs them is tested like all others."""

    def vectors(self: Backbone, ids: np.ndarray) -> Tensor:
        angle = torch.from_numpy(ids).float()
        return torch.stack([angle.cos(), angle.sin()], dim=1)

    given = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    if set(NEEDY) & {given.get("name"), *given.get("names", ())}:
        monkeypatch.setattr(part("backbones", "tiny"), "vectors", vectors)
    if set(OF_PIECES) & {given.get("name"), *given.get("names", ())}:
        numbers = Pieces([f"{id:o}" if id > 1 else "" for id in range(8192)])
        monkeypatch.setattr(part("backbones", "tiny"), "pieces", lambda self: numbers)


def run(application: str, *names: str, tuning: str = "full", **changes: object) -> RunConfig:
    source, target = PAIRS[application]
    plain = RunConfig(
        sources=(SourceChoice(id=source, size=30),),
        target=ContextChoice(id=target, size=20),
        backbone=Choice(name="tiny"),
        tuning=Choice(name=tuning, knobs={"layers": 1} if tuning == "freeze" else {}),
        augment=tuple(Choice(name=name) for name in names),
        optim=Optim(epochs=2, min_updates=3, batch=8),
    )
    return plain.model_copy(update=changes)


def batches(config: RunConfig) -> dict[str, Batches]:
    return Setup(canonical(config)).batches


def pairs(one: Batches, numbers: Sequence[int]) -> list[tuple[Example, Example]]:
    """The examples of batches before and after."""
    found = []
    for n in numbers:
        before, batch = one.rows.examples(one.sampler[n]), one[n]
        found += list(zip(before, (batch.encoded.examples[row] for row in batch.rows), strict=True))
    return found


@pytest.mark.parametrize(("name", "application"), OF_WORDS)
def test_it_changes_examples_at_its_default_and_counts_them(name: str, application: str) -> None:
    for one in batches(run(application, name)).values():
        found = pairs(one, range(6))
        differing = sum(before != after for before, after in found)
        assert 0 < differing == sum(one[n].changed for n in range(6))
        assert [before.id for before, _ in found] == [after.id for _, after in found]


@pytest.mark.parametrize(("name", "application"), OF_WORDS)
def test_what_is_to_be_answered_stays(name: str, application: str) -> None:
    for one in batches(run(application, name)).values():
        for before, after in pairs(one, range(6)):
            assert type(before.input) is type(after.input)
            if application != "ner":
                assert before.output == after.output
            else:
                kinds = [[kind for kind, _, _ in spans(example.output)] for example in (before, after)]
                assert len(after.input) == len(after.output)
                assert kinds[0] == kinds[1] or name == "deletion"


@pytest.mark.parametrize(("name", "application"), CASES)
def test_only_the_rows_learnt_from_are_ever_changed(
    name: str, application: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = run(application, name)
    trainer = Trainer(Setup(canonical(config)), Memo())
    given: set[str] = set()
    original = Batches.__getitem__

    def spy(self: Batches, n: int) -> Batch:
        batch = original(self, n)
        given.update(batch.encoded.examples[row].id for row in batch.rows)
        return batch

    looked: list[Batch] = []
    hidden = trainer.evaluator.hidden
    trainer.evaluator.hidden = lambda batch: (looked.append(batch), hidden(batch))[1]  # type: ignore[func-returns-value]
    monkeypatch.setattr(Batches, "__getitem__", spy)
    list(trainer.run(None))
    rows = trainer.setup.rows.values()
    learnt = {example.id for one in rows for example in one.examples(one.learn)}
    assert given
    assert given <= learnt
    assert looked
    assert all(any(batch.encoded is one.encoded for one in rows) and batch.mix is None for batch in looked)


@pytest.mark.parametrize(("name", "application"), OF_WORDS)
def test_a_batch_is_a_function_of_the_seed_and_its_number(
    name: str, application: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = batches(run(application, name))["target"]
    forwards = pairs(one, range(5))
    monkeypatch.setattr(augmented, "AHEAD", 16)  # two batches
    other = batches(run(application, name))["target"]
    backwards = [pair for n in reversed(range(5)) for pair in reversed(pairs(other, [n]))]
    assert forwards == backwards[::-1]
    batch = len(one[0])
    assert [after for _, after in forwards[:batch]] != [after for _, after in forwards[-batch:]]
    another = batches(run(application, name, seed=1))["target"]
    assert [after for _, after in forwards] != [after for _, after in pairs(another, range(5))]


@pytest.mark.parametrize(
    ("application", "names"),
    [
        *((application, (name,)) for name, application in CASES if application in ("sentiment", "ner")),
        ("sentiment", tuple(n for n, a in CASES if a == "sentiment")),
        ("translation", ("word-dropout",)),
    ],
)
def test_a_run_resumed_with_augmentation_is_bit_equal(
    application: str, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(augmented, "AHEAD", 16)
    config = run(application, *names, tuning="freeze")
    whole = list(train(config, features=Memo()))
    end = whole[-1].snapshot()
    for stop in (1, 4, len(whole) - 2):
        first = list(itertools.islice(train(config, features=Memo()), stop + 1))
        rest = list(train(config, resume=first[-1].snapshot(), features=Memo()))
        assert [(e.step, e.values) for e in [*first, *rest]] == [(e.step, e.values) for e in whole]
        last = rest[-1].snapshot()
        assert last.tensors.keys() == end.tensors.keys()
        assert all(torch.equal(value, last.tensors[name]) for name, value in end.tensors.items())
        assert rest[-1].final == whole[-1].final


@pytest.mark.parametrize("tuning", ["head", "freeze"])
@pytest.mark.parametrize(("name", "application"), [("deletion", "sentiment"), ("entity-swap", "ner")])
def test_a_frozen_prefix_of_changed_examples_is_a_plain_forward_and_is_not_kept(
    name: str, application: str, tuning: str
) -> None:
    trainer = Trainer(Setup(canonical(run(application, name, tuning=tuning))), Memo())
    trainer.begin()
    trainer.model.eval()
    batch = trainer._next("target")
    assert batch.changed
    assert torch.equal(trainer._forward("target", batch)[0], trainer.model.run(batch))
    assert trainer.frozen.features.computed == 0
    assert not trainer.frozen.features.tables


def test_the_names_of_a_pool_are_those_of_the_examples_learnt_from() -> None:
    rows = Setup(canonical(run("ner", "entity-swap"))).rows["source"]
    pool = Pool(rows, make("backbones", Choice(name="tiny")))
    learnt = [(kind, tuple(e.input[a:b])) for e in rows.examples(rows.learn) for kind, a, b in spans(e.output)]
    for kind in rows.context.labels:
        assert Counter(pool.mentions(kind)) == Counter(name for of, name in learnt if of == kind)


def test_a_chinese_text_stays_without_spaces() -> None:
    one = batches(run("sentiment", "swap"))["target"]
    changed = [after for before, after in pairs(one, range(3)) if before != after]
    assert changed
    assert not any(" " in example.input for example in changed)


def test_the_mixed_loss_is_the_cross_entropy_with_both_labels_by_their_shares() -> None:
    setup = Setup(canonical(run("sentiment", "mixup")))
    batch = setup.batches["target"][0]
    partners, share = batch.mix
    assert sorted(partners) == list(range(len(batch)))
    assert 0 < share < 1
    classes = len(setup.rows["target"].context.labels)
    hidden = torch.randn(len(batch), classes, generator=torch.Generator().manual_seed(0))
    out = augmented.mixed(hidden, batch)
    assert torch.allclose(out[0], share * hidden[0] + (1 - share) * hidden[partners[0]])
    truth = torch.nn.functional.one_hot(batch.targets, classes).float()
    soft = share * truth + (1 - share) * truth[partners]
    expected = torch.nn.functional.cross_entropy(out, soft)
    assert loss_of(setup.task, out, batch, None).item() == pytest.approx(expected.item(), rel=1e-6)


def test_mixup_leaves_the_frozen_features_in_the_memo() -> None:
    memo = Memo()
    list(train(run("sentiment", "mixup", tuning="head"), features=memo))
    computed = memo.computed
    list(train(run("sentiment", "mixup", tuning="head"), features=memo))
    assert memo.computed == computed > 0


# -- what is counted, refused, offered


def test_examples_seen_and_changed_are_curves_and_results() -> None:
    events = list(train(run("sentiment", "swap"), features=Memo()))
    epochs = [event.values for event in events if event.kind == "epoch"]
    final = events[-1].final
    sampler = Setup(canonical(run("sentiment", "swap"))).samplers["target"]
    assert [values["seen/target"] for values in epochs] == [sum(len(sampler[n]) for n in range(4 * e)) for e in (1, 2)]
    for context in ("source", "target"):
        counts = [values[f"changed/{context}"] for values in epochs]
        assert 0 < counts[0] < counts[1] == final["changed"][context] <= final["seen"][context]


def test_a_run_without_augmentation_counts_none_changed() -> None:
    events = list(train(run("sentiment"), features=Memo()))
    assert not any(name.startswith("changed/") for event in events for name in event.values)
    assert "changed" not in events[-1].final


def test_the_order_of_the_list_makes_no_difference() -> None:
    one, other = run("sentiment", "swap", "deletion"), run("sentiment", "deletion", "swap")
    assert key(one) == key(other) != key(run("sentiment", "swap"))


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (run("sentiment", "entity-swap"), "entity-swap is for ner, not for sentiment"),
        (run("ner", "mixup"), "mixup is for sentiment, not for ner"),
        (run("sentiment", *NEEDY), "needs pretrained embeddings, which tiny has not"),
        (run("sentiment", *OF_PIECES), "splits pieces of words, which tiny has not"),
        (run("sentiment", "swap", "swap"), "named twice"),
        (run("sentiment", augment=(Choice(name="deletion", knobs={"rate": 1.0}),)), "less than or equal to 0.9"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(config: RunConfig, says: str) -> None:
    with pytest.raises(BadInput, match=says) as refused:
        canonical(config)
    assert "\n" not in str(refused.value)


@pytest.mark.network
def test_minilm_knows_near_words(fetched: object) -> None:
    fetched(ASSET)
    config = run("sentiment", "synonyms", sources=(), schedule=Choice(name="target-only"))
    target = ContextChoice(id="sentiment/sample-cafes-en", size=20)
    setup = Setup(canonical(config.model_copy(update={"target": target, "backbone": Choice(name="minilm")})))
    pool = Pool(setup.rows["target"], setup.backbone)
    assert {"bad", "great"} & set(pool.near("Good"))
    assert all(word != "good" for word in pool.near("Good"))
    assert pool.near("qwertyuiop") == []
