"""Modules that a tuning puts into a model's layers: bottlenecks, low-rank updates, a module for each context.

A layer's linear maps are replaced by `Added`, which gives what the map gave and what a small module adds to it. What
was there keeps its weights; only what is new learns, unless the tuning says otherwise.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from ctx.matrices import Matrix
from ctx.products import Map

if TYPE_CHECKING:
    from ctx.batches import Batch
    from ctx.model import Model

EVERY = "every"  # the one module of all contexts
NEW = {"lora_A", "lora_B", "added"}  # pieces of the names of new parameters


class Bottleneck(nn.Module):
    """What a bottleneck adapter adds: down to ``size``, GELU, up again (Houlsby et al. 2019, figure 2).

    Almost nothing at its start: weights by a normal of 0.01, cut at two deviations, as theirs.
    """

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, size), nn.Linear(size, width)
        for linear in (self.down, self.up):
            nn.init.trunc_normal_(linear.weight, std=0.01, a=-0.02, b=0.02)
            nn.init.zeros_(linear.bias)

    def forward(self, states: Tensor) -> Tensor:
        """``[…, W]`` to ``[…, W]``."""
        out: Tensor = self.up(nn.functional.gelu(self.down(states)))
        return out


class LowRank(nn.Module):
    """What a low-rank update adds: B A x α/r (Hu et al. 2022, equation 3), with α = r. Nothing at its start."""

    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(inputs, rank, bias=False), nn.Linear(rank, outputs, bias=False)
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        nn.init.zeros_(self.up.weight)

    def forward(self, states: Tensor) -> Tensor:
        """``[…, inputs]`` to ``[…, outputs]``."""
        out: Tensor = self.up(self.down(states))
        return out


class Update(NamedTuple):
    """What is added to a weight: ``scale`` times ``b`` ``[outputs, r]`` times ``a`` ``[r, inputs]``."""

    a: Tensor
    b: Tensor
    scale: float


class Present:
    """Whose modules are at work: all of ``names``, or those ``of`` the context that a block is about to read of."""

    def __init__(self, names: Sequence[str], of: Mapping[str, Sequence[str]]) -> None:
        self.every, self.of = tuple(names), dict(of)
        self.names = self.every

    def __call__(self, block: nn.Module, given: tuple[Any, Batch]) -> None:
        """A block is about to read a batch; where its context has no modules, those of all are at work."""
        self.names = tuple(self.of.get(given[1].encoded.context, self.every))


class Added(nn.Module):
    """A linear map and what modules beside it (`LowRank`) or behind it (`Bottleneck`) add, their mean where several."""

    def __init__(self, inner: nn.Module, added: Mapping[str, nn.Module], present: Present) -> None:
        super().__init__()
        self.inner, self.present = inner, present
        self.added = nn.ModuleDict({key(name): module for name, module in added.items()})

    @property
    def weight(self) -> Any:
        """The map's own: transformers asks for its type."""
        return self.inner.weight

    def working(self) -> list[Any]:
        """The modules at work."""
        return [self.added[key(name)] for name in self.present.names]

    def forward(self, states: Tensor) -> Tensor:
        """``[…, inputs]`` to ``[…, outputs]``."""
        out: Tensor = self.inner(states)
        modules = self.working()
        beside = isinstance(modules[0], LowRank)
        more = [module(states if beside else out) for module in modules]
        total: Tensor = sum(more[1:], more[0])
        return out + total / len(more)


class Moved(nn.Module):
    """The embedding block, and a vector for each context added to what it gives, their mean where several."""

    def __init__(self, inner: nn.Module, width: int, names: Sequence[str], of: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.inner, self.present = inner, Present(names, of)
        self.added = nn.ParameterDict({key(name): nn.Parameter(torch.zeros(width)) for name in names})

    def forward(self, hidden: Tensor | None, batch: Batch) -> Tensor:
        """Token ids to ``[B, T, W]``."""
        self.present(self, (hidden, batch))
        vectors = torch.stack([self.added[key(name)] for name in self.present.names])
        out: Tensor = self.inner(hidden, batch)
        return out + vectors.mean(0)


def key(name: str) -> str:
    """A context's id as the name of a module, which can't have a dot."""
    return name.replace(".", "·")


def layers(model: Model) -> list[tuple[nn.Module, nn.Module]]:
    """Every layer's block, lowest first, and in it the layer of transformers."""
    blocks = [block for name, block in model.blocks.items() if name.startswith("layer")]
    return [(block, cast(Any, getattr(block, "layer", block)).inner) for block in blocks]


def new(model: Model) -> list[nn.Parameter]:
    """The parameters of the blocks that a tuning has put there."""
    return [p for name, p in model.blocks.named_parameters() if NEW & set(name.split("."))]


def put(
    model: Model, matrices: Sequence[Matrix], make: Callable[[Matrix], nn.Module], of: Mapping[str, Sequence[str]]
) -> None:
    """Put a module beside or behind each of these maps in every layer, one for each name in ``of``, all starting alike.

    ``of``: the modules that a context has, by the context's id; {} for one module that all contexts have.
    """
    names = sorted({name for names in of.values() for name in names}) or [EVERY]
    for block, layer in layers(model):
        present = Present(names, of)
        for matrix in matrices:
            within, _, last = matrix.name.rpartition(".")
            parent = layer.get_submodule(within)
            first = make(matrix)
            added = {name: copy.deepcopy(first) for name in names}
            setattr(parent, last, Added(getattr(parent, last), added, present))
        if of:
            block.register_forward_pre_hook(present)


def move(model: Model, width: int, of: Mapping[str, Sequence[str]]) -> None:
    """Add a vector for each context to what the embedding gives; ``of`` as in `put`."""
    names = sorted({name for names in of.values() for name in names})
    model.blocks["embedding"] = Moved(model.blocks["embedding"], width, names, of)


def low_rank(layer: nn.Module, matrices: Sequence[Matrix], rank: int, alpha: float, dropout: float) -> None:
    """LoRA, as peft has it, at these maps of a layer of transformers."""
    from peft import LoraConfig, inject_adapter_in_model

    names = "|".join(matrix.name.replace(".", r"\.") for matrix in matrices)
    given: Any = {"target_modules": names, "r": rank, "lora_alpha": alpha, "lora_dropout": dropout}
    inject_adapter_in_model(LoraConfig(**given), layer)


def mapped(module: Any) -> nn.Linear | None:
    """The linear map in a module of which it and at most one low-rank `update` are all."""
    if type(module) in (nn.Linear, Map):
        return cast(nn.Linear, module)
    if isinstance(module, Added):
        working = module.working()
        return mapped(module.inner) if len(working) == 1 and isinstance(working[0], LowRank) else None
    if not hasattr(module, "lora_A") or len(module.lora_A) != 1 or module.merged or module.disable_adapters:
        return None
    (dropout,) = module.lora_dropout.values()
    return None if module.training and isinstance(dropout, nn.Dropout) else mapped(module.base_layer)


def update(module: Any) -> Update | None:
    """The low-rank update of a module that is `mapped`; None for a linear map alone."""
    if isinstance(module, nn.Linear):
        return None
    if isinstance(module, Added):
        (one,) = module.working()
        return Update(one.down.weight, one.up.weight, 1.0)
    (name,) = module.lora_A
    return Update(module.lora_A[name].weight, module.lora_B[name].weight, module.scaling[name])


Updates = Sequence[tuple[int, Update]]  # by the places of their weights among a layer's parameters


def raised(given: Sequence[Tensor], updates: Updates) -> list[Tensor]:
    """A layer's parameters with their updates, whose factors stand behind them, added."""
    count = len(given) - 2 * len(updates)
    found, factors = list(given[:count]), given[count:]
    for n, (place, one) in enumerate(updates):
        found[place] = torch.addmm(found[place], factors[2 * n + 1], factors[2 * n], alpha=one.scale)
    return found


class Thin:
    """The gradients of updates' ``factors``, each by products as thin as they are. ``found``: in their order."""

    def __init__(self, updates: Updates, factors: Sequence[Tensor]) -> None:
        self.updates, self.factors = updates, factors
        self.found: list[Tensor | None] = [None] * len(factors)

    def take(self, into: Tensor, read: Tensor, place: int) -> None:
        """The map whose weight stands there read ``[N, inputs]`` and has the gradient ``into`` ``[N, outputs]``."""
        for n, (there, one) in enumerate(self.updates):
            if there == place:
                a, b = self.factors[2 * n : 2 * n + 2]
                self.found[2 * n] = ((into @ b).t() @ read).mul_(one.scale)
                self.found[2 * n + 1] = (into.t() @ (read @ a.t())).mul_(one.scale)
