"""How much of the validation split an epoch's end looks at."""

from __future__ import annotations

import numpy as np
import pytest

from ctx import evaluation
from ctx.config import Optim, canonical, looked
from ctx.prefix import Memo
from ctx.setup import Setup
from ctx.train import Trainer
from tests.test_train import tiny


@pytest.mark.parametrize(
    ("updates", "batch", "tuning", "expected"),
    [(50, 32, "full", 500), (2, 16, "full", 150), (10, 32, "full", 320), (10, 32, "head", 500)],
)
def test_it_is_no_more_than_a_short_epoch_learns_from(
    updates: int, batch: int, tuning: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(tuning=tuning).model_copy(update={"optim": Optim(epochs=1, min_updates=updates, batch=batch)})
    assert looked(config) == expected
    trainer, asked = Trainer(Setup(canonical(config)), Memo()), []
    trainer.begin()

    def some(rows: np.ndarray, most: int) -> np.ndarray:
        asked.append(most)
        return rows[:10]

    monkeypatch.setattr(evaluation, "some", some)
    trainer.evaluator.look()
    trainer.evaluator.look(first=True)
    assert asked == [expected, expected, 150, 150]
