"""A pretrained decoder saves memory and time by the same numbers: its losses, and its texts by beam."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import EncoderDecoderCache

from ctx import seq2seq
from ctx.batches import Batch
from ctx.beam import Search
from tests.seq2seq_models import FAMILIES, save
from tests.test_seq2seq import backbone_of, batch_of, states_of


def read(folder: Path, family: str) -> tuple[Any, Tensor, Batch]:
    """A family's decoder, and what it reads."""
    backbone = backbone_of(save(folder / family, family))
    batch = batch_of(backbone)
    with torch.no_grad():
        return backbone.decoder(), states_of(backbone, batch), batch


def learnt(decoder: Any, hidden: Tensor, batch: Batch) -> tuple[float, dict[str, Tensor], list[tuple[int, ...]]]:
    """The loss, the gradients, and the shapes of what was kept for them."""
    decoder.zero_grad()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(tuple(t.shape)) or t, lambda t: t):
        loss = decoder(hidden, batch).nanmean()
    loss.backward()
    return loss.item(), {name: p.grad.clone() for name, p in decoder.named_parameters() if p.grad is not None}, kept


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_in_chunks_are_not_kept_for_the_gradient_and_it_is_the_same(
    tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder, hidden, batch = read(tmp_path, family)
    decoder.eval().requires_grad_(True)
    pieces, count = decoder.output.weight.shape[0], int((batch.targets >= 0).sum())
    whole, gradients, kept = learnt(decoder, hidden, batch)
    assert (count, pieces) in kept
    monkeypatch.setattr(seq2seq, "ROOM", 5 * pieces)
    loss, found, kept = learnt(decoder, hidden, batch)
    assert not {(5, pieces), (count % 5, pieces), (count, pieces)} & set(kept)
    assert loss == pytest.approx(whole, rel=1e-6)
    assert found.keys() == gradients.keys()
    assert any("layer" in name or "block" in name for name in found)
    for name, gradient in gradients.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-5)


def plainly(decoder: Any, hidden: Tensor, batch: Batch, longest: int, beams: int) -> list[list[int]]:
    """Beam search, no three pieces twice, where every beam reads the input by itself and all that is stored moves."""
    search = Search(len(batch), beams, decoder.end, False)
    hidden, mask = hidden.repeat_interleave(beams, 0), batch.mask.long().repeat_interleave(beams, 0)
    last, past = torch.tensor(decoder.begin).expand(len(hidden), -1), None
    for _ in range(longest):
        given = {"encoder_hidden_states": hidden, "encoder_attention_mask": mask, "past_key_values": past}
        out = decoder.decoder(input_ids=last, use_cache=True, **given)
        logits = decoder.output(out.last_hidden_state[:, -1] * decoder.scale)
        logits = logits if decoder.bias is None else logits + decoder.bias
        logits[:, list(decoder.never)] = -math.inf
        kept = search.take(logits.log_softmax(-1))
        if search.over():
            break
        past, last = out.past_key_values, search.last.reshape(-1, 1)
        past.reorder_cache(kept)
    return [row.tolist() for row in search.best()]


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_by_beam_are_the_same_and_each_input_is_read_once(
    tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder, hidden, batch = read(tmp_path, family)
    decoder.eval()
    with torch.inference_mode():
        expected = [plainly(decoder, hidden, batch, 16, beams) for beams in (1, 2, 4)]
        assert expected[0] != expected[2]
        rows: list[int] = []
        for name, module in decoder.named_modules():
            if name.endswith(("EncDecAttention.k", "encoder_attn.k_proj")):
                module.register_forward_hook(lambda module, given, out: rows.append(len(given[0])))
        monkeypatch.delattr(EncoderDecoderCache, "reorder_cache")
        for beams, texts in zip((1, 2, 4), expected, strict=True):
            rows.clear()
            assert [row.tolist() for row in decoder.write(hidden, batch, 16, beams, False)] == texts
            assert rows == [len(batch)] * 2, "once for each of two layers"
