"""Which model folders are refused as encoder-decoders, and how the hub's models become folders."""

from __future__ import annotations

import fnmatch
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ctx import folders, hub
from ctx.config import ContextChoice, RunConfig, canonical, key
from ctx.errors import BadInput, Unavailable
from ctx.parts import Backbone, Choice
from ctx.registry import make
from tests.seq2seq_models import save


@pytest.fixture
def marian(tmp_path: Path) -> Path:
    return save(tmp_path / "model", "marian")


def config(path: object, name: str = "seq2seq", **knobs: str) -> RunConfig:
    return RunConfig(
        target=ContextChoice(id="translation/sample-office-en-es", size=32),
        backbone=Choice(name=name, knobs={"path": str(path), **knobs}),
        schedule=Choice(name="target-only"),
    )


def backbone(path: object, **knobs: str) -> Backbone:
    made: Backbone = make("backbones", config(path, **knobs).backbone)
    return made


def change(folder: Path, file: str = "config.json", **values: object) -> None:
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"auto_map": {"AutoModel": "evil.Model"}}, "code of its own"),
        ({"model_type": "bert"}, "“bert”; these can be used: t5, mt5, bart, mbart, marian, m2m_100"),
        ({"encoder_layers": 9999}, "sizes that no encoder-decoder has"),
        ({"d_model": "wide"}, "not an encoder-decoder's configuration"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(marian: Path, values: dict[str, object], says: str) -> None:
    change(marian, **values)
    with pytest.raises(BadInput, match=says):
        canonical(config(marian))


def test_weights_that_are_only_pickled_are_refused(marian: Path) -> None:
    (marian / "model.safetensors").rename(marian / "pytorch_model.bin")
    with pytest.raises(BadInput, match=r"has no model\.safetensors"):
        canonical(config(marian))


def test_a_damaged_file_of_weights_is_refused(marian: Path) -> None:
    (marian / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(BadInput, match="is no safetensors file"):
        canonical(config(marian))


def test_without_a_tokenizer_it_says_which_files_are_missing(marian: Path) -> None:
    (marian / "tokenizer.json").unlink()
    (marian / "vocab.json").write_text("{}")
    with pytest.raises(BadInput, match=r"no tokenizer\.json, nor source\.spm and target\.spm"):
        key(config(marian))


def test_a_tokenizer_that_needs_sentencepiece_says_so(marian: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (marian / "tokenizer.json").unlink()
    for name in ("vocab.json", "source.spm", "target.spm"):
        (marian / name).write_text("{}")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BadInput, match="pip install sentencepiece"):
        backbone(marian).encode(["a"])


def test_a_tokenizer_is_made_of_a_familys_own_files(tmp_path: Path) -> None:
    folder = save(tmp_path / "bart", "bart")
    (folder / "tokenizer.json").unlink()
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *"abcdefghijklmnopqrstuvwxyz", "Ġ", "ab"]
    (folder / "vocab.json").write_text(json.dumps({piece: id for id, piece in enumerate(pieces)}))
    (folder / "merges.txt").write_text("#version: 0.2\na b\n")
    made = backbone(folder)
    assert made.encode(["ab c"])[0].tolist() == [0, *(pieces.index(p) for p in ("ab", "Ġ", "c")), 2]
    assert made.target_ids(["abc"], 9)[0].tolist() == [pieces.index("ab"), pieces.index("c"), 2]
    assert made.decode([np.asarray([0, pieces.index("ab"), 2])]) == ["ab"]


def test_a_language_that_the_model_does_not_take_or_know_is_refused(marian: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="takes no language"):
        backbone(marian, language="es_XX").decoder()
    mbart = save(tmp_path / "mbart", "mbart")
    with pytest.raises(BadInput, match="knows no language “xx”"):
        backbone(mbart, language="xx").decoder()


def test_shards_that_an_index_lists_are_read_and_others_refused(marian: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSeq2SeqLM

    whole = backbone(marian)
    sharded = tmp_path / "sharded"
    AutoModelForSeq2SeqLM.from_pretrained(marian).save_pretrained(sharded, max_shard_size="20KB")
    shutil.copy(marian / "tokenizer.json", sharded)
    assert len(list(sharded.glob("*.safetensors"))) > 1
    made = backbone(sharded)
    assert made.parameters() == whole.parameters()
    ours, theirs = (dict(one.blocks(0)[0][1][1].named_parameters()) for one in (made, whole))
    assert all((value == theirs[name]).all() for name, value in ours.items())
    before = key(config(sharded))
    shard = min(sharded.glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:-4] + b"\0\0\0\1")
    assert key(config(sharded)) != before
    change(sharded, folders.INDEX, weight_map={"a": "../elsewhere.safetensors"})
    with pytest.raises(BadInput, match=r"names '\.\./elsewhere\.safetensors'"):
        made.layers()


def test_a_web_page_may_name_only_folders_on_the_servers_list(marian: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ctx.lab.link import view
    from ctx.lab.settings import setting
    from ctx.store import open_store

    store = open_store()

    address = {"app": "translation", "backbone": "seq2seq", "backbone.path": str(marian)}
    closed = view(address, store)
    assert closed.config.backbone.name != "seq2seq"
    assert closed.notes
    monkeypatch.setenv("CTX_MODEL_FOLDERS", str(marian.parent))
    open_ = view(address, store)
    assert not open_.notes
    assert open_.config.backbone.knobs["path"] == str(marian)
    assert setting(open_.config, "backbone.path").options == (str(marian),)
    hubs = view(address | {"backbone.path": "somebody/model"}, store)
    assert any("should be one of" in note for note in hubs.notes)
    assert hubs.config.backbone.knobs["path"] == str(marian)


def test_an_address_keeps_a_folder_beside_a_small_source(marian: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ctx.lab.link import view
    from ctx.store import open_store

    monkeypatch.setenv("CTX_MODEL_FOLDERS", str(marian.parent))
    contexts = {"source": "translation/sample-cafe-en-es", "target": "translation/sample-office-en-es"}
    sizes = {"source.size": "50", "target.size": "20"}
    wanted = {"app": "translation", "backbone": "seq2seq", "backbone.path": str(marian), **contexts, **sizes}
    assert view(wanted | {"tuning": "full", "tuning.decoder": "1"}, open_store()).notes == ()


def hub_of(monkeypatch: pytest.MonkeyPatch, source: Path) -> list[dict[str, Any]]:
    """A hub that holds one folder; gives what it was asked for."""
    asked: list[dict[str, Any]] = []

    def download(name: str, local_dir: Path, allow_patterns: list[str], ignore_patterns: list[str]) -> None:
        asked.append({"name": name, "folder": local_dir})
        for file in [path for path in source.rglob("*") if path.is_file()]:
            there = file.relative_to(source).as_posix()
            wanted = any(fnmatch.fnmatch(there, pattern) for pattern in allow_patterns)
            if wanted and not any(fnmatch.fnmatch(there, pattern) for pattern in ignore_patterns):
                (local_dir / there).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, local_dir / there)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    monkeypatch.delenv("CTX_OFFLINE")
    return asked


def test_a_model_of_the_hub_is_fetched_once_without_pickles_and_code(
    marian: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    for name in ("pytorch_model.bin", "modeling.py", "onnx/model.safetensors"):
        (marian / name).parent.mkdir(exist_ok=True)
        (marian / name).write_bytes(b"never fetched")
    asked = hub_of(monkeypatch, marian)
    made = backbone("somebody/model")
    assert made.knobs.path == "hf:somebody/model"
    assert made.layers() == backbone(marian).layers()
    assert made.digest(0) == backbone(marian).digest(0)
    backbone("hf:somebody/model").layers()
    assert [one["name"] for one in asked] == ["somebody/model"]
    fetched = {path.name for path in (home / "models" / "somebody--model").rglob("*")}
    assert fetched == {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"}


def test_an_encoder_of_the_hub_is_a_folder_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.test_folder import save as save_encoder

    save_encoder(tmp_path / "bert", "bert")
    hub_of(monkeypatch, tmp_path / "bert")
    made = make("backbones", Choice(name="folder", knobs={"path": "somebody/encoder"}))
    assert made.layers() == 3


def test_a_hub_that_cannot_be_reached_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    with pytest.raises(Unavailable, match="CTX_OFFLINE forbids fetching"):
        backbone("somebody/model").layers()

    def down(*given: object, **named: object) -> None:
        raise OSError("no route\nto host")

    monkeypatch.delenv("CTX_OFFLINE")
    monkeypatch.setattr("huggingface_hub.snapshot_download", down)
    with pytest.raises(
        Unavailable, match=r"no model of that name could be fetched from the hub \(OSError: no route to"
    ):
        backbone("somebody/model").layers()
    assert not (home / "models" / "somebody--model").exists()


def test_a_model_without_safetensors_on_the_hub_is_refused_and_leaves_nothing_behind(
    marian: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    weights = marian / "model.safetensors"
    weights.rename(marian / "pytorch_model.bin")
    hub_of(monkeypatch, marian)
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"^somebody/model has no weights in safetensors on the hub: "):
            backbone("somebody/model").layers()
        assert not [path for path in (home / "models").iterdir() if path.is_dir()]
    (marian / "pytorch_model.bin").rename(weights)
    assert backbone("somebody/model").layers() == backbone(marian).layers()


def test_a_folder_that_is_there_is_never_the_hubs(marian: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(marian.parent.parent)
    there = f"{marian.parent.name}/{marian.name}"
    assert hub.spelled(there) == str(marian)
    assert hub.spelled("somebody/model") == hub.spelled("hf:somebody/model") == "hf:somebody/model"
