"""The model: named blocks from the embedding up, and one head for each label space."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ctx.layers import AttentionLayer, PackedLayer, narrow
from ctx.parts import Space
from ctx.registry import make

if TYPE_CHECKING:
    from ctx.batches import Batch, ContextRows
    from ctx.config import RunConfig
    from ctx.parts import Backbone, Task, Tuning


LARGE = (
    2048  # tokens of a batch, without padding; from there on a layer's inner states are computed again for the gradient
)


class Model(nn.Module):
    """Blocks are called ``block(hidden, batch)`` in order; a head reads what the last one gives."""

    backbone: Backbone  # what its blocks were made by, and the contexts of its run by their keys, those it learns from
    contexts: Mapping[str, ContextRows]
    learnt: Collection[str]
    drawn: Collection[str] = ()  # the blocks that began at random

    def __init__(self, blocks: list[tuple[str, nn.Module]], heads: Mapping[str, nn.Module], width: int = 0) -> None:
        """``width``: of the states that the heads read."""
        super().__init__()
        self.width = width
        self.blocks = nn.ModuleDict(dict(blocks))
        self.heads = nn.ModuleDict(heads)

    def run(self, batch: Batch, start: int = 0, hidden: Tensor | None = None, stop: int | None = None) -> Tensor:
        """The output of block ``stop - 1`` (the last by default), from ``hidden``, the output of ``start - 1``."""
        for block in list(self.blocks.values())[start:stop]:
            hidden = _again(block, hidden, batch) if _large(block, hidden, batch) else block(hidden, batch)
        assert hidden is not None
        return hidden

    @property
    def layers(self) -> int:
        """How many blocks lie between the embedding and the read-out."""
        return len(self.blocks) - 2

    def rated(self, rates: Sequence[float], parts: int = 0) -> list[tuple[list[nn.Parameter], float]]:
        """The parameters of the lowest blocks with their rates' factors, those of factor 0 left out, and the heads'.

        ``parts``: the lowest parts of heads that write, which are left out too.
        """
        blocks = zip(self.blocks.values(), rates, strict=False)
        groups = [(list(block.parameters()), rate) for block, rate in blocks if rate]
        return [*groups, (self.above(len(self.blocks), parts), 1.0)]

    def above(self, blocks: int, parts: int = 0) -> list[nn.Parameter]:
        """The parameters of all but the lowest blocks, heads included but for the lowest parts of those that write."""
        above = list(self.blocks.values())[blocks:]
        frozen = {id(p) for head in self.heads.values() if parts for part in head.parts()[:parts] for p in part}  # type: ignore[operator]
        return [p for module in (*above, self.heads) for p in module.parameters() if id(p) not in frozen]

    def learn(self, parameters: list[nn.Parameter]) -> int:
        """Let just these learn, the rest frozen and its lowest blocks in evaluation mode; gives the prefix depth."""
        chosen = {id(p) for p in parameters}
        for p in self.parameters():
            p.requires_grad_(id(p) in chosen)
        depth = prefix_depth(self)
        for block in list(self.blocks.values())[:depth]:
            block.eval()  # its output must not depend on dropout
        self.training_above(depth, True)
        return depth

    def training_above(self, depth: int, on: bool) -> None:
        """Training or evaluation mode for the heads and the blocks above a frozen prefix, which has its own.

        A frozen block above one that learns stays in evaluation mode: it passes gradients on, and drops nothing out.
        """
        self.heads.train(on)
        for block in list(self.blocks.values())[depth:]:
            block.train(on and not still(block))

    @contextmanager
    def evaluated(self, depth: int) -> Iterator[None]:
        """The lowest blocks in evaluation mode; afterwards each in its own again."""
        blocks = [(block, block.training) for block in list(self.blocks.values())[:depth]]
        for block, _ in blocks:
            block.eval()
        try:
            yield
        finally:
            for block, training in blocks:
                block.train(training)

    def packed(self, depth: int) -> bool:
        """Whether the lowest blocks have layers, and none of them spends anything on padding."""
        layers = [block for block in list(self.blocks.values())[:depth] if isinstance(block, AttentionLayer)]
        return bool(layers) and all(isinstance(block, PackedLayer) and block.plain for block in layers)

    def copies(self, names: Collection[str]) -> dict[str, Tensor]:
        """Copies of the parameters of these names."""
        wanted = set(names)
        return {name: p.detach().clone() for name, p in self.named_parameters() if name in wanted}

    def put(self, weights: Mapping[str, Tensor]) -> None:
        """Overwrite parameters, by name."""
        parameters = dict(self.named_parameters())
        with torch.no_grad():
            for name, value in weights.items():
                parameters[name].copy_(value)

    def counts(self, learned: Collection[str]) -> dict[str, int]:
        """How many parameters have learned, of how many."""
        sizes = {name: p.numel() for name, p in self.named_parameters()}
        return {"learn": sum(sizes[name] for name in set(learned)), "total": sum(sizes.values())}


def still(block: nn.Module) -> bool:
    """Whether a block holds parameters and none of them learns."""
    learning = [p.requires_grad for p in block.parameters()]
    return bool(learning) and not any(learning)


def prefix_depth(model: Model) -> int:
    """How many of the lowest blocks hold nothing that learns: their output is a function of the tokens alone."""
    for i, block in enumerate(model.blocks.values()):
        if any(p.requires_grad for p in block.parameters()):
            return i
    return len(model.blocks)


def space_of(labels: tuple[str, ...]) -> str:
    """The name of a label space. Contexts with equal labels share one head."""
    return "labels:" + "|".join(labels).replace(".", "·")


def build(config: RunConfig, contexts: Mapping[str, ContextRows], task: Task) -> Model:
    """The model of a run. The draw's seed sets every random weight, the same in every arm."""
    backbone: Backbone = make("backbones", config.backbone)
    tuning: Tuning = make("tunings", config.tuning)
    layers = backbone.layers()
    frozen = min(tuning.frozen(layers), tuning.unchanged(layers))
    torch.manual_seed(config.seed)
    blocks, width = pretrained(config, frozen) if backbone.pretrained else backbone.blocks(config.seed)
    torch.manual_seed(config.seed)
    renewed = blocks[len(blocks) - tuning.renewed() :]
    for _, block in renewed:
        backbone.renew(block)
    if not frozen:
        narrow((block for _, block in blocks), lambda: (row for c in contexts.values() for row in c.encoded.inputs))
    spaces = {space_of(rows.context.labels): rows.context.labels for rows in contexts.values()}
    heads = {}
    for name, labels in spaces.items():
        pools = [rows.encoded.targets[rows.pool] for rows in contexts.values() if space_of(rows.context.labels) == name]
        torch.manual_seed(config.seed)
        heads[name] = task.head(Space(labels, width, backbone, pools))
    model = Model([*blocks, ("readout", task.readout())], heads, width)
    uses = make("schedules", config.schedule).uses
    model.backbone, model.contexts = backbone, contexts
    model.drawn = [name for name, _ in (renewed if backbone.pretrained else blocks)]
    model.learnt = [key for key in contexts if key.split(".")[0] in uses]
    return model


def weights_name(config: RunConfig) -> str:
    """Names the weights that a run's backbone starts from."""
    backbone: Backbone = make("backbones", config.backbone)
    return f"{config.backbone.model_dump_json()}:{backbone.version}:{backbone.digest(config.seed)}"


_loaded: dict[str, tuple[list[tuple[str, nn.Module]], int]] = {}  # one: another loads in .03 s and takes 80 MB


def pretrained(config: RunConfig, frozen: int) -> tuple[list[tuple[str, nn.Module]], int]:
    """The pretrained blocks: those that stay frozen are shared by a process's runs of the same weights, others copied.

    What the copied ones share (a table of positions) they share as copies; what they read of frozen ones is not copied.
    """
    name = weights_name(config)
    if name not in _loaded:
        forget_pretrained()
        _loaded[name] = make("backbones", config.backbone).blocks(config.seed)
    blocks, width = _loaded[name]
    shared = {id(module): module for _, block in blocks[:frozen] for module in block.modules()}
    own = copy.deepcopy(blocks[frozen:], shared)
    return [*blocks[:frozen], *own], width


def forget_pretrained() -> None:
    """Let go of the encoder, and with it of what was read of its file."""
    from ctx import seq2seq  # it keeps whole models

    _loaded.clear()
    seq2seq.forget()


def _large(block: nn.Module, hidden: Tensor | None, batch: Batch) -> bool:
    """Whether what a layer keeps for its gradient would take hundreds of megabytes."""
    if hidden is None or not torch.is_grad_enabled() or not batch.encoded.tokens:
        return False
    tokens = int(batch.encoded.lengths[batch.rows].sum())
    learning = [p.requires_grad for p in block.parameters()]
    return tokens > LARGE and (any(learning) or (bool(learning) and hidden.requires_grad))


def _again(block: nn.Module, hidden: Tensor | None, batch: Batch) -> Tensor:
    """A layer's output, its inner states dropped until the gradient needs them (Chen et al. 2016): a third slower."""
    found: Tensor = checkpoint(block, hidden, batch, use_reentrant=False)
    return found
