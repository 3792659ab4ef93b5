"""Would half precision or a compiler pay here: a step of one layer of MiniLM's size on one thread, by kind.

    python -m tests.benchmarks.precision [--rounds N]

Arms interleaved, medians: the layer of modules, padded, in float32; with bfloat16 products (`torch.autocast`);
compiled (`torch.compile`, where a C++ compiler is there, its compilation timed apart); ours.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertLayer

from ctx.layers import AttentionLayer, PackedLayer
from ctx.measure import HEADS, INNER, LENGTHS, WIDTH, batch_of


def step(layer: Callable[..., torch.Tensor], batch: Any, states: torch.Tensor, half: bool) -> float:
    began = time.process_time()
    with torch.autocast("cpu", torch.bfloat16) if half else nullcontext():
        out = layer(states, batch)
    out.float().sum().backward()  # type: ignore[no-untyped-call]
    return time.process_time() - began


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--rounds", type=int, default=15)
    given = asked.parse_args()
    torch.set_num_threads(1)
    config = BertConfig(
        hidden_size=WIDTH, intermediate_size=INNER, num_attention_heads=HEADS, attn_implementation="sdpa"
    )
    inner = BertLayer(config).train()
    batch = batch_of(LENGTHS)
    states = torch.randn(*batch.mask.shape, WIDTH, requires_grad=True)
    plain, packed = AttentionLayer(inner), PackedLayer(inner)
    arms: dict[str, tuple[Callable[..., torch.Tensor], bool]] = {
        "float32": (plain, False),
        "bfloat16 products": (plain, True),
        "ours": (packed, False),
    }
    compiled = torch.compile(inner)
    began = time.perf_counter()
    try:
        step(lambda states, batch: compiled(states, batch.mask[:, None, None, :]), batch, states, False)
    except Exception as error:
        print(f"torch.compile: {type(error).__name__}: {str(error).splitlines()[0][:120]}")
    else:
        print(f"torch.compile: compiled in {time.perf_counter() - began:.0f} s, for this one shape")
        arms["compiled"] = lambda states, batch: compiled(states, batch.mask[:, None, None, :]), False
    taken: dict[str, list[float]] = {name: [] for name in arms}
    for n in range(given.rounds + 2):
        for name, (layer, half) in arms.items():
            seconds = step(layer, batch, states, half)
            if n > 1:
                taken[name].append(seconds)
    for name, seconds_ in taken.items():
        ratio = statistics.median(a / b for a, b in zip(taken["float32"], seconds_, strict=True))
        print(f"{name:20s} {1000 * statistics.median(seconds_):.1f} ms, float32 ÷ it {ratio:.2f}")


if __name__ == "__main__":
    main()
