"""Splits and token ids of contexts that are slow to read: made once, then read back the same."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from ctx import batches, cards, data, embeddings, kept, pairs
from ctx.config import ContextChoice, RunConfig
from ctx.gc import collect
from ctx.parts import Choice
from ctx.registry import make, part, task_of
from ctx.store import open_store

CONTEXTS = ["sentiment/sample-cafes-en", "ner/sample-office-en", "summarisation/sample-notices-en"]


def prepared(name: str) -> tuple[data.Splits, batches.Encoded]:
    """As a fresh process makes them."""
    data._splits.cache_clear()
    batches._memo.clear()
    config = RunConfig(target=ContextChoice(id=name))
    assert config.target is not None
    backbone = make("backbones", Choice(name="tiny"))
    rows = batches.rows_of(config, config.target, backbone, task_of(part("contexts", name).application))
    return data.splits(config.target), rows.encoded


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """From here on nothing is divided and nothing tokenized."""

    def fail(*given: object) -> object:
        raise AssertionError("it is on disk")

    monkeypatch.setattr(data, "divide", fail)
    monkeypatch.setattr(part("backbones", "tiny"), "encode", fail)
    monkeypatch.setattr(part("backbones", "tiny"), "encode_words", fail)
    return monkeypatch


@pytest.mark.parametrize("name", CONTEXTS)
def test_the_second_time_a_slow_context_is_read_back_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(part("contexts", name), "slow", True)
    splits, encoded = prepared(name)
    request.getfixturevalue("forbidden")
    again, found = prepared(name)
    assert again == splits
    assert all(np.array_equal(one, other) for one, other in zip(encoded.inputs, found.inputs, strict=True))
    assert found.inputs[0].dtype == encoded.inputs[0].dtype
    for field in ("targets", "lengths", "references"):
        assert np.array_equal(getattr(found, field), getattr(encoded, field))


def test_what_is_fast_to_read_is_not_kept(home: Path) -> None:
    prepared(CONTEXTS[0])
    assert not (home / "splits").exists()
    assert not (home / "tokens").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"{}", b'{"train": [["one field"]]}'])
def test_what_cannot_be_read_back_is_made_again(home: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(part("contexts", CONTEXTS[0]), "slow", True)
    splits, encoded = prepared(CONTEXTS[0])
    for place in (*home.glob("splits/*"), *home.glob("tokens/*")):
        place.write_bytes(content)
    again, found = prepared(CONTEXTS[0])
    assert again == splits
    assert np.array_equal(found.lengths, encoded.lengths)


def test_what_was_used_least_recently_goes_beyond_the_bounds(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctx.gc.CACHE_BYTES", 1_400)
    day, text = 86_400, {"text": "x" * 280}

    def aged(path: Path, days: int) -> None:
        os.utime(path, (time.time() - days * day,) * 2)

    for days, name in ((100, "forgotten"), (3, "used"), (2, "idle"), (1, "new")):
        for folder in ("cards", "distances"):
            kept.keep_document(folder, name, text)
            aged(home / folder / f"{name}.json", days)
    vectors = np.ones(4, np.float32)
    kept.array("embeddings", "vectors", lambda: vectors)
    aged(home / "embeddings" / "vectors.npy", 100)
    assert kept.document("cards", "used") == kept.document("distances", "used") == text
    assert np.array_equal(kept.array("embeddings", "vectors", lambda: vectors * 2), vectors)
    gone = collect(open_store())
    left = [path.name for folder in kept.FOLDERS for path in sorted((home / folder).glob("*"))]
    assert left == ["new.json", "used.json", "new.json", "used.json", "vectors.npy"]
    assert gone.cached == 4 * (home / "cards" / "new.json").stat().st_size
    assert collect(open_store()).cached == 0


def test_nothing_is_kept_where_gc_does_not_look() -> None:
    with pytest.raises(AssertionError, match="elsewhere"):
        kept.keep_document("elsewhere", "x", {})
    assert {cards.FOLDER, pairs.FOLDER, pairs.DISTANCES, embeddings.FOLDER} <= set(kept.FOLDERS)


def test_another_version_of_a_backbone_reads_its_own_token_ids(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part("contexts", CONTEXTS[0]), "slow", True)
    prepared(CONTEXTS[0])
    monkeypatch.setattr(part("backbones", "tiny"), "version", 7)
    prepared(CONTEXTS[0])
    assert len(list(home.glob("tokens/*"))) == 2
