"""summarisation: the gist of a text. ROUGE-1, -2 and -L (Lin 2004); the text's first sentence beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ctx import parts, writing

if TYPE_CHECKING:
    import numpy as np


class Summarisation(writing.Writing):
    """The gist of a text."""

    name = "summarisation"
    title = "Summarisation"
    applications = ("summarisation",)
    metrics = (
        parts.Metric("rougeL", True, "ROUGE-L"),
        parts.Metric("rouge1", True, "ROUGE-1"),
        parts.Metric("rouge2", True, "ROUGE-2"),
        parts.Metric("loss", False, "cross-entropy"),
    )
    floor_name = "its first sentence"
    longest = 48
    step_seconds, text_seconds = 0.15, 0.01  # long inputs
    copies = True
    repeats = False

    def evaluate(self, answers: np.ndarray, references: np.ndarray) -> dict[str, float]:
        """ROUGE-1, -2 and -L F1 of texts ``[N]``, 0 to 1, the mean over texts."""
        from ctx.rouge import rouge

        return rouge(answers.tolist(), references.tolist())

    def scores(self, answers: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Each text's own ROUGE-L."""
        import numpy as np

        from ctx.rouge import rouge

        pairs = zip(answers.tolist(), references.tolist(), strict=True)
        return np.asarray([rouge([a], [b])["rougeL"] for a, b in pairs])

    def floor(
        self, learn: Sequence[parts.Example], test: Sequence[parts.Example], labels: Sequence[str]
    ) -> dict[str, float]:
        """Lead-1: the first sentence of each text (Nenkova 2005)."""
        from ctx.rouge import first_sentence, rouge

        found = rouge([first_sentence(e.input) for e in test], [e.output for e in test])
        return found | {"lead1_rougeL": found["rougeL"]}
