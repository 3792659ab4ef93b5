"""translation: a text in another language. BLEU and chrF, by sacrebleu (Post 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ctx import parts, writing

if TYPE_CHECKING:
    import numpy as np


class Translation(writing.Writing):
    """A text in another language."""

    name = "translation"
    title = "Translation"
    applications = ("translation",)
    metrics = (
        parts.Metric("chrf", True, "chrF", 100),
        parts.Metric("bleu", True, "BLEU", 100),
        parts.Metric("loss", False, "cross-entropy"),
    )
    floor_name = "left in English"
    version = 2

    def asked(self, context: parts.Context) -> str:
        """The language to write (Johnson et al. 2017): without it nobody knows which, where contexts differ in it."""
        language = context.language.rpartition("-")[2]
        return f"{language}: " if language else ""

    def evaluate(self, answers: np.ndarray, references: np.ndarray) -> dict[str, float]:
        """BLEU and chrF of texts ``[N]``, 0 to 100 (Papineni et al. 2002, Popović 2015)."""
        return {name: score for name, (score, _) in _scores(answers, references).items()}

    def details(self, answers: np.ndarray, references: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
        """Signatures of sacrebleu, so that others can repeat the scores."""
        return {"signature": {name: signature for name, (_, signature) in _scores(answers, references).items()}}

    def scores(self, answers: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Each text's own chrF, 0 to 1."""
        import numpy as np
        from sacrebleu.metrics.chrf import CHRF

        scorer = CHRF()
        pairs = zip(answers.tolist(), references.tolist(), strict=True)
        return np.asarray([scorer.sentence_score(a, [b]).score / 100 for a, b in pairs])

    def floor(
        self, learn: Sequence[parts.Example], test: Sequence[parts.Example], labels: Sequence[str]
    ) -> dict[str, float]:
        """The English text left as it is."""
        import numpy as np

        return self.evaluate(np.asarray([e.input for e in test]), np.asarray([e.output for e in test]))


def _scores(answers: np.ndarray, references: np.ndarray) -> dict[str, tuple[float, str]]:
    """Each score with its signature. BLEU splits Chinese into characters, other languages into words."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    text = "".join(references.tolist())
    chinese = sum("\u4e00" <= sign <= "\u9fff" for sign in text) > len(text) / 4
    found = {}
    for name, scorer in (("chrf", CHRF()), ("bleu", BLEU(tokenize="zh" if chinese else "13a"))):
        score = scorer.corpus_score(answers.tolist(), [references.tolist()]).score
        found[name] = (float(score), str(scorer.get_signature()))
    return found
