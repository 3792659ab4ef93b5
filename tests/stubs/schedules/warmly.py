"""warmly: both contexts in every step, the target's weight rising with the training."""

from __future__ import annotations

from ctx import parts, plan


class Warmly(parts.Schedule):
    """Both at once, the target louder and louder."""

    name = "warmly"
    title = "Louder and louder"

    class Knobs(parts.Knobs):
        """How loud it ends."""

        most: float = parts.knob(1.0, "The target's weight at the end.", flag="most-loud", log=True, gt=0, le=10)

    def phases(self, config, sizes):
        weights = plan.source_weights(config) | {"target": lambda progress: self.knobs.most * progress}
        updates = plan.epoch_updates(max(sizes[key] for key in weights), config)
        return [plan.Phase("warmly", config.optim.epochs, updates, weights, select_on="target")]
