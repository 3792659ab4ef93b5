"""Passes through a network side by side, one thread each: threads that share no work have nothing to wait for.

Two threads in each product meet hundreds of times a second, and where they sleep meanwhile (`ctx.manifest.PATIENT`) the
second was idle for a third of the time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TypeVar

import torch

Given = TypeVar("Given")
Found = TypeVar("Found")


def side_by_side(one: Callable[[Given], Found], given: Iterable[Given]) -> Iterator[Found]:
    """``one`` of each, in their order, as many at a time as torch has threads here, each computed by one thread.

    ``one`` sets what torch keeps a thread (whether gradients are wanted) by itself. What it raises is raised here.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        yield from map(one, given)
        return
    rest = iter(given)
    try:
        with ThreadPoolExecutor(threads, initializer=partial(torch.set_num_threads, 1)) as pool:
            waiting: deque[Future[Found]] = deque(pool.submit(one, each) for each in islice(rest, 2 * threads))
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(one, each) for each in islice(rest, 1))
    finally:
        torch.set_num_threads(threads)  # a thread of the pool sets it for those that come after, too
