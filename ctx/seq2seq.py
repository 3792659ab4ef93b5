"""Encoder-decoders of transformers: the encoder as blocks, the pretrained decoder as a head.

Each layer can be resumed from stored states. What the models tie is tied inside the encoder and inside the decoder; the
embedding that both read is each one's own here, since either may be frozen without the other. No layer is dropped
whole while they learn (LayerDrop).
"""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ctx.beam import Search
from ctx.errors import BadInput
from ctx.layers import AttentionLayer
from ctx.seq2seq_files import T5, setting
from ctx.seq2seq_text import end_of, language_id

if TYPE_CHECKING:
    import numpy as np

    from ctx.batches import Batch

ROOM = 2**25  # scores computed together: 128 MB
_loaded: OrderedDict[tuple[Path, str], Any] = OrderedDict()


def loaded(folder: Path, digest: str) -> Any:
    """The whole model, in float32 and for evaluation: safetensors only, nothing fetched, read once while it is used."""
    if (folder, digest) not in _loaded:
        from transformers import AutoModelForSeq2SeqLM

        _loaded.clear()
        model = AutoModelForSeq2SeqLM.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            attn_implementation="eager" if _is_t5(folder) else "sdpa",
            dtype=torch.float32,
        )
        _loaded[folder, digest] = _settled(model)
    return _loaded[folder, digest]


def forget() -> None:
    """Let go of the model."""
    _loaded.clear()


def _is_t5(folder: Path) -> bool:
    from ctx.seq2seq_files import sizes

    return sizes(folder).family in T5


def _settled(model: Any) -> Any:
    """Nothing learns yet; tables of sines are no parameters; no layer is ever dropped."""
    model.requires_grad_(False)
    for side in (model.get_encoder(), model.get_decoder()):
        side.layerdrop = 0.0
        places = getattr(side, "embed_positions", None)
        if model.config.model_type == "marian" and places is not None:
            table = places._parameters.pop("weight").data
            places.register_buffer("weight", table, persistent=False)
    return model.eval()


def blocks_of(model: Any) -> list[tuple[str, nn.Module]]:
    """The encoder's embedding and layers; what lies above the last layer belongs to it."""
    encoder = model.get_encoder()
    if model.config.model_type in T5:
        first = encoder.block[0].layer[0].SelfAttention
        layers: list[nn.Module] = [BiasedLayer(layer, first) for layer in encoder.block]
        above, below = copy.deepcopy(encoder.dropout), copy.deepcopy(encoder.dropout)  # one may learn, one be frozen
        top: nn.Module = nn.Sequential(encoder.final_layer_norm, above)
        embedding: nn.Module = Embedding(nn.Sequential(encoder.embed_tokens, below), 0)
    else:
        layers = [AttentionLayer(layer) for layer in encoder.layers]
        top = encoder.layer_norm if hasattr(encoder, "layer_norm") else nn.Identity()
        embedding = Embedding(Shell(encoder), model.config.pad_token_id)
    layers[-1] = Topped(layers[-1], top)
    return [("embedding", embedding), *((f"layer{i + 1}", layer) for i, layer in enumerate(layers))]


def decoder_of(model: Any, folder: Path, language: str) -> Decoder:
    """A copy of the decoder that writes a language ("": the model's own way to begin)."""
    end = end_of(folder)
    start, forced = setting(folder, "decoder_start_token_id"), setting(folder, "forced_bos_token_id")
    never = [ids[0] for ids in setting(folder, "bad_words_ids") or () if len(ids) == 1]
    family = model.config.model_type
    if language and family not in ("mbart", "m2m_100"):
        raise BadInput(f"{folder} holds a model of the family “{family}”, which takes no language: leave it out.")
    code = language_id(folder, language) if language else None
    if family == "mbart" and start != end and code is not None:  # the older kind begins with the language itself
        start, code = code, None
    if start is None:
        raise BadInput(f"{folder / 'config.json'} says not how a text begins: name the language to write in.")
    if family == "bart" and forced is None:  # every text that it has learnt to write begins so
        forced = setting(folder, "bos_token_id")
    second = forced if code is None else code
    begin = [start] if second is None else [start, second]
    return copy.deepcopy(Decoder(model, begin, end, never))


class Embedding(nn.Module):
    """The block below the layers: an inner module applied to ids, padded with the model's own padding."""

    def __init__(self, inner: nn.Module, padding: int) -> None:
        super().__init__()
        self.inner, self.padding = inner, padding

    def forward(self, hidden: Tensor | None, batch: Batch) -> Tensor:
        """``[B, T]`` ids to ``[B, T, W]``."""
        out: Tensor = self.inner(batch.inputs.masked_fill(~batch.mask, self.padding))
        return out


class Shell(nn.Module):
    """An encoder without its layers: what it makes of ids before the first one."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = copy.copy(encoder)
        inside = dict(encoder._modules, layers=nn.ModuleList())
        if "layer_norm" in inside:
            inside["layer_norm"] = nn.Identity()
        self.encoder._modules = inside

    def forward(self, ids: Tensor) -> Tensor:
        """``[B, T]`` ids to ``[B, T, W]``."""
        out: Tensor = self.encoder(input_ids=ids).last_hidden_state
        return out


class BiasedLayer(nn.Module):
    """A layer of T5's encoder. Its positions are those of the first layer's table, computed anew for every layer.

    The table is the first layer's: here it is only looked at.
    """

    def __init__(self, inner: nn.Module, first: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.first = (first,)  # in a tuple, so that it is no part of this layer

    def forward(self, hidden: Tensor, batch: Batch) -> Tensor:
        """``[B, T, W]`` to ``[B, T, W]``."""
        length = hidden.shape[1]
        bias = self.first[0].compute_bias(length, length)  # type: ignore[operator]
        away = torch.finfo(hidden.dtype).min
        bias = bias.masked_fill(~batch.mask[:, None, None, :], away)
        out: Tensor = self.inner(hidden, position_bias=bias)[0]
        return out


class Topped(nn.Module):
    """The last layer and what lies above it."""

    def __init__(self, layer: nn.Module, top: nn.Module) -> None:
        super().__init__()
        self.layer, self.top = layer, top

    def forward(self, hidden: Tensor, batch: Batch) -> Tensor:
        """``[B, T, W]`` to ``[B, T, W]``."""
        out: Tensor = self.top(self.layer(hidden, batch))
        return out


class Decoder(nn.Module):
    """A pretrained decoder, called as ``decoder(hidden, batch)``: the loss of every target piece ``[B, L]``.

    nan where there is none. ``begin``: the ids that every text begins with, the start and perhaps a language;
    ``end``: the id that ends it; ``never``: ids that are never written. `write` gives the ids of texts.
    """

    bias: Tensor | None

    pretrained = True  # for penalties that hold what was learnt before

    def __init__(self, model: Any, begin: Sequence[int], end: int, never: Sequence[int] = ()) -> None:
        super().__init__()
        self.decoder, self.output = model.get_decoder(), model.get_output_embeddings()
        self.begin, self.end, self.never = tuple(begin), end, tuple(never)
        config = model.config
        scaled = config.model_type == "t5" and getattr(config, "scale_decoder_outputs", config.tie_word_embeddings)
        self.scale: float = config.d_model**-0.5 if scaled else 1.0
        self.padding: int = config.pad_token_id
        self.register_buffer("bias", getattr(model, "final_logits_bias", None), persistent=False)

    def parts(self) -> list[list[nn.Parameter]]:
        """The parameters that may be frozen, lowest first: the embedding, then each layer."""
        layers = self.decoder.block if hasattr(self.decoder, "block") else self.decoder.layers
        names = ("embed_tokens", "embed_positions", "layernorm_embedding")
        below = [module for name in names if (module := getattr(self.decoder, name, None)) is not None]
        return [[p for module in below for p in module.parameters()], *(list(layer.parameters()) for layer in layers)]

    def forward(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of each target piece (natural log), given the true ones before it."""
        return self.losses(self.told(hidden, batch), batch)

    def losses(self, told: tuple[Tensor, ...], batch: Batch) -> Tensor:
        """The same of what it told of the batch."""
        (states,), (targets, there) = told, batch.texts
        losses = torch.full(targets.shape, math.nan, dtype=states.dtype)
        return losses.masked_scatter(there, self._some(self._loss, states, targets[there]))

    def likely(self, hidden: Tensor, batch: Batch, most: int) -> tuple[Tensor, Tensor]:
        """The most likely pieces after each beginning of the true texts, as `ctx.writer.Writer.likely` gives them."""
        (states,) = self.told(hidden, batch)
        most = min(most, self.output.weight.shape[0])
        best = [self._scores(some).log_softmax(-1).topk(most) for some in torch.split(states, self._size)]
        return torch.cat([one.indices for one in best]), torch.cat([one.values for one in best])

    def likelihood(self, told: tuple[Tensor, ...], batch: Batch, ids: Tensor) -> Tensor:
        """The log-probabilities of pieces ``[N, K]`` by what it told of the batch."""
        return self._some(self._each, told[0], ids)

    def told(self, hidden: Tensor, batch: Batch) -> tuple[Tensor, ...]:
        """The last layer's states ``[N, W]`` from which target pieces are foretold, each by the true ones before it."""
        targets, there = batch.texts
        begin = torch.tensor(self.begin).expand(len(targets), -1)
        before = torch.cat([begin, targets[:, :-1].masked_fill(~there[:, :-1], self.padding)], dim=1)
        states = self.decoder(
            input_ids=before, encoder_hidden_states=hidden, encoder_attention_mask=batch.mask.long(), use_cache=False
        ).last_hidden_state[:, len(self.begin) - 1 :]
        return (states[there],)

    def _some(self, each: Callable[[Tensor, Tensor], Tensor], states: Tensor, wanted: Tensor) -> Tensor:
        """``each`` of states ``[N, W]``, some at a time: all scores at once would take gigabytes of a large vocabulary.

        While it learns they are dropped and computed again for the gradient.
        """
        chunks = zip(torch.split(states, self._size), torch.split(wanted, self._size), strict=True)
        if torch.is_grad_enabled() and len(states) > self._size:
            return torch.cat([checkpoint(each, some, ids, use_reentrant=False) for some, ids in chunks])
        return torch.cat([each(some, ids) for some, ids in chunks])

    @property
    def _size(self) -> int:
        """How many states are scored together."""
        return max(ROOM // len(self.output.weight), 1)

    def _loss(self, states: Tensor, wanted: Tensor) -> Tensor:
        return F.cross_entropy(self._scores(states), wanted, reduction="none")

    def _each(self, states: Tensor, wanted: Tensor) -> Tensor:
        return self._scores(states).log_softmax(-1).gather(-1, wanted)

    def write(
        self, hidden: Tensor, batch: Batch, longest: int, beams: int = 1, repeats: bool = True
    ) -> list[np.ndarray]:
        """The ids of a text an example, the end left out: the best of ``beams`` by mean log-probability; 1: greedy."""
        search = Search(len(batch), beams, self.end, repeats)
        mask = batch.mask.long()
        last, past = torch.tensor(self.begin).expand(len(hidden), -1), None
        for step in range(longest):
            out = self.decoder(
                input_ids=last,
                encoder_hidden_states=hidden,
                encoder_attention_mask=mask,
                past_key_values=past,
                use_cache=True,
            )
            scores = torch.log_softmax(self._allowed(self._scores(out.last_hidden_state[:, -1])), dim=-1)
            kept = search.take(scores if step else scores.repeat_interleave(beams, 0))
            if search.over():
                break
            past, last = out.past_key_values, search.last.reshape(-1, 1)
            if beams > 1 and step == 0:  # till here an example's beams are one
                past.batch_repeat_interleave(beams)
                hidden, mask = hidden.repeat_interleave(beams, 0), mask.repeat_interleave(beams, 0)
            elif beams > 1:  # what is read of the input is the same in all beams of an example
                past.self_attention_cache.reorder_cache(kept)
        return [row.numpy() for row in search.best()]

    def _scores(self, states: Tensor) -> Tensor:
        """Logits ``[…, V]``."""
        scores: Tensor = self.output(states * self.scale)
        return scores if self.bias is None else scores + self.bias

    def _allowed(self, scores: Tensor) -> Tensor:
        return scores.index_fill(-1, torch.tensor(self.never), -math.inf) if self.never else scores
