"""A model folder of the user's own: plain encoders run, anything else is refused before it is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ctx import folders
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical, key
from ctx.errors import BadInput
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.train import train

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    *["the", "coffee", "was", "good", "bad", "not", "very", "service", "slow", "nice", "battery", "screen"],
]


def save(folder: Path, family: str, **changes: int) -> None:
    """A small random encoder of a family, with a tokenizer, as Hugging Face writes them."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import AutoConfig, AutoModel

    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48}
    sizes |= {"vocab_size": len(WORDS), "max_position_embeddings": 64, "pad_token_id": 0} | changes
    config = AutoConfig.for_model(family, **sizes)
    AutoModel.from_config(config).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    save(tmp_path / "model", "bert")
    return tmp_path / "model"


def config(folder: Path, tuning: str = "full", **knobs: object) -> RunConfig:
    return RunConfig(
        sources=(SourceChoice(id="sentiment/sample-cafes-en", size=40),),
        target=ContextChoice(id="sentiment/sample-gadgets-en", size=20),
        backbone=Choice(name="folder", knobs={"path": str(folder), **knobs}),
        tuning=Choice(name=tuning),
        optim=Optim(epochs=1, min_updates=3),
    )


@pytest.mark.parametrize("family", folders.FAMILIES)
@pytest.mark.parametrize("tuning", ["full", "head"])
def test_every_family_runs(tmp_path: Path, family: str, tuning: str) -> None:
    save(tmp_path / family, family)
    final = list(train(config(tmp_path / family, tuning), features=Memo()))[-1].final
    assert final is not None
    assert final["metrics"]["target"]["macro_f1"] > 0


@pytest.mark.parametrize("family", folders.FAMILIES)
def test_the_parameters_it_says_are_those_it_has(tmp_path: Path, family: str) -> None:
    save(tmp_path / family, family)
    from ctx.registry import make

    backbone = make("backbones", config(tmp_path / family).backbone)
    blocks, width = backbone.blocks(0)
    assert [sum(p.numel() for p in block.parameters()) for _, block in blocks] == backbone.parameters()
    assert width == 32


def test_a_read_out_below_the_top_leaves_the_layers_above_away(bert: Path) -> None:
    final = list(train(config(bert, readout=1), features=Memo()))[-1].final
    whole = list(train(config(bert), features=Memo()))[-1].final
    assert final is not None
    assert whole is not None
    assert final["parameters"]["total"] < whole["parameters"]["total"]


def test_changed_weights_are_another_run(bert: Path) -> None:
    before = key(config(bert))
    weights = bert / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    assert key(config(bert)) != before


def test_changed_weights_are_read_again_in_the_same_process(bert: Path, tmp_path: Path) -> None:
    before = list(train(config(bert, "head"), features=Memo()))[-1].final
    save(tmp_path / "other", "bert")
    (bert / "model.safetensors").write_bytes((tmp_path / "other" / "model.safetensors").read_bytes())
    after = list(train(config(bert, "head"), features=Memo()))[-1].final
    fresh = list(train(config(tmp_path / "other", "head"), features=Memo()))[-1].final
    assert before["metrics"] != after["metrics"] == fresh["metrics"]


def test_a_relative_path_is_the_same_folder_wherever_a_worker_stands(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bert.parent)
    relative = config(Path("model"))
    assert key(relative) == key(config(bert))
    assert canonical(relative).backbone.knobs["path"] == str(bert)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"auto_map": {"AutoModel": "evil.Model"}}, "code of its own"),
        ({"model_type": "gpt2"}, "these can be used: bert"),
        ({"num_hidden_layers": 9999}, "sizes that no encoder has"),
        ({"hidden_size": "wide"}, "not an encoder's configuration"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(bert: Path, change: dict[str, object], says: str) -> None:
    path = bert / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadInput, match=says):
        canonical(config(bert))


@pytest.mark.parametrize("name", folders.FILES)
def test_a_folder_without_safetensors_configuration_or_tokenizer_is_refused(bert: Path, name: str) -> None:
    (bert / name).unlink()
    (bert / "pytorch_model.bin").write_bytes(b"never unpickled")
    with pytest.raises(BadInput, match=f"has no {name}"):
        canonical(config(bert))


def test_a_web_page_may_name_only_folders_on_the_servers_list(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="not on this server's list"):
        folders.check_allowed(str(bert))
    monkeypatch.setenv("CTX_MODEL_FOLDERS", str(bert.parent))
    folders.check_allowed(str(bert))
    with pytest.raises(BadInput):
        folders.check_allowed(str(bert / ".." / ".." / "elsewhere"))
