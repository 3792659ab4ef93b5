"""echo: a sequence-to-sequence task: a decoder with teacher forcing writes the words backwards."""

from __future__ import annotations

import math

from ctx import parts

VOCABULARY = 12


class Echo(parts.Task):
    """Write the input's words backwards."""

    name = "echo"
    applications = ("echo",)
    metrics = (parts.Metric("exact", True, "exact match"), parts.Metric("loss", False, "cross-entropy"))

    def readout(self):
        from torch import nn

        from ctx.layers import TakeHidden

        return TakeHidden(nn.Identity())

    def head(self, space):
        from torch import nn

        width = space.width

        class Decoder(nn.Module):
            def __init__(self):
                super().__init__()
                self.words = nn.Embedding(VOCABULARY + 1, width)
                self.cell = nn.GRU(width, width, batch_first=True)
                self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
                self.out = nn.Linear(2 * width, VOCABULARY)

            def forward(self, hidden, batch):
                shifted = batch.targets.clamp(min=0).roll(1, dims=1)
                shifted[:, 0] = VOCABULARY
                states, _ = self.cell(self.words(shifted))
                seen, _ = self.attention(states, hidden, hidden, key_padding_mask=~batch.mask)
                import torch

                return self.out(torch.cat([states, seen], dim=-1))

        return Decoder()

    def targets(self, examples, labels):
        import numpy as np

        return [np.asarray(example.output, np.int64) for example in examples]

    def loss(self, out, batch, class_weights=None):
        from torch.nn.functional import cross_entropy

        return cross_entropy(out.flatten(0, 1), batch.targets.flatten(), ignore_index=-100)

    def evaluate(self, outputs, targets):
        import numpy as np
        from scipy.special import log_softmax

        there = targets >= 0
        right = (outputs.argmax(-1) == targets) | ~there
        chosen = np.take_along_axis(log_softmax(outputs, axis=-1), targets.clip(0)[..., None], axis=-1)[..., 0]
        return {"exact": float(right.all(1).mean()), "loss": float(-chosen[there].mean())}

    def floor(self, learn, test, labels):
        return {"exact": 0.0, "loss": math.log(VOCABULARY)}

    def constant(self, learn, test):
        import numpy as np

        counts = np.bincount(learn[learn >= 0], minlength=VOCABULARY) + 1.0
        shape = (*test.shape, VOCABULARY)
        return self.evaluate(np.broadcast_to(np.log(counts / counts.sum()), shape), test)["loss"]
