"""Our loop against bare PyTorch loops on the same batches: MiniLM, nothing frozen; time, memory, share of the peak.

    python -m tests.benchmarks.loop [--rounds N]

Arms in turn in one process, another first in each round, medians of CPU seconds for the same 12 updates on one thread:

- bare: a loop as one would write it by hand, on the model as transformers has it, padded batches;
- bare, our layers: the same loop on our blocks, so that what is left is what `Trainer` costs;
- ours, not deterministic, and ours as it is.

The share of the peak counts six operations for every parameter of a layer and real token, against products of one
layer's size measured before each arm. Then every arm's peak of resident memory, in a process of its own; there ours is
a worker's: a run from the store, with all it looks at, and its checkpoints.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from ctx import products
from ctx.batches import Batch
from ctx.config import ContextChoice, Optim, RunConfig, canonical
from ctx.home import home
from ctx.model import Model, build
from ctx.parts import Choice
from ctx.setup import Setup
from ctx.train import Trainer
from tests.benchmarks.trainer import Net

UPDATES = 12
CONFIG = RunConfig(
    target=ContextChoice(id="sentiment/products", size=512),
    schedule=Choice(name="target-only", knobs={"updates": UPDATES}),
    tuning=Choice(name="full"),
    optim=Optim(epochs=1),
)
ARMS = ("bare", "bare, our layers", "ours, not deterministic", "ours")


class Bare(nn.Module):
    """Our blocks and head, called one after the other."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Tensor:
        """``[B, 2]``."""
        hidden = None
        for block in self.model.blocks.values():
            hidden = block(hidden, batch)
        (head,) = self.model.heads.values()
        out: Tensor = head(hidden, batch)
        return out


class Theirs(Net):
    """The model as transformers has it."""

    def __init__(self) -> None:
        super().__init__(0, 0.0, favoured=True)

    def forward(self, batch: Batch) -> Tensor:  # type: ignore[override]
        """``[B, 2]``."""
        return self.logits(batch.inputs, batch.mask.long())


def bare(setup: Setup, model: nn.Module) -> Iterator[None]:
    """A loop as one would write it by hand."""
    rows, sampler = setup.rows["target"], setup.samplers["target"]
    adam = torch.optim.AdamW(model.train().parameters(), lr=5e-5, fused=True)
    for n in range(UPDATES):
        batch = rows.encoded.batch(sampler[n])
        loss = torch.nn.functional.cross_entropy(model(batch), batch.targets)
        adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        yield


def loop(arm: str) -> Iterator[object]:
    """An arm's updates, one by one."""
    setup = Setup(canonical(CONFIG))
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(arm == "ours")
    torch.utils.deterministic.fill_uninitialized_memory = False
    if arm == "bare":
        return bare(setup, Theirs())
    if arm == "bare, our layers":
        return bare(setup, Bare(build(setup.config, setup.rows, setup.task)))
    trainer = Trainer(setup)
    trainer.begin()
    return itertools.islice(trainer._phase(trainer.setup.phases[0]), UPDATES)


def seconds(arm: str) -> float:
    """Of all its updates but the first, a core's."""
    updates = loop(arm)
    next(updates)
    began = time.process_time()
    for _ in updates:
        pass
    return time.process_time() - began


def peak() -> float:
    """Operations a second of a layer's products, by the library that is quicker here."""
    x, w, bias = torch.randn(1024, 384), torch.randn(1536, 384), torch.zeros(1536)
    best = 1.0
    for _ in range(10):
        began = time.process_time()
        products.back(products.linear(x, w, bias), w)
        best = min(best, time.process_time() - began)
    return 4 * 1024 * 384 * 1536 / best


def operations() -> float:
    """Of all updates but the first."""
    setup = Setup(canonical(CONFIG))
    layers = sum(setup.backbone.parameters()[1:])
    rows, sampler = setup.rows["target"], setup.samplers["target"]
    return sum(6.0 * layers * int(rows.encoded.lengths[sampler[n]].sum()) for n in range(1, UPDATES))


def memory(arm: str) -> None:
    """Print the peak of resident megabytes of this process after an arm."""
    torch.set_num_threads(1)
    if arm == "worker":
        from ctx.store import open_store
        from ctx.worker import run_here

        with tempfile.TemporaryDirectory() as place:
            assets = home() / "assets"
            os.environ["CTX_HOME"] = place
            (Path(place) / "assets").symlink_to(assets.resolve(), target_is_directory=True)
            store = open_store()
            run = run_here(store, store.add_run(CONFIG), threads=1)
            assert run.state == "done", run.error
    else:
        seconds(arm)
    status = Path("/proc/self/status").read_text()  # getrusage counts what the parent held when it forked
    print(int(status.split("VmHWM:")[1].split()[0]) / 1024)


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--rounds", type=int, default=8)
    asked.add_argument("--memory", help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.memory:
        memory(given.memory)
        return
    torch.set_num_threads(1)
    taken: dict[str, list[float]] = {arm: [] for arm in ARMS}
    share: dict[str, list[float]] = {arm: [] for arm in ARMS}
    work = operations()
    for n in range(given.rounds + 1):
        for arm in ARMS[n % len(ARMS) :] + ARMS[: n % len(ARMS)]:
            most = peak()
            spent = seconds(arm)
            if n:  # the first round warms up
                taken[arm].append(spent)
                share[arm].append(work / spent / most)
    print("| arm | median s | ÷ bare | ÷ bare, our layers | share of the peak |\n|---|---|---|---|---|")
    for arm in ARMS:
        first, second = (
            statistics.median(a / b for a, b in zip(taken[arm], taken[other], strict=True)) for other in ARMS[:2]
        )
        middle = statistics.median(share[arm])
        print(f"| {arm} | {statistics.median(taken[arm]):.2f} | {first:.3f} | {second:.3f} | {middle:.2f} |")
    for arm in (*ARMS[:2], "worker"):
        command = [sys.executable, "-m", "tests.benchmarks.loop", "--memory", arm]
        found = [float(subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL)) for _ in range(3)]
        print(f"peak of memory, {arm}: {statistics.median(found):.0f} MB")


if __name__ == "__main__":
    main()
