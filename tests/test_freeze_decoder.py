"""Freezing applies to what writes, too: the decoder's embedding and its lowest layers, of either kind of decoder."""

from __future__ import annotations

import pytest
import torch

from ctx.commands.asked import build
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical, frozen_parts, key
from ctx.errors import BadInput
from ctx.flags import arguments
from ctx.lab import settings
from ctx.lab.effect import learning
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.registry import make
from ctx.setup import Setup
from ctx.train import Trainer
from tests.seq2seq_models import save


def config(
    backbone: Choice, tuning: str = "head", context: str = "translation/sample-office", **knobs: int
) -> RunConfig:
    source, target = (f"{context}-en-{code}" for code in ("pt", "es"))
    return RunConfig(
        sources=(SourceChoice(id=source, size=24),),
        target=ContextChoice(id=target, size=16),
        backbone=backbone,
        tuning=Choice(name=tuning, knobs=knobs),
        optim=Optim(epochs=1, batch=8, min_updates=3),
    )


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Choice:
    return Choice(name="seq2seq", knobs={"path": str(save(tmp_path_factory.mktemp("models") / "t5", "t5"))})


TINY = Choice(name="tiny")


@pytest.mark.parametrize("backbone", ["tiny", "t5"])
@pytest.mark.parametrize(("tuning", "layers"), [("head", {}), ("freeze", {"layers": 1}), ("full", {})])
@pytest.mark.parametrize("frozen", [0, 1, 2])
def test_frozen_parts_are_bit_equal_after_training_and_have_no_gradient(
    t5: Choice, backbone: str, tuning: str, layers: dict[str, int], frozen: int
) -> None:
    asked = config(t5 if backbone == "t5" else TINY, tuning, decoder=frozen, **layers)
    trainer = Trainer(Setup(canonical(asked)), Memo())
    (head,) = trainer.model.heads.values()
    parts = head.parts()  # type: ignore[operator]
    before = {name: p.detach().clone() for name, p in head.named_parameters()}
    still = {id(p) for part in parts[:frozen] for p in part}
    last = list(trainer.run(None))[-1]
    for name, p in head.named_parameters():
        assert torch.equal(p, before[name]) == (id(p) in still), name
        assert (p.grad is None) == (id(p) in still), name
        assert p.requires_grad == (id(p) not in still)
    assert last.final is not None
    learn = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
    assert last.final["parameters"]["learn"] == learn
    assert not any(
        f"heads.{n}" in name for name in last.snapshot().tensors for n, p in before.items() if id(p) in still
    )


def test_a_task_counts_the_parts_that_its_head_has(t5: Choice) -> None:
    for backbone in (TINY, t5):
        trainer = Trainer(Setup(canonical(config(backbone))), Memo())
        (head,) = trainer.model.heads.values()
        parts = head.parts()  # type: ignore[operator]
        assert trainer.setup.task.decoder_parts(make("backbones", backbone)) == len(parts)


def test_no_hash_changes_where_nothing_of_a_decoder_is_frozen() -> None:
    for tuning in ("head", "freeze", "full"):
        plain = config(TINY, tuning, **({"layers": 1} if tuning == "freeze" else {}))
        knobs = plain.tuning.knobs | {"decoder": 0}
        same = plain.model_copy(update={"tuning": Choice(name=tuning, knobs=knobs)})
        other = plain.model_copy(update={"tuning": Choice(name=tuning, knobs=knobs | {"decoder": 1})})
        assert "decoder" not in canonical(same).tuning.knobs
        assert key(plain) == key(same) != key(other)


def test_all_layers_frozen_is_one_tuning_with_a_frozen_decoder_too() -> None:
    found = canonical(config(TINY, "freeze", layers=2, decoder=1))
    assert found.tuning == Choice(name="head", knobs={"decoder": 1})


def judged(**knobs: int) -> RunConfig:
    return RunConfig(
        sources=(SourceChoice(id="sentiment/sample-cafes-en"),),
        target=ContextChoice(id="sentiment/sample-gadgets-en"),
        backbone=TINY,
        tuning=Choice(name="full", knobs=knobs),
    )


def test_where_no_text_is_written_the_knob_has_no_effect_and_says_so() -> None:
    assert key(judged(decoder=5)) == key(judged())
    control = settings.setting(judged(), "tuning.decoder")
    assert "no decoder to freeze" in control.off
    given = {"target": "sentiment/sample-gadgets-en", "schedule": "target-only", "--freeze-decoder": "1"}
    assert build(given)[1] == ["--freeze-decoder has no effect: sentiment writes no texts."]


def test_where_texts_are_written_the_control_is_on_and_knows_its_bound(t5: Choice) -> None:
    for asked, most in ((config(TINY), 2), (config(TINY, "full"), 3), (config(t5, "full"), 3), (config(t5), 2)):
        control = settings.setting(asked, "tuning.decoder")
        assert (control.off, control.low, control.high) == ("", 0, most)
        assert frozen_parts(asked) == (0, most)


@pytest.mark.parametrize(("tuning", "wanted", "most"), [("head", 3, 2), ("full", 4, 3)])
def test_too_many_parts_are_refused_in_a_sentence(tuning: str, wanted: int, most: int) -> None:
    with pytest.raises(BadInput, match=f"freeze-decoder is {wanted}, .* choose a number from 0 to {most}"):
        canonical(config(TINY, tuning, decoder=wanted))


def test_another_tuning_keeps_the_frozen_decoder_as_far_as_it_can(t5: Choice) -> None:
    asked = config(TINY, "full", decoder=3)
    assert settings.change(asked, "tuning", "head").tuning == Choice(name="head", knobs={"decoder": 2})
    assert settings.change(config(TINY), "tuning", "full").tuning == Choice(name="full")


def test_flags_ask_for_it_and_repeat_it() -> None:
    given = {"target": "translation/sample-office-en-es", "schedule": "target-only", "backbone": "tiny"}
    asked, notes = build(given | {"--freeze-decoder": "1"})
    assert asked.tuning.knobs == {"decoder": 1}
    assert notes == []
    assert "--head.decoder 1" in " ".join(arguments(asked))


def test_what_learns_is_counted_with_a_pretrained_decoder(t5: Choice) -> None:
    made = make("backbones", t5)
    encoder, decoder = made.parameters(), made.decoder_parameters()

    def k(count: int) -> str:
        return f"{count / 1e3:.1f} k"

    every = k(sum(encoder) + sum(decoder))
    assert learning(config(t5, "full")) == f"Nothing frozen: all {every} parameters learn."
    assert learning(config(t5)) == f"3 of 3 frozen: {k(sum(decoder))} of {every} parameters learn."
    left = k(sum(encoder[2:]) + sum(decoder[2:]))
    assert learning(config(t5, "freeze", layers=1, decoder=2)) == (
        f"1 of 3 frozen: {left} of {every} parameters learn. Of the decoder its embedding and 1 of 2 layers are frozen."
    )
    assert learning(config(TINY, decoder=1)).endswith("Of the decoder its embedding is frozen.")


def test_what_the_lab_counts_is_what_learns(t5: Choice) -> None:
    for knobs in ({"decoder": 0}, {"decoder": 1}, {"decoder": 2}):
        made = make("backbones", t5)
        trainer = Trainer(Setup(canonical(config(t5, "freeze", layers=1, **knobs))), Memo())
        trainer.begin()
        learn = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
        assert learn == sum(made.parameters()[2:]) + sum(made.decoder_parameters()[knobs["decoder"] :])
