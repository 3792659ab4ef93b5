"""Measures how fast this machine is: a layer of the default encoder's size learns, and answers, by threads."""

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

    It takes less than a second. Nothing is found where others are at work, or where ``leave``, asked before every step,
    says so.
    """
    before, found, forwards = torch.get_num_threads(), dict[int, float](), 0.0
    try:
        for threads in dict.fromkeys((1, max(1, cores() // 2), cores())):
            torch.set_num_threads(threads)
            learns, answers = (_best(step, leave) for step in _steps())
            if learns is None or answers is None:
                return {}
            if threads == 1 and any(seconds > SHARED * busy for seconds, busy in (learns, answers)):
                return {}
            learnt, answered = learns[0], answers[0]
            found[threads] = _operations() / learnt
            forwards = forwards or learnt / answered / 3
    finally:
        torch.set_num_threads(before)
    if min(found.values()) < WORSE * found[1]:
        return {}
    machine.keep_speeds(found, forwards)
    return found


def _best(step: Callable[[], tuple[float, float]], leave: Callable[[], bool]) -> tuple[float, float] | None:
    """The quickest of a few steps, the first left out; None where it is to leave."""
    steps = []
    for _ in range(TIMES + 1):
        if leave():
            return None
        steps.append(step())
    return min(steps[1:])


def batch_of(lengths: Sequence[int]) -> Batch:
    """A batch of texts with so many tokens, padded to the longest, for layers: there is nothing in it to embed."""
    nothing, sizes = np.empty(0), np.asarray(lengths, np.int64)
    return Encoded("", (), [], nothing, nothing, sizes, True).batch(np.arange(len(sizes)), max(lengths))


def _operations() -> float:
    """Of a step: six for every parameter and token."""
    return 6.0 * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER) * sum(LENGTHS)


def _steps() -> list[Callable[[], tuple[float, float]]]:
    """A layer with weights drawn for it learns, and answers: each gives its seconds, and those of all threads at work.

    To learn takes three times the operations.
    """
    from transformers import BertConfig
    from transformers.models.bert.modeling_bert import BertLayer

    config = BertConfig(hidden_size=WIDTH, intermediate_size=INNER, num_attention_heads=HEADS)
    config._attn_implementation = "sdpa"
    layer = PackedLayer(BertLayer(config).train())
    batch = batch_of(LENGTHS)
    states = torch.randn(*batch.mask.shape, WIDTH, requires_grad=True)

    def timed(work: Callable[[], object]) -> tuple[float, float]:
        began, worked = time.perf_counter(), time.process_time()
        work()
        return time.perf_counter() - began, time.process_time() - worked

    def answer() -> None:
        with torch.inference_mode():
            layer.eval()(states, batch)

    return [lambda: timed(lambda: layer.train()(states, batch).sum().backward()), lambda: timed(answer)]
