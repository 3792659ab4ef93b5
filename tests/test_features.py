"""Frozen outputs on disk: filled by several processes, read by others, and never wrong whatever happens to the file."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from ctx import batches
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical
from ctx.evaluation import first_looked
from ctx.features import HEADER, Rows
from ctx.home import home
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.registry import part
from ctx.setup import Setup
from ctx.train import train
from ctx.warm import warm

LENGTHS, WIDTH = np.arange(3, 43), 8
EVERY = np.arange(len(LENGTHS))

FILL = """
import sys
import numpy as np
from ctx.features import Rows
from tests.test_features import EVERY, LENGTHS, states
limit, seed = map(int, sys.argv[2:])
if limit:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
rows = Rows(sys.argv[1], LENGTHS)
for row in np.random.default_rng(seed).permutation(EVERY):
    rows.write(EVERY[[row]], states()[[row]])
print(sum(1 for _ in rows.read(EVERY)))
"""


def states() -> np.ndarray:
    """What is kept: ``[N, T, W]``."""
    shape = (len(LENGTHS), int(LENGTHS.max()), WIDTH)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def filling(name: str, limit: int = 0, seed: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FILL, name, str(limit), str(seed)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])


def right(found: Iterator[tuple[int, np.ndarray]]) -> list[int]:
    """The rows that are there, each compared."""
    rows = []
    for row, value in found:
        assert np.array_equal(value, states()[row, : LENGTHS[row]])
        rows.append(row)
    return rows


def file(name: str) -> Path:
    return home() / "features" / f"{name}.bin"


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file with every row."""
    monkeypatch.setenv("CTX_HOME", str(tmp_path))
    Rows("filled", LENGTHS).write(EVERY, states())
    return "filled"


def test_two_processes_that_fill_one_file_leave_all_rows_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_HOME", str(tmp_path))
    for process in [filling("both", seed=seed) for seed in (1, 2)]:
        assert process.communicate()[0].split() == [str(len(EVERY))]
    assert right(Rows("both", LENGTHS).read(EVERY)) == EVERY.tolist()


def test_texts_of_one_state_come_back_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_HOME", str(tmp_path))
    kept = states()[:, 0]
    Rows("flat", LENGTHS).write(EVERY[5:], kept[5:])
    found = dict(Rows("flat", LENGTHS).read(EVERY))
    assert list(found) == EVERY[5:].tolist()
    assert all(np.array_equal(value, kept[row]) for row, value in found.items())


@pytest.mark.parametrize("share", [0.0, 0.002, 0.01, 0.3, 0.9])
def test_of_a_file_cut_short_what_is_whole_is_read_and_the_rest_is_written_again(filled: str, share: float) -> None:
    content = file(filled).read_bytes()
    file(filled).write_bytes(content[: int(len(content) * share)])
    rows = Rows(filled, LENGTHS)
    there = right(rows.read(EVERY))
    assert len(there) < len(EVERY)
    rows.write(EVERY, states())
    assert right(Rows(filled, LENGTHS).read(EVERY)) == EVERY.tolist()


def test_wherever_a_bit_is_flipped_nothing_wrong_is_read(filled: str) -> None:
    content = file(filled).read_bytes()
    random = np.random.default_rng(0)
    for place in [*range(HEADER.size), *random.integers(HEADER.size, len(content), 60).tolist()]:
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(random.integers(8))
        file(filled).write_bytes(bytes(flipped))
        rows = Rows(filled, LENGTHS)
        missing = np.setdiff1d(EVERY, right(rows.read(EVERY)))
        rows.write(missing, states()[missing])
        assert right(Rows(filled, LENGTHS).read(EVERY)) == EVERY.tolist()


def test_a_file_that_is_deleted_while_it_is_in_use_is_made_again_and_shared_again(filled: str) -> None:
    rows, others = Rows(filled, LENGTHS), Rows(filled, LENGTHS)
    assert right(rows.read(EVERY)) == EVERY.tolist()
    file(filled).unlink()
    assert right(rows.read(EVERY)) == []
    others.write(EVERY[:7], states()[:7])
    rows.write(EVERY[7:], states()[7:])
    assert right(others.read(EVERY)) == EVERY.tolist()


def test_no_file_stays_open(filled: str) -> None:
    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    kept = [Rows(filled, LENGTHS) for _ in range(50)]
    assert all(right(rows.read(EVERY[:1])) == [0] for rows in kept)
    next(kept[0].read(EVERY))  # left in the middle
    gc.collect()
    assert before == 0 or len(list(Path("/proc/self/fd").iterdir())) <= before


def test_the_least_recently_used_files_make_room_for_a_new_one(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Rows("second", LENGTHS).write(EVERY, states())
    for days, name in ((1, filled), (2, "second")):
        os.utime(file(name), (time.time() - days * 86_400,) * 2)
    size = file(filled).stat().st_size
    assert size <= 512 * file(filled).stat().st_blocks + 4096
    monkeypatch.setattr("ctx.kept.BULKY_BYTES", 1.5 * size)
    next(Rows("second", LENGTHS).read(EVERY))  # is use
    Rows("third", LENGTHS).write(EVERY, states())
    assert sorted(path.stem for path in (home() / "features").iterdir()) == ["second", "third"]


def test_a_disk_that_is_nearly_full_is_left_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_HOME", str(tmp_path))
    monkeypatch.setattr("ctx.kept.FREE", 1e18)
    rows = Rows("late", LENGTHS)
    rows.write(EVERY, states())
    assert not rows.usable
    assert right(rows.read(EVERY)) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on a process's files there")
def test_where_the_disk_takes_no_more_the_rows_that_it_took_are_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTX_HOME", str(tmp_path))
    process = filling("full", limit=10_000)
    printed = process.communicate()[0]
    assert process.returncode == 0
    found = right(Rows("full", LENGTHS).read(EVERY))
    assert 0 < len(found) == int(printed) < len(EVERY)


def test_where_no_file_can_be_made_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "features").write_text("in the way")
    monkeypatch.setenv("CTX_HOME", str(tmp_path))
    rows = Rows("none", LENGTHS)
    rows.write(EVERY, states())
    assert right(rows.read(EVERY)) == []


# -- in training

BLOCKS = 4  # of the tiny encoder: the embedding, two layers, the read-out
LOWEST = Choice(name="freeze", knobs={"layers": 1})
CONFIG = RunConfig(
    sources=(SourceChoice(id="sentiment/sample-cafes-en", size=60),),
    target=ContextChoice(id="sentiment/sample-gadgets-en", size=20),
    backbone=Choice(name="tiny"),
    optim=Optim(epochs=2, min_updates=4),
)


@pytest.fixture
def pretrained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As though the tiny encoder were one that others share."""
    monkeypatch.setenv("CTX_HOME", str(tmp_path))
    monkeypatch.setattr(part("backbones", "tiny"), "pretrained", True)


@pytest.mark.usefixtures("pretrained")
@pytest.mark.parametrize("tuning", [Choice(name="head"), LOWEST])
def test_another_process_computes_nothing_again_and_gets_the_same_bits(tuning: Choice) -> None:
    config = CONFIG.model_copy(update={"tuning": tuning})
    plain, first, second, third = Memo(), Memo(shared=True), Memo(limit=1, shared=True), Memo(shared=True)
    without, cold, warm, remembering = (list(train(config, features=memo)) for memo in (plain, first, second, third))
    assert first.computed == plain.computed > 0
    assert second.computed == third.computed == 0
    for events in (cold, warm, remembering):
        assert [(e.step, e.values) for e in events] == [(e.step, e.values) for e in without]
        ends = without[-1].snapshot().tensors, events[-1].snapshot().tensors
        assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


@pytest.mark.usefixtures("pretrained")
def test_a_process_holds_one_encoder_and_none_once_it_has_read_a_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    held: dict[str, object] = {}
    monkeypatch.setattr("ctx.model._loaded", held)
    for width in (32, 64):
        wide = Choice(name="tiny", knobs={"width": width})
        list(train(CONFIG.model_copy(update={"backbone": wide}), features=Memo(shared=True)))
        assert len(held) == 1
    warm(CONFIG, features=Memo(shared=True))
    assert not held


@pytest.mark.usefixtures("pretrained")
@pytest.mark.parametrize(("tuning", "held"), [(Choice(name="head"), True), (LOWEST, False)])
def test_states_of_every_token_stay_on_the_disk_alone(tuning: Choice, held: bool) -> None:
    memo = Memo(shared=True)
    list(train(CONFIG.model_copy(update={"tuning": tuning}), features=memo))
    frozen = {name: table for name, table in memo.tables.items() if held or name[1] < BLOCKS}
    assert frozen
    assert all((table.bytes > 0) == held for table in frozen.values())


@pytest.mark.usefixtures("pretrained")
def test_where_the_disk_takes_nothing_memory_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctx.kept.FREE", 1e18)
    tables = Memo(shared=True)
    list(train(CONFIG, features=tables))
    few, once = (
        Memo(limit=max(sum(table.bytes for table in tables.tables.values()) // 4, 1), shared=True),
        tables.computed,
    )
    list(train(CONFIG, features=few))
    assert few.computed == once > 0


@pytest.mark.usefixtures("pretrained")
@pytest.mark.parametrize("what", ["version", "texts"])
def test_another_backbone_or_other_tokens_have_a_file_of_their_own(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    list(train(CONFIG, features=Memo(shared=True)))
    files = len(list((home() / "features").iterdir()))
    if what == "version":
        monkeypatch.setattr(part("backbones", "tiny"), "version", 7)
    else:
        monkeypatch.setattr(batches, "_memo", OrderedDict())
        encode = part("backbones", "tiny").encode
        monkeypatch.setattr(
            part("backbones", "tiny"), "encode", lambda self, texts: [row[::-1].copy() for row in encode(self, texts)]
        )
    list(train(CONFIG, features=Memo(shared=True)))
    assert len(list((home() / "features").iterdir())) == 2 * files
    monkeypatch.setattr(batches, "_memo", OrderedDict())


@pytest.mark.usefixtures("pretrained")
def test_what_only_a_run_can_use_is_not_kept_on_disk() -> None:
    full, memo = CONFIG.model_copy(update={"tuning": Choice(name="full")}), Memo(shared=True)
    list(train(full, features=memo))
    setup = Setup(canonical(full))
    assert memo.computed == sum(len(first_looked(setup, key)) for key in setup.rows)  # as all runs begin
    assert {name[1] for name in memo.tables} == {BLOCKS}


def test_random_encoders_are_not_kept_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_HOME", str(tmp_path))
    list(train(CONFIG.model_copy(update={"tuning": Choice(name="head")}), features=Memo(shared=True)))
    assert not (home() / "features").exists()
