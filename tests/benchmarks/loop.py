"""Our loop against a bare PyTorch loop on the same batches: MiniLM, nothing frozen; and the price of determinism.

    python -m tests.benchmarks.loop [ROUNDS]

Three arms interleaved in one process, medians of the seconds for the same 12 updates: the bare loop (same model, same
batches, same optimiser, clipping), our loop with determinism off, our loop as it is.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time

import torch

from ctx.config import ContextChoice, Optim, RunConfig, canonical
from ctx.model import build
from ctx.parts import Choice
from ctx.setup import Setup
from ctx.train import Trainer

UPDATES = 12
CONFIG = RunConfig(
    target=ContextChoice(id="sentiment/products", size=512),
    schedule=Choice(name="target-only", knobs={"updates": UPDATES}),
    tuning=Choice(name="full"),
    optim=Optim(epochs=1),
)


def bare() -> float:
    """A loop as one would write it by hand."""
    setup = Setup(canonical(CONFIG))
    rows, sampler = setup.rows["target"], setup.samplers["target"]
    model = build(setup.config, setup.rows, setup.task).train()
    head = next(iter(model.heads.values()))
    adam = torch.optim.AdamW(model.parameters(), lr=5e-5, fused=True)
    start = time.perf_counter()
    for n in range(UPDATES):
        batch = rows.encoded.batch(sampler[n])
        hidden = None
        for block in model.blocks.values():
            hidden = block(hidden, batch)
        loss = torch.nn.functional.cross_entropy(head(hidden, batch), batch.targets)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
    return time.perf_counter() - start


def ours() -> float:
    """The same updates through `Trainer`, evaluation left out."""
    trainer = Trainer(Setup(canonical(CONFIG)))
    trainer.begin()
    phase = trainer._phase(trainer.setup.phases[0])
    start = time.perf_counter()
    for _ in itertools.islice(phase, UPDATES):
        pass
    return time.perf_counter() - start


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    seconds: dict[str, list[float]] = {"bare": [], "ours": [], "ours, deterministic": []}
    for i in range(rounds + 1):
        for name in seconds:
            torch.use_deterministic_algorithms(name.endswith("deterministic"))
            torch.utils.deterministic.fill_uninitialized_memory = False
            torch.manual_seed(0)
            taken = bare() if name == "bare" else ours()
            if i:  # the first round warms up
                seconds[name].append(taken)
    for name, taken in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(taken, seconds["bare"], strict=True))
        print(f"{name:20s} median {statistics.median(taken):.3f} s for {UPDATES} updates, {ratio:.3f} × bare")


if __name__ == "__main__":
    main()
