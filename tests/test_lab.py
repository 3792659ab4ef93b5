"""The Lab's logic: what its sentences say about numbers, and what it proposes next."""

from dataclasses import replace

import numpy as np
import pytest

from ctx.config import RunConfig, check
from ctx.lab import answer, history, presets, sentences, settings, words
from ctx.lab.applications import applications
from ctx.lab.data import default, example, floor, sample
from ctx.parts import Choice
from ctx.records import Run
from ctx.study import rows

SAMPLE = sample()


def run(target: float, source: float | None = None, state: str = "done", number: int = 0) -> Run:
    final = {
        "metrics": {"target": {"macro_f1": target}, "source": None if source is None else {"macro_f1": source}},
        "labels_used": {"source": 500, "target": 20},
    }
    blank = dict.fromkeys(Run.__dataclass_fields__)
    given = {"id": f"run{number}{target}", "state": state, "final": final if state == "done" else None, "settings": {}}
    return Run(**blank | given)  # type: ignore[arg-type]


def study(alone: list[float], source: list[float], both: list[float], guess: str | None = None) -> answer.Answer:
    found = [("target-only", draw, run(value)) for draw, value in enumerate(alone)]
    found += [("source-only", draw, run(value, 0.9)) for draw, value in enumerate(source)]
    found += [("chosen", draw, run(value, 0.89)) for draw, value in enumerate(both)]
    return answer.Answer(SAMPLE, found, guess)


# -- the answer


def test_a_clear_gain_is_called_help_with_its_draws_and_interval() -> None:
    found = study([0.50, 0.52, 0.48], [0.7, 0.7, 0.7], [0.75, 0.76, 0.74], "helps")
    assert words.headline(found).startswith("Helped in 3 of 3 draws (+.250 macro-F1, 95 % interval +.")
    assert words.against_guess(found) == "You guessed “helps”: so it is."


def test_a_clear_loss_is_called_hurt() -> None:
    found = study([0.75, 0.76, 0.74], [0.7, 0.7, 0.7], [0.50, 0.51, 0.49], "helps")
    assert words.headline(found).startswith("Hurt in 3 of 3 draws (−.250 macro-F1")
    assert words.against_guess(found) == "You guessed “helps”: it hurt."


def test_an_interval_around_zero_claims_nothing() -> None:
    found = study([0.5, 0.6, 0.7], [0.7, 0.7, 0.7], [0.6, 0.5, 0.7])
    assert words.headline(found).startswith("Can't tell: better in 1, worse in 1 of 3 draws")


def test_one_draw_claims_no_cause() -> None:
    text = words.headline(study([0.5], [0.7], [0.8]))
    assert "proves nothing" in text
    assert "elped" not in text


def test_a_study_at_work_gives_no_verdict_yet() -> None:
    found = answer.Answer(SAMPLE, [*study([0.5, 0.5], [], [0.7, 0.8]).rows, ("chosen", 2, run(0, state="running"))])
    assert words.headline(found) == "So far, after 2 of 3 draws: +.250 macro-F1."


def test_labels_that_add_nothing_are_said_to() -> None:
    found = study([0.5, 0.5, 0.5], [0.74, 0.75, 0.76], [0.75, 0.74, 0.76])
    assert "your 20 labels added nothing that shows" in words.labels_added(found)
    assert "already gives .750" in words.labels_added(found)


@pytest.mark.parametrize(
    ("application", "unit"),
    [("sentiment", "labels"), ("ner", "sentences"), ("translation", "pairs"), ("summarisation", "pairs")],
)
def test_what_the_target_has_few_of_has_the_applications_own_name(application: str, unit: str) -> None:
    config = sample(application)
    assert config is not None
    size = config.target.size
    assert history.about(config).endswith(f", {size} {unit}")
    assert applications()[application].amount.casefold().startswith(unit)
    metric = config.task().metrics[0].name
    final = {"metrics": {"target": {metric: 0.5}, "source": None}, "labels_used": {}}
    blank = dict.fromkeys(Run.__dataclass_fields__)
    one = Run(**blank | {"id": "run", "state": "done", "final": final, "settings": {}})  # type: ignore[arg-type]
    rows = [(arm, draw, one) for arm in ("source-only", "chosen") for draw in range(3)]
    assert f"your {size} {unit} added" in words.labels_added(answer.Answer(config, rows, None))
    assert {one.title for one in presets.presets(config)} >= ({f"20 {unit}"} if size != 20 else set())


@pytest.mark.parametrize(
    ("both", "application", "said"),
    [
        (
            [0.30, 0.31, 0.29],
            "sentiment",
            "“both” falls short of “always one answer” (.400), which needs no learning, by .100",
        ),
        ([0.30, 0.41, 0.49], "sentiment", "“both” can't be told from “always one answer” (.400)"),
        ([0.70, 0.71, 0.69], "sentiment", ""),
        ([0.70, 0.71, 0.69], "summarisation", "“both” beats “its first sentence” (.400) by +.300"),
    ],
)
def test_an_answer_says_where_it_does_not_beat_what_needs_no_learning(
    both: list[float], application: str, said: str
) -> None:
    found = study([0.2, 0.2, 0.2], [0.2, 0.2, 0.2], both)
    config = applications()[application].sample
    assert config is not None
    name = config.task().metrics[0].name
    rows = [
        (arm, draw, replace(one, final={"metrics": {"target": {name: one.final["metrics"]["target"]["macro_f1"]}}}))
        for arm, draw, one in found.rows
        if one.final
    ]
    text = words.against_floor(answer.Answer(config, rows, None), dict.fromkeys(range(3), 0.4))
    assert text.startswith(said)
    assert bool(text) == bool(said)


def test_the_price_is_what_the_source_lost() -> None:
    assert words.price(study([0.5], [0.7], [0.8])).endswith("gadgets in English .900 → .890")


def test_a_schedule_without_the_source_has_nothing_to_judge() -> None:
    alone = SAMPLE.model_copy(update={"schedule": Choice(name="target-only")})
    found = answer.Answer(alone, [("target-only", 0, run(0.5))])
    assert "nothing to judge" in words.headline(found)


def test_the_floor_is_known_before_training() -> None:
    by_draw = floor(SAMPLE, 3)
    assert sorted(by_draw) == [0, 1, 2]
    assert all(0.2 < value <= 0.5 for value in by_draw.values())


# -- sentences


def test_sentences_are_fixed_broken_or_unchanged() -> None:
    truth = np.asarray([0, 0, 1, 1])
    alone = np.asarray([[1, 0], [0, 1], [0, 1], [1, 0]], float)
    now = np.asarray([[1, 0], [3, 0], [1, 0], [1, 0]], float)
    found = sentences.frame(list("abcd"), truth, alone, now, ("negative", "positive"))
    assert dict(zip(found["text"], found["kind"], strict=True)) == {
        "a": "right both times",
        "b": "fixed",
        "c": "broken",
        "d": "wrong both times",
    }
    assert found["text"].iloc[0] == "b", "the surest change comes first"
    assert sentences.counts(found) == dict.fromkeys(sentences.KINDS, 1)


# -- try next


def test_no_context_that_is_slow_to_read_is_read_for_a_button(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: object) -> None:
        raise AssertionError("it would hold the page up")

    monkeypatch.setattr("ctx.data._count", fail)
    monkeypatch.setattr("ctx.lab.presets.needed", lambda config: [])
    config = default("summarisation")
    for key, name in (("source", "scipy"), ("target", "pandas")):
        config = settings.change(config, key, f"summarisation/{name}")
    assert presets.presets(config) == []


@pytest.mark.parametrize("config", [sample(name) or default(name) for name in applications()])
def test_presets_can_be_run_and_change_something(config: RunConfig) -> None:
    found = presets.presets(config)
    assert 1 <= len(found) <= 5
    for preset in found:
        assert check(preset.config) != config
        assert preset.config.task().name == config.task().name
        assert rows(preset.config, 1)


def test_swapping_twice_changes_nothing() -> None:
    once = presets.swapped(SAMPLE)
    assert once.sources[0].id == SAMPLE.target.id if SAMPLE.target else False
    assert once.target is not None
    assert once.target.size == 20, "the labels stay with the target's place"
    assert presets.swapped(once) == SAMPLE


def test_a_real_example_is_shown_with_its_label() -> None:
    shown = example(SAMPLE.sources[0])
    assert shown is not None
    assert shown.label in ("negative", "positive")
    assert example(default("sentiment").sources[0]) is None, "not fetched: nothing to show"
