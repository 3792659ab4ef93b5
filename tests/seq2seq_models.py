"""Small random encoder-decoders of every family, as transformers saves them, with a tokenizer made for the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

TEXTS = [
    "Save the file. Then close the window.",
    "Open a new tab",
    "The value must be a number between one and ten.",
    "No such folder: look for it and try again, or make it now and go on from there.",
]
WORDS = "Guarda el archivo. Abre una nueva ventana; cierra la carpeta que no existe, y después sigue."
FAMILIES = ("t5", "mt5", "bart", "mbart", "marian", "m2m_100")
LANGUAGES = ("en_XX", "es_XX")


def save(folder: Path, family: str, **changes: Any) -> Path:
    """A random model of a family; ``changes`` go to its configuration."""
    from transformers import AutoConfig, AutoModelForSeq2SeqLM

    vocabulary = _tokenizer(folder, family)
    torch.manual_seed(sum(family.encode()))
    config = AutoConfig.for_model(family, **(_sizes(family, vocabulary) | changes))
    model = AutoModelForSeq2SeqLM.from_config(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():  # far from the start, so that what is left out would show
            if parameter.requires_grad:
                size = 0.1 if "shared" in name or parameter.ndim == 1 else 0.2 if "t5" in family else 0.5
                parameter.add_(size * torch.randn_like(parameter))
        if hasattr(model, "final_logits_bias"):
            model.final_logits_bias.normal_()
    for name, value in _begins(family).items():
        setattr(model.generation_config, name, value)
    model.save_pretrained(folder)
    return folder


def _sizes(family: str, vocabulary: int) -> dict[str, Any]:
    if family in ("t5", "mt5"):
        kind = "gated-gelu" if family == "mt5" else "relu"
        return {
            "vocab_size": vocabulary,
            "d_model": 32,
            "d_kv": 8,
            "d_ff": 48,
            "num_layers": 3,
            "num_decoder_layers": 2,
            "num_heads": 4,
            "feed_forward_proj": kind,
            "relative_attention_num_buckets": 8,
            "relative_attention_max_distance": 16,
            "decoder_start_token_id": 0,
            "pad_token_id": 0,
            "eos_token_id": 1,
            "tie_word_embeddings": family == "t5",
        }
    ids = {"pad_token_id": 1, "eos_token_id": 2, "bos_token_id": 0, "decoder_start_token_id": 2}
    if family == "marian":
        ids = {"pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1, "forced_eos_token_id": None}
    return {
        "vocab_size": vocabulary,
        "decoder_vocab_size": vocabulary,
        "d_model": 32,
        "encoder_layers": 3,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 48,
        "decoder_ffn_dim": 40,
        "max_position_embeddings": 128,
        "scale_embedding": family != "bart",
        **ids,
    }


def _begins(family: str) -> dict[str, Any]:
    if family == "marian":
        return {"bad_words_ids": [[1]], "forced_eos_token_id": None}
    return {"forced_eos_token_id": None} | ({"forced_bos_token_id": 0} if family == "bart" else {})


def _tokenizer(folder: Path, family: str) -> int:
    """Pieces of a Unigram model with the special tokens that the family has; gives how many there are."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    t5 = family in ("t5", "mt5")
    special = ["<pad>", "</s>", "<unk>"] if t5 else ["<s>", "<pad>", "</s>", "<unk>", *LANGUAGES]
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=special, unk_token="<unk>", show_progress=False)
    made.train_from_iterator([*TEXTS, WORDS] * 3, trainer)
    frames = {"bart": "<s> $A </s>", "mbart": "en_XX $A </s>", "m2m_100": "en_XX $A </s>"}
    made.post_processor = processors.TemplateProcessing(
        single=frames.get(family, "$A </s>"), special_tokens=[(token, special.index(token)) for token in special]
    )
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    return int(made.get_vocab_size())
