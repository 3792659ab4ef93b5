"""critic: a penalty with parameters of its own, which learn beside the model's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctx import parts

if TYPE_CHECKING:
    from torch import Tensor


class Critic(parts.Penalty):
    """A linear critic tells the contexts apart from what the heads read."""

    name = "critic"
    title = "Critic"

    class Knobs(parts.Knobs):
        """How much it weighs."""

        weight: float = parts.knob(0.5, "Weight of the critic's loss.", ge=0)

    def begin(self, begin):
        import torch

        self.source_was = begin.source
        width = next(iter(begin.model.heads.values())).linear.in_features
        if not hasattr(self, "linear"):
            self.linear = torch.nn.Linear(width, 1)
            torch.nn.init.zeros_(self.linear.weight)

    def parameters(self):
        return self.linear.parameters()

    def terms(self, step: parts.Step) -> dict[str, Tensor]:
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits as bce

        losses = [
            bce(self.linear(hidden).squeeze(1), torch.full((len(hidden),), float(key == "target")))
            for key, hidden in step.hidden.items()
        ]
        return {"critic": self.knobs.weight * torch.stack(losses).mean()}

    def state(self):
        return dict(self.linear.state_dict())

    def load(self, state):
        self.linear.load_state_dict(dict(state))
