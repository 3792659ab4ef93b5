"""distill: on target texts the model goes on answering as the source's model did.

Li & Hoiem, Learning without Forgetting, ECCV 2016: the answers of the weights handed over, on the new texts and through
the old head, are recorded once and kept to; where labels are equal, that head is the target's own. Hinton, Vinyals &
Dean, Distilling the Knowledge in a Neural Network, 2015: both sides softened by a temperature T, times T².
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ctx import parts
from ctx.guarding import Guarding

if TYPE_CHECKING:
    from torch import Tensor


class Distill(Guarding):
    """Keeps answers to target texts close to those that the source's model gave, so that the source is not forgotten.

    T² KL(p ‖ q), p and q the teacher's and the learner's probabilities at temperature T, of a text to be written those
    of its likeliest next pieces and of all others; of numbers their squared distance (Hinton et al. 2015; Li & Hoiem,
    Learning without Forgetting, ECCV 2016).
    """

    name = "distill"
    version = 2
    title = "Answers as before (distillation)"
    adds = MappingProxyType({"weight": "+ {:g} · D(answers before, answers now)"})

    class Knobs(parts.Knobs):
        """How much it weighs, and how soft answers are."""

        weight: float = parts.knob(1.0, "Weight of the distance to the teacher's answers.", log=True, ge=0)
        temperature: float = parts.knob(2.0, "T: above 1 the unlikely answers count too.", log=True, ge=0.1, le=100)

    def idle(self, facts: parts.Facts) -> dict[str, str]:
        """Numbers are as they are."""
        return {"temperature": "Answers that are numbers have no temperature."} if facts.numbers else {}

    def begin(self, begin: parts.Begin) -> None:
        """The teacher is the model as it stands; its answers are asked for when a text first comes up."""
        super().begin(begin)
        self.before, self.own = set(begin.before), begin.heads
        self.heads = list({id(begin.heads[key]): begin.heads[key] for key in self.left}.values())
        self.answers = begin.answers

    def terms(self, step: parts.Step) -> dict[str, Tensor]:
        """``teacher``: weighted, the mean over new contexts and old heads; nothing in the first phase."""
        import torch

        from ctx.pull import learning

        if not self.heads:
            return {}
        self.start.of(learning(step.model))
        new = [key for key in step.batches if key not in self.before]
        found = [self._apart(step, key, number) for key in new for number in range(len(self.heads))]
        return {"teacher": self.knobs.weight * torch.stack(found).mean()} if found else {}

    def _apart(self, step: parts.Step, key: str, number: int) -> Tensor:
        """The mean distance between an old head's answers to a batch now and then."""
        from torch.nn.functional import kl_div

        head, batch = self.heads[number], step.batches[key]
        t: float = self.knobs.temperature
        numbers = batch.targets.is_floating_point()
        if step.told.get(key):  # of texts there is one head, as they have no labels
            now, then = self._written(step, key, head)
        else:
            now = step.out[key] if head is self.own[key] else head(step.hidden[key], batch)
            with self.start.back(step.model):
                then = self.answers(head, batch)
        then = then if numbers else (then / t).softmax(-1)
        if batch.mix is not None:
            partners, share = batch.mix
            then = share * then + (1 - share) * then[partners]
        if numbers:
            return (now - then).square().mean()
        each = kl_div((now / t).log_softmax(-1), then, reduction="none").sum(-1)
        return t**2 * (each[batch.mask] if each.ndim == 2 else each).mean()

    def _written(self, step: parts.Step, key: str, head: Any) -> tuple[Tensor, Tensor]:
        """Log-probabilities ``[N, K + 1]`` of what was likely next, now and then; the last of all else."""
        batch = step.batches[key]
        with self.start.back(step.model):
            ids, then = self.answers.foretold(head, batch)
        return _with_rest(head.likelihood(step.told[key], batch, ids)), _with_rest(then)

    def state(self) -> dict[str, Tensor]:
        """Copies of what was not handed over and learns now."""
        return dict(self.start.own)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Those copies."""
        self.start.own = dict(state)


def _with_rest(likely: Tensor) -> Tensor:
    """And the log-probability of everything else."""
    import torch

    most = 1 - torch.finfo(likely.dtype).eps
    rest = torch.log1p(-likely.exp().sum(-1, keepdim=True).clamp(max=most))
    return torch.cat([likely, rest], dim=-1)
