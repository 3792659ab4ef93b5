"""full: every parameter of the encoder learns (fine-tuning), and the head."""

from __future__ import annotations

from ctx import parts


class Full(parts.Tuning):
    """Every parameter learns.

    All layers can change to what the labels ask for, and can forget what they knew: fine-tuning, min L over all weights
    (Devlin et al., BERT, 2019).
    """

    name = "full"
    title = "Nothing frozen"

    class Knobs(parts.Knobs):
        """How fast layers learn, which begin anew, what of the decoder learns."""

        decay: float = parts.decay_knob()
        reinit: int = parts.reinit_knob()
        decoder: int = parts.decoder_knob()

    def canonical(self, layers: int, epochs: int) -> parts.Choice:
        """Where the head reads the embedding, nothing is below it."""
        found = super().canonical(layers, epochs)
        return found if layers else parts.Choice(name=self.name, knobs=found.knobs | {"decay": 1.0})
