"""What half precision saves of a frozen prefix, and what it does to scores.

    python -m tests.benchmarks.half

The Lab's own pair, MiniLM: bytes on disk and CPU seconds to fill and to read again, for the source at depth 4 (a state
a token), float32 and float16 in turn; then test macro-F1 on the target over 3 draws, with all layers frozen and with 5.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from unittest.mock import patch

import numpy as np
import torch

from ctx.config import RunConfig, canonical
from ctx.home import home
from ctx.lab.data import default
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.setup import Setup
from ctx.train import Trainer
from tests.benchmarks.draws import run

TIMES, DRAWS, METRIC, ROWS = 3, 3, "macro_f1", 256
CONFIG = default("sentiment")
TUNINGS = {"all frozen": Choice(name="head"), "5 of 6 frozen": Choice(name="freeze", knobs={"layers": 5})}


@contextmanager
def fresh_home() -> Iterator[Path]:
    """A home with the archives of the usual one and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "assets").symlink_to((home() / "assets").resolve())
        with patch.dict(os.environ, {"CTX_HOME": folder}):
            yield Path(folder)


def asked(tuning: Choice, half: bool) -> RunConfig:
    return CONFIG.model_copy(update={"tuning": tuning, "half": half})


def read_all(half: bool) -> float:
    """CPU seconds that a new process's memory takes to have the source's states at depth 4."""
    trainer = Trainer(Setup(canonical(asked(Choice(name="freeze", knobs={"layers": 4}), half))), Memo(shared=True))
    trainer.begin()
    encoded = trainer.setup.rows["source"].encoded
    order = np.argsort(encoded.lengths, kind="stable")
    began = time.process_time()
    for start in range(0, len(order), ROWS):
        trainer.frozen(encoded.batch(order[start : start + ROWS]))
    return time.process_time() - began


def room() -> None:
    """Bytes, and the medians of filling and reading, arms in turn."""
    filled: dict[bool, list[float]] = {False: [], True: []}
    again: dict[bool, list[float]] = {False: [], True: []}
    sizes: dict[bool, int] = {}
    for _ in range(TIMES):
        for half in filled:
            with fresh_home() as folder:
                filled[half].append(read_all(half))
                again[half].append(read_all(half))
                sizes[half] = sum(path.stat().st_size for path in (folder / "features").iterdir())
    print("| kept as | MB | fill, CPU s | read again, CPU s |\n|---|---|---|---|")
    for half, name in ((False, "float32"), (True, "float16")):
        print(f"| {name} | {sizes[half] / 1e6:.1f} | {median(filled[half]):.1f} | {median(again[half]):.2f} |")


def scores() -> None:
    """Test macro-F1 by draw, and the largest difference."""
    print("| tuning | kept as | " + " | ".join(f"draw {n}" for n in range(DRAWS)) + " |")
    print("|---" * (DRAWS + 2) + "|")
    for name, tuning in TUNINGS.items():
        found = {half: run(asked(tuning, half), METRIC, DRAWS).test for half in (False, True)}
        for half, kept in ((False, "float32"), (True, "float16")):
            print(f"| {name} | {kept} | " + " | ".join(f"{value:.4f}" for value in found[half].values()) + " |")
        apart = [abs(found[True][n] - found[False][n]) for n in range(DRAWS)]
        print(f"| {name} | largest and mean difference | {max(apart):.4f} | {np.mean(apart):.4f} | |", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    room()
    scores()
