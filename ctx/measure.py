"""Measures how fast this machine trains: a step of one layer of the default encoder's size, by threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from ctx import machine
from ctx.batches import Batch, Encoded
from ctx.layers import PackedLayer
from ctx.manifest import cores

WIDTH, INNER, HEADS = 384, 1536, 12
LENGTHS = [24] * 24 + [30] * 8  # tokens of a batch of texts
TIMES = 3
SHARED = 1.2  # seconds to those that one thread was at work: beyond, it had no core to itself
WORSE = 0.95  # the speed of more threads to that of one: below, others were at work on their cores


def measure(leave: Callable[[], bool] = lambda: False) -> dict[int, float]:
    """Operations a second by threads, the best of a few steps each, kept for `ctx.machine`.

    Half a second. Nothing is found where others are at work, or where ``leave``, asked before every step, says so.
    """
    before, found = torch.get_num_threads(), {}
    try:
        for threads in dict.fromkeys((1, max(1, cores() // 2), cores())):
            torch.set_num_threads(threads)
            step, steps = _step(), []
            for _ in range(TIMES + 1):
                if leave():
                    return {}
                steps.append(step())
            seconds, busy = min(steps[1:])
            if threads == 1 and seconds > SHARED * busy:
                return {}
            found[threads] = _operations() / seconds
    finally:
        torch.set_num_threads(before)
    if min(found.values()) < WORSE * found[1]:
        return {}
    machine.keep_speeds(found)
    return found


def batch_of(lengths: Sequence[int]) -> Batch:
    """A batch of texts with so many tokens, padded to the longest, for layers: there is nothing in it to embed."""
    nothing, sizes = np.empty(0), np.asarray(lengths, np.int64)
    return Encoded("", (), [], nothing, nothing, sizes, True).batch(np.arange(len(sizes)), max(lengths))


def _operations() -> float:
    """Of a step: six for every parameter and token."""
    return 6.0 * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER) * sum(LENGTHS)


def _step() -> Callable[[], tuple[float, float]]:
    """A step of a layer with weights drawn for it, which gives its seconds, and those of all threads at work."""
    from transformers import BertConfig
    from transformers.models.bert.modeling_bert import BertLayer

    config = BertConfig(hidden_size=WIDTH, intermediate_size=INNER, num_attention_heads=HEADS)
    config._attn_implementation = "sdpa"
    layer = PackedLayer(BertLayer(config).train())
    batch = batch_of(LENGTHS)
    states = torch.randn(*batch.mask.shape, WIDTH, requires_grad=True)

    def step() -> tuple[float, float]:
        began, worked = time.perf_counter(), time.process_time()
        layer(states, batch).sum().backward()
        return time.perf_counter() - began, time.process_time() - worked

    return step
