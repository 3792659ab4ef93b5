"""What is said of what learns: which layers, when, how many parameters, as a finished run has it; what is refused."""

from __future__ import annotations

import pytest

from ctx.config import check
from ctx.errors import BadInput
from ctx.lab import effect, learned, settings
from ctx.parts import Choice
from ctx.plan import Phase
from tests.tuned import TINY, TUNINGS, bert, config, trainer_of

__all__ = ["bert"]


@pytest.mark.parametrize("family", ["tiny", "bert"])
@pytest.mark.parametrize(("tuning", "knobs"), TUNINGS)
def test_what_the_page_counts_is_what_the_finished_run_counts(
    bert: Choice, family: str, tuning: str, knobs: dict[str, object]
) -> None:
    asked = config(tuning, bert if family == "bert" else TINY, **knobs)
    trainer = trainer_of(asked)
    final = list(trainer.run(None))[-1].final
    assert final is not None
    head = sum(p.numel() for p in trainer.model.heads.parameters())
    learn, total = learned.counts(asked)
    assert final["parameters"] == {"learn": learn + head, "total": total + head}
    if tuning != "head":
        assert effect.millions(learn) in effect.learning(asked)
    assert effect.millions(total) in effect.learning(asked)


@pytest.mark.parametrize(
    ("tuning", "knobs", "said"),
    [
        ("choose", {"learn": "1, 3"}, "Of the encoder only layers 1 and 3 learn: "),
        ("choose", {"learn": "embedding"}, "Of the encoder only the embedding learns: "),
        ("gradual", {}, "First the head alone; from epoch 5 on the embedding and layers 1–3 too: in the end "),
        ("gradual", {"start": 1, "interval": 5}, "First layer 3 and the head; from epoch 6 on layers 2–3 too: "),
        ("gradual", {"interval": 10}, "All 3 layers frozen: only the head learns, on "),
        ("gradual", {"start": 1, "interval": 10}, "2 of 3 frozen: "),
        ("full", {"decay": 2.6}, "Lower layers learn slower, the embedding at 0.057 of the rate."),
        ("full", {"reinit": 2}, "The weights of layers 2–3 begin anew, the same in every arm of a draw."),
    ],
)
def test_what_learns_is_said_in_words(bert: Choice, tuning: str, knobs: dict[str, object], said: str) -> None:
    assert said in effect.learning(config(tuning, bert, epochs=10, **knobs))


def test_a_smaller_backbone_keeps_what_fits() -> None:
    deep = config("choose", learn="embedding, 1-3")
    small = settings.change(deep, "backbone", "tiny")
    assert small.tuning.knobs["learn"] == "embedding, 1, 2"
    assert settings.change(config("gradual", start=3), "backbone", "tiny").tuning.knobs["start"] == 2


def test_another_tuning_keeps_the_knobs_that_it_has_too(bert: Choice) -> None:
    whole = config("full", bert, reinit=2, decay=2.0)
    some = settings.change(whole, "tuning", "gradual")
    assert some.tuning.knobs == {"reinit": 0, "decay": 2.0}, "as many layers anew as may be"
    freeze = settings.change(settings.change(whole, "tuning", "freeze"), "tuning.layers", 1)
    assert freeze.tuning.knobs["decay"] == 2.0
    assert settings.change(whole, "tuning", "head").tuning.knobs == {}
    narrow = config("lora", bert, rate=3.0, rank=2)
    assert settings.change(narrow, "tuning", "adapter").tuning.knobs == {"rate": 3.0}


def test_the_epoch_of_a_step_follows_from_the_plan() -> None:
    plan = [Phase("a", 2, 3, {}), Phase("b", 2, 2, {})]
    assert [learned.epoch_at(plan, step) for step in range(11)] == [0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("tuning", "knobs", "says"),
    [
        ("choose", {"learn": "4"}, "learn names layer 4, .* an embedding and layers 1 to 3"),
        ("choose", {"learn": "2, roof"}, "“roof” is no layer: write “embedding”"),
        ("choose", {"learn": "0"}, "“0” is no layer"),
        ("choose", {"learn": "3-2"}, "“3-2” is no layer"),
        ("gradual", {"start": 4}, "start is 4, and this backbone has 3 layers"),
        ("gradual", {"interval": 0}, "interval is 0"),
        ("full", {"decay": 0.5}, "decay is 0.5"),
        (
            "freeze",
            {"layers": 2, "reinit": 2},
            "reinit is 2, and with the tuning freeze only the highest layer learns from the start",
        ),
        ("freeze", {"layers": 3, "reinit": 1}, "no layer learns from the start.* Choose reinit 0"),
        ("gradual", {"reinit": 1}, "reinit is 1, and with the tuning gradual no layer learns from the start"),
        ("choose", {"learn": "1, 3", "reinit": 2}, "only the highest layer learns from the start"),
        ("full", {"reinit": 4}, "only the highest 3 layers learn from the start.* Choose reinit from 0 to 3"),
    ],
)
def test_knobs_that_do_not_fit_are_refused_in_a_sentence(
    bert: Choice, tuning: str, knobs: dict[str, object], says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        check(config(tuning, bert, **knobs))


def test_layers_that_were_never_pretrained_are_not_drawn_anew() -> None:
    with pytest.raises(BadInput, match="tiny has none that it could draw"):
        check(config("full", reinit=1))
    assert "no pretrained layers" in settings.setting(config("full"), "tuning.reinit").off
