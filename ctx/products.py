"""Products of a layer's matrices, by the library that is quicker on this processor.

torch multiplies float32 with MKL, which leaves AVX-512 unused on processors that aren't Intel's; oneDNN, which torch
has too, uses it. Which is quicker is measured once a machine and kept: the two differ in the last bits, and a run that
goes on must not change.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ctx import kept
from ctx.filelock import locked

FOLDER = "speeds"  # beside `ctx.machine`'s
ROWS, INPUTS, OUTPUTS, TIMES = 512, 384, 1536, 5  # of the product that is timed; how often
FEW = 16  # rows of a map: below, torch's own product is the quicker, since it has less to prepare
PAYS = 1.25  # times as fast: below, torch's own stays


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``[N, I]`` through a linear map ``[O, I]``, ``[O]``."""
    if not _by_onednn(x):
        return torch.addmm(bias, x, weight.t())
    found: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return found


def back(grad: Tensor, weight: Tensor, plus: Tensor | None = None) -> Tensor:
    """The gradient ``[N, O]`` of what a map ``[O, I]`` gave, for what it read ``[N, I]``; added to ``plus``."""
    found: Tensor
    if not _by_onednn(grad):
        found = grad @ weight if plus is None else torch.addmm(plus, grad, weight)
    elif plus is None:
        found = torch.ops.mkldnn._linear_pointwise(grad, weight.t(), None, "none", [], "")
    else:
        found = torch.ops.mkldnn._linear_pointwise.binary(grad, plus, weight.t(), None, "add")
    return found


def outer(grad: Tensor, read: Tensor) -> Tensor:
    """The gradient of a map's weight ``[O, I]``, which read ``[N, I]`` and has the gradient ``[N, O]``."""
    if not _by_onednn(grad):
        return grad.t() @ read
    found: Tensor = torch.ops.mkldnn._linear_pointwise(grad.t(), read.t(), None, "none", [], "")
    return found


class Map(nn.Linear):
    """A linear map with a bias that multiplies by the quicker library, forwards and back."""

    def forward(self, x: Tensor) -> Tensor:
        """``[…, I]`` to ``[…, O]``."""
        if x.numel() < FEW * self.in_features or not _by_onednn(x):
            return super().forward(x)
        found: Tensor = _Product.apply(x.reshape(-1, x.shape[-1]), self.weight, self.bias)  # type: ignore[no-untyped-call]
        return found.view(*x.shape[:-1], -1)


def quicken(module: nn.Module) -> None:
    """Make maps of a module's linear maps: the same parameters, in place."""
    for one in module.modules():
        if type(one) is nn.Linear and one.bias is not None:
            one.__class__ = Map


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(at: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        first, second, _ = at.needs_input_grad
        at.save_for_backward(x if second else None, weight if first else None)
        return linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(at: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (x, weight), (first, second, third) = at.saved_tensors, at.needs_input_grad
        return (
            back(grad, weight) if first else None,
            outer(grad, x) if second else None,
            grad.sum(0) if third else None,
        )


def _by_onednn(read: Tensor) -> bool:
    return read.dtype is torch.float32 and onednn()


@cache
def onednn() -> bool:
    """Whether oneDNN is the quicker one here."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    name = kept.named(platform.node(), platform.processor(), torch.backends.cpu.get_cpu_capability(), version("torch"))
    place = kept.place(FOLDER, name, "json")
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        with locked(place.with_suffix(".lock")):  # workers that begin together have the same answer
            return _known(name) >= PAYS
    return _faster() >= PAYS


def _known(name: str) -> float:
    """What is kept, or was measured now."""
    found = (kept.document(FOLDER, name) or {}).get("onednn")
    if isinstance(found, float):
        return found
    found = _faster()
    kept.keep_document(FOLDER, name, {"onednn": found})
    return found


def _faster() -> float:
    """How many times as fast it is as torch's own product: the best of each, taken in turn, on one thread."""
    before, x = torch.get_num_threads(), torch.ones(ROWS, INPUTS)
    weight, bias = torch.ones(OUTPUTS, INPUTS), torch.ones(OUTPUTS)
    arms: list[Callable[[], Tensor]] = [
        lambda: torch.addmm(bias, x, weight.t()),
        lambda: torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], ""),
    ]
    taken: list[list[float]] = [[], []]
    try:
        torch.set_num_threads(1)
        for turn in range(2 * (TIMES + 1)):
            began = time.perf_counter()
            arms[turn % 2]()
            taken[turn % 2].append(time.perf_counter() - began)
    except (AttributeError, RuntimeError):  # a build without it
        return 0.0
    finally:
        torch.set_num_threads(before)
    own, other = (min(seconds[1:]) for seconds in taken)
    return own / max(other, 1e-9)
