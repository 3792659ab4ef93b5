"""Pretrained encoder-decoders: what transformers computes with them, through the project's own engine."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ctx.backbones.seq2seq import Seq2Seq
from ctx.batches import Batch, Encoded
from ctx.beam import Search
from ctx.config import ContextChoice, Optim, RunConfig, canonical, key
from ctx.parts import Backbone, Choice
from ctx.prefix import Memo, _together
from ctx.registry import make
from ctx.setup import Setup
from ctx.train import Trainer, train
from tests.seq2seq_models import FAMILIES, TEXTS, WORDS, save

MULTILINGUAL = ("mbart", "m2m_100")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of every family."""
    folder = tmp_path_factory.mktemp("models")
    for family in FAMILIES:
        save(folder / family, family)
    return folder


def choice(folder: Path, **knobs: str) -> Choice:
    if folder.name in MULTILINGUAL:
        knobs = {"language": "es_XX"} | knobs
    return Choice(name="seq2seq", knobs={"path": str(folder), **knobs})


def backbone_of(folder: Path, **knobs: str) -> Backbone:
    made: Backbone = make("backbones", choice(folder, **knobs))
    return made


def batch_of(backbone: Backbone) -> Batch:
    """Four texts and what is to be written of them, of differing lengths."""
    inputs = backbone.encode(TEXTS)
    targets = backbone.target_ids([WORDS[:30], WORDS[20:60], "Abre", "cierra la carpeta"], 24)
    padded = np.full((4, max(map(len, targets))), -100)
    for row, target in zip(padded, targets, strict=True):
        row[: len(target)] = target
    encoded = Encoded("texts", (), inputs, padded, padded, np.asarray([len(row) for row in inputs]), True)
    return encoded.batch(np.arange(4))


def states_of(backbone: Backbone, batch: Batch) -> Tensor:
    hidden: Any = None
    for _, block in backbone.blocks(0)[0]:
        hidden = block(hidden, batch)
    return hidden


def theirs(folder: Path, batch: Batch) -> tuple[Any, dict[str, Tensor]]:
    from transformers import AutoModelForSeq2SeqLM

    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    ids = batch.inputs.masked_fill(~batch.mask, model.config.pad_token_id)
    return model, {"input_ids": ids, "attention_mask": batch.mask.long()}


def both(folder: Path) -> tuple[Any, Batch, Any, Any, dict[str, Tensor]]:
    """The backbone, a batch, its decoder; transformers' model of the folder, and what that is given."""
    backbone = backbone_of(folder)
    batch = batch_of(backbone)
    return backbone, batch, backbone.decoder(), *theirs(folder, batch)


@pytest.mark.parametrize("family", FAMILIES)
def test_states_losses_and_texts_are_those_of_transformers(models: Path, family: str) -> None:
    backbone, batch, decoder, model, given = both(models / family)
    with torch.inference_mode():
        hidden = states_of(backbone, batch)
        expected = model.get_encoder()(**given).last_hidden_state
        assert (hidden - expected)[batch.mask].abs().max() < 1e-4
        begin = torch.tensor(decoder.begin).expand(4, -1)
        labels = torch.cat([begin[:, 1:], batch.targets], 1)
        before = torch.cat([begin, batch.targets[:, :-1].masked_fill(batch.targets[:, :-1] < 0, decoder.padding)], 1)
        scores = model(**given, decoder_input_ids=before).logits
        losses = torch.nn.functional.cross_entropy(scores.transpose(1, 2), labels, reduction="none")
        losses = losses[:, len(decoder.begin) - 1 :]
        there = batch.targets >= 0
        ours = decoder.eval()(hidden, batch)
        assert torch.equal(ours.isnan(), ~there)
        torch.testing.assert_close(ours[there], losses[there], rtol=1e-4, atol=1e-4)
        forced = {"forced_bos_token_id": decoder.begin[1]} if len(decoder.begin) > 1 else {}
        longest = 12 + len(decoder.begin) - 1
        texts = model.generate(**given, max_new_tokens=longest, num_beams=1, do_sample=False, **forced)
        for ids, whole in zip(decoder.write(hidden, batch, 12), texts.tolist(), strict=True):
            text = whole[len(decoder.begin) :]
            assert ids.tolist() == text[: text.index(decoder.end) if decoder.end in text else None]


# mBART turns a label's last piece to its front, as its older kind wants it; the newer kind's inputs are made elsewhere.
@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "mbart"])
def test_inputs_of_the_decoder_are_those_that_transformers_makes_of_labels(models: Path, family: str) -> None:
    backbone, batch, decoder, model, given = both(models / family)
    first = torch.tensor(decoder.begin[1:]).expand(4, -1)
    labels = torch.cat([first, batch.targets], 1).long()
    with torch.inference_mode():
        whole = model(**given, labels=labels).logits.log_softmax(-1)
        hidden = states_of(backbone, batch)
        ours = decoder.eval()(hidden, batch)
    there = batch.targets >= 0
    picked = -whole[:, first.shape[1] :].gather(-1, batch.targets.clamp(min=0)[..., None])[..., 0]
    torch.testing.assert_close(ours[there], picked[there], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", ["t5", "marian"])
def test_a_text_found_by_beam_has_the_likelihood_that_learning_gives_it(
    models: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = backbone_of(models / family)
    batch = batch_of(backbone)
    decoder = backbone.decoder()
    assert decoder is not None
    decoder.eval().never = ()
    searches: list[Search] = []
    monkeypatch.setattr("ctx.seq2seq.Search", lambda *given: searches.append(Search(*given)) or searches[-1])
    with torch.inference_mode():
        hidden = states_of(backbone, batch)
        found = []
        for beams in (1, 4):
            decoder.write(hidden, batch, 8, beams)
            search = searches[-1]
            best = (search.total / search.length).argmax(1)
            written = search.written[torch.arange(4), best]
            length = search.length[torch.arange(4), best].long()
            targets = written.masked_fill(torch.arange(written.shape[1]) >= length[:, None], -100).numpy()
            told = Encoded("told", (), batch.encoded.inputs, targets, targets, batch.encoded.lengths, True)
            losses = decoder(hidden, told.batch(np.arange(4), batch.length))
            total = search.total[torch.arange(4), best]
            torch.testing.assert_close(-losses.nansum(1), total, rtol=1e-4, atol=1e-4)
            found.append((total / length).mean().item())
    assert found[1] >= found[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_parameters_it_says_are_those_it_has(models: Path, family: str) -> None:
    backbone = backbone_of(models / family)
    blocks, width = backbone.blocks(0)
    assert [sum(p.numel() for p in block.parameters()) for _, block in blocks] == backbone.parameters()
    assert width == 32
    decoder = backbone.decoder()
    assert decoder is not None
    parts = [sum(p.numel() for p in part) for part in decoder.parts()]
    rest = sum(p.numel() for p in decoder.parameters()) - sum(parts)
    assert [*parts, rest] == backbone.decoder_parameters()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_layer_goes_on_from_stored_states_to_the_bit(models: Path, family: str) -> None:
    backbone = backbone_of(models / family)
    batch = batch_of(backbone)
    blocks = [block for _, block in backbone.blocks(0)[0]]
    with torch.inference_mode():
        whole, stored = states_of(backbone, batch), []
        hidden: Any = None
        for block in blocks:
            hidden = block(hidden, batch)
            stored.append(hidden.clone())
        for depth in range(1, len(blocks)):
            hidden = stored[depth - 1]
            for block in blocks[depth:]:
                hidden = block(hidden, batch)
            assert torch.equal(hidden, whole), f"from layer {depth}"


def config(folder: Path, tuning: str = "full", **tuned: int) -> RunConfig:
    return RunConfig(
        target=ContextChoice(id="translation/sample-office-en-es", size=32),
        backbone=choice(folder),
        schedule=Choice(name="target-only"),
        tuning=Choice(name=tuning, knobs=tuned),
        optim=Optim(epochs=2, batch=8, min_updates=4, lr=3e-3, head_lr=3e-3),
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_of_the_ordinary_engine_learns(models: Path, family: str) -> None:
    events = list(train(config(models / family), features=Memo()))
    losses = [event.values["validation/target/loss"] for event in events if "validation/target/loss" in event.values]
    assert losses[-1] < losses[0]
    final = events[-1].final
    assert final is not None
    assert {"chrf", "bleu", "loss"} <= set(final["metrics"]["target"])
    assert final["parameters"]["learn"] == final["parameters"]["total"]


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_layers_that_learn_keep_their_common_table_common(models: Path, layers: int) -> None:
    trainer = Trainer(Setup(canonical(config(models / "t5", "freeze", layers=layers))), Memo())
    for _ in trainer.run(None):
        pass
    blocks = list(trainer.model.blocks.values())[1:4]
    tables = {id(block.first[0]) for block in [*blocks[:2], blocks[2].layer]}
    assert len(tables) == 1
    table = blocks[0].first[0].relative_attention_bias.weight
    assert any(table is p for p in trainer.model.parameters())
    start = backbone_of(models / "t5").blocks(0)[0][1][1].first[0].relative_attention_bias.weight
    assert torch.equal(table, start) == (layers > 0)


@pytest.mark.parametrize("family", ["t5", "bart", "marian"])
@pytest.mark.parametrize(("tuning", "tuned"), [("head", {}), ("freeze", {"layers": 1})])
def test_frozen_rows_are_bit_equal_to_the_unfrozen_path(
    models: Path, family: str, tuning: str, tuned: dict[str, int]
) -> None:
    trainer = Trainer(Setup(canonical(config(models / family, tuning, **tuned))), Memo())
    trainer.begin()
    encoded = trainer.setup.rows["target"].encoded
    rows = np.arange(32)
    stored = trainer.frozen(encoded.batch(rows))
    assert stored is not None
    for row in rows:
        whole = backbone_of(models / family).blocks(0)[0][: trainer.frozen.depth]
        hidden: Any = None
        with torch.no_grad():
            alone = encoded.batch(np.asarray([row]))
            batch = encoded.batch(np.repeat(row, _together(alone.length)))
            for _, block in whole:
                hidden = block(hidden, batch)
        length = int(encoded.lengths[row])
        assert torch.equal(stored[row][:length], hidden[0][:length])


@pytest.mark.parametrize("family", ["t5", "marian"])
def test_a_resumed_run_gives_the_same(models: Path, family: str) -> None:
    asked = config(models / family, "freeze", layers=1)
    whole = list(train(asked, features=Memo()))
    for stop in (3, len(whole) - 2):
        events = train(asked, features=Memo())
        state = list(itertools.islice(events, stop + 1))[-1].snapshot()
        events.close()
        torch.manual_seed(99)
        rest = list(train(asked, resume=state, features=Memo()))
        assert [event.values for event in rest] == [event.values for event in whole[stop + 1 :]]
        assert rest[-1].final == whole[-1].final


def test_a_pretrained_decoder_has_a_rate_of_its_own(models: Path) -> None:
    asked = config(models / "t5").model_copy(update={"optim": Optim()})
    assert asked.learning_rates() == (5e-5, 5e-5)
    assert asked.model_copy(update={"backbone": Choice(name="e5")}).learning_rates() == (2e-5, 1e-3)


def test_ids_beyond_the_tokenizers_are_left_out_of_texts(models: Path) -> None:
    """T5 is saved with more rows than pieces."""
    backbone = backbone_of(models / "t5")
    (ids,) = backbone.target_ids(["Abre"], 9)
    assert backbone.decode([np.append(ids, 100_000)]) == backbone.decode([ids])


def test_a_prefix_stands_before_every_input_and_is_another_run(models: Path) -> None:
    plain, told = backbone_of(models / "t5"), backbone_of(models / "t5", prefix="Save the ")
    assert told.encode(["file."])[0].tolist() == plain.encode(["Save the file."])[0].tolist()
    assert told.target_ids(["Abre"], 9)[0].tolist() == plain.target_ids(["Abre"], 9)[0].tolist()
    asked = config(models / "t5")
    assert key(asked) != key(asked.model_copy(update={"backbone": choice(models / "t5", prefix="Save the ")}))


def test_a_long_text_is_cut_and_another_cut_is_another_encoding(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = backbone_of(models / "t5")
    text = " ".join(TEXTS * 20)
    assert len(made.encode([text])[0]) == 128
    before = made.digest(0)
    monkeypatch.setattr(Seq2Seq, "POSITIONS", 40)
    assert len(made.encode([text])[0]) == 40
    assert made.digest(0) != before


def test_languages_stand_where_the_model_wants_them(models: Path, tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    ids = Tokenizer.from_file(str(models / "mbart" / "tokenizer.json")).get_vocab()
    decoder = backbone_of(models / "mbart").decoder()
    assert decoder is not None
    assert decoder.begin == (2, ids["es_XX"])
    older = save(tmp_path / "mbart", "mbart", decoder_start_token_id=ids["en_XX"])
    first = [backbone_of(older, language=language).decoder() for language in ("es_XX", "")]
    assert [made.begin for made in first if made] == [(ids["es_XX"],), (ids["en_XX"],)]
    read = [backbone_of(models / "mbart", reads=code).encode(TEXTS[:1])[0].tolist() for code in ("", "es_XX")]
    assert (read[0][0], read[1][0]) == (ids["en_XX"], ids["es_XX"])
    assert read[0][1:] == read[1][1:]
