"""apart: a balancer that differentiates each loss alone on the shared parameters, and learns a scale."""

from __future__ import annotations

from ctx import parts


class Apart(parts.Balancer):
    """Each loss's gradient on the shared layers, scaled to the same norm, then added."""

    name = "apart"
    title = "Apart"

    def __init__(self, knobs=None):
        super().__init__(knobs)
        import torch

        self.scale = torch.nn.Parameter(torch.zeros(()))

    def parameters(self):
        return [self.scale]

    def state(self):
        return {"scale": self.scale.detach()}

    def load(self, state):
        self.scale.data.copy_(state["scale"])

    def backward(self, losses, weights, shared):
        import torch

        apart = {
            k: torch.autograd.grad(loss, shared, retain_graph=True, allow_unused=True) for k, loss in losses.items()
        }
        norms = {k: torch.sqrt(sum(g.pow(2).sum() for g in grads if g is not None)) for k, grads in apart.items()}
        used = {k: float(weights[k] / norms[k]) for k in losses}
        (sum(losses.values()) * self.scale.exp()).backward()
        for i, p in enumerate(shared):
            found = [used[k] * apart[k][i] for k in losses if apart[k][i] is not None]
            p.grad = torch.stack(found).sum(0) if found else None
        return used
