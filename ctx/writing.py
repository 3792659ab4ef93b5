"""What translation and summarisation share: a head that writes, judged by the texts that it writes.

As light as `ctx.parts`: the part files of both tasks import it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from ctx import parts

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from ctx.batches import Batch


class Writing(parts.Task):
    """A text for a text. ``longest``: pieces of a text that is learnt or written; ``copies``: also from the input."""

    writes = True
    looks = 40
    tested = 200
    head_lr = 1e-3
    step_seconds = 0.06
    text_seconds = 0.003
    longest: ClassVar[int] = 64
    layers: ClassVar[int] = 2  # of its decoder, where the backbone brings none
    copies: ClassVar[bool] = False
    repeats: ClassVar[bool] = True

    def readout(self) -> nn.Module:
        """Every token's state: ``[B, T, W]`` as it is."""
        from torch import nn

        from ctx.layers import TakeHidden

        module: nn.Module = TakeHidden(nn.Identity())
        return module

    def decoder_parts(self, backbone: parts.Backbone) -> int:
        """The decoder's embedding and layers."""
        return len(backbone.decoder_parameters()[:-1]) or 1 + self.layers

    def head(self, space: parts.Space) -> nn.Module:
        """The backbone's own decoder; else a small one over the pieces of the contexts' training texts."""
        space.backbone.decode([])  # may load a tokenizer, of hundreds of megabytes: better now than amid the training
        own = space.backbone.decoder()
        if own is not None:
            return own
        from ctx.writer import Writer

        copies = self.copies and space.backbone.vectors(space.pools[0][0][:1]) is not None
        return Writer(space, self.layers, copies=copies)

    def read(
        self, backbone: parts.Backbone, examples: Sequence[parts.Example], context: parts.Context
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Pieces of the inputs, and of the texts to be written."""
        before = "" if type(backbone).decoder is not parts.Backbone.decoder else self.asked(context)
        inputs = backbone.encode([before + example.input for example in examples])
        return inputs, backbone.target_ids([example.output for example in examples], self.longest)

    def asked(self, context: parts.Context) -> str:
        """What is put before every input, to say what is asked for; a decoder of the backbone's own was taught else."""
        return ""

    def classes(self, labels: Sequence[str]) -> int:
        """None: a text is no class."""
        return 0

    def loss(self, out: Tensor, batch: Batch, class_weights: Tensor | None = None) -> Tensor:
        """The mean cross-entropy of the batch's pieces ``[B, L]``, nan where there is none."""
        return out.nanmean()

    def answer(
        self, head: nn.Module, hidden: Tensor, batch: Batch, backbone: parts.Backbone, beams: int = 1
    ) -> np.ndarray:
        """The texts ``[B]`` that it writes."""
        import numpy as np

        pieces = head.write(hidden, batch, self.longest, beams, self.repeats)  # type: ignore[operator]
        return np.asarray(backbone.decode(pieces), dtype=str)

    def references(self, examples: Sequence[parts.Example], targets: np.ndarray) -> np.ndarray:
        """The texts ``[N]`` that people wrote."""
        import numpy as np

        return np.asarray([example.output for example in examples])

    def typed(self, text: str, context: parts.Context) -> parts.Example:
        """A text to be translated or summarised."""
        return parts.Example("", text, "", "")

    def said(
        self, answers: np.ndarray, references: np.ndarray, examples: Sequence[parts.Example], labels: Sequence[str]
    ) -> np.ndarray | None:
        """The texts themselves."""
        return answers

    def constant(self, learn: np.ndarray, test: np.ndarray) -> float:
        """The cross-entropy of pieces by their share in the texts to learn from (add-one smoothed)."""
        import numpy as np

        pieces, place = np.unique(np.concatenate([learn[learn >= 0], test[test >= 0]]), return_inverse=True)
        own, other = place[: (learn >= 0).sum()], place[(learn >= 0).sum() :]
        shares = (np.bincount(own, minlength=len(pieces)) + 1.0) / (len(own) + len(pieces))
        return float(-np.log(shares)[other].mean())
