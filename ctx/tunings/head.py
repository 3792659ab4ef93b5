"""head: the whole encoder stays frozen, only the head learns (a linear probe)."""

from __future__ import annotations

from ctx import parts


class Head(parts.Tuning):
    """All layers stay frozen; only the head learns (a linear probe).

    It shows what the encoder knew before: min L over the head's weights alone (Alain & Bengio 2017).
    """

    name = "head"
    title = "All layers frozen"

    class Knobs(parts.Knobs):
        """What of the decoder learns."""

        decoder: int = parts.decoder_knob()

    def frozen(self, layers: int) -> int:
        """The embedding and every layer."""
        return layers + 1
