"""Previews: what is asked and when, and that the path is that of heads trained on the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from ctx import kept, preview
from ctx.charts import Mark
from ctx.cli import main
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical
from ctx.lab import path
from ctx.linear_probes import solved
from ctx.metrics import confusion, per_class
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.preview import Preview
from ctx.probe import probe
from ctx.setup import Setup
from ctx.train import Trainer, train
from tests.swept import BLANK

BASE = RunConfig(
    sources=(SourceChoice(id="sentiment/sample-cafes-en", size=60),),
    target=ContextChoice(id="sentiment/sample-gadgets-en", size=20),
    backbone=Choice(name="tiny"),
)


def changed(**values: Any) -> RunConfig:
    return RunConfig.model_validate(BASE.model_dump() | values)


@pytest.fixture(scope="module")
def along_lam() -> Preview:
    return solved(preview.asked(BASE, "lam", 2), features=Memo())


def test_a_path_has_every_value_context_and_draw(along_lam: Preview) -> None:
    assert len(along_lam.values) == 24
    assert along_lam.values[0] == pytest.approx(0.01)
    assert along_lam.values[-1] == pytest.approx(10)
    for scores, rows in ((along_lam.both, 24), (along_lam.alone, 1), (along_lam.zero, 1)):
        assert {key: np.shape(one) for key, one in scores.items()} == dict.fromkeys(("source", "target"), (rows, 2))
    assert along_lam.heads == 26 * 2
    assert along_lam.gradient <= preview.TOLERANCE


def weighted(trainer: Trainer, key: str, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    encoded = trainer.setup.rows[key].encoded
    hidden = trainer.frozen(encoded.batch(rows))
    assert hidden is not None
    return torch.cat([hidden, torch.ones(len(rows), 1)], 1).double(), torch.from_numpy(encoded.targets[rows])


def minimum(learn: Mapping[str, tuple[torch.Tensor, torch.Tensor]], lam: float, balanced: bool) -> torch.Tensor:
    """The head of L = L_source + λ·L_target + ridge, found in double precision by torch's own minimiser."""
    head = torch.zeros(2, learn["source"][0].shape[1], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([head], max_iter=2000, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def value() -> torch.Tensor:
        optimiser.zero_grad()
        total = preview.RIDGE / 2 * (head * head).sum()
        for key, weight in (("source", 1.0), ("target", lam)):
            x, y = learn[key]
            classes = 1.0 / y.bincount().double() if balanced else None
            total = total + weight * torch.nn.functional.cross_entropy(x @ head.T, y, classes)
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(value)  # type: ignore[arg-type]
    return head.detach()


@pytest.mark.parametrize("balanced", [False, True])
def test_scores_are_those_of_heads_minimised_one_by_one(balanced: bool) -> None:
    config = BASE.model_copy(update={"optim": Optim(class_balanced=balanced)})
    found = solved(preview.asked(config, "lam", 2), features=Memo())
    for draw, place in ((0, 4), (1, 20)):
        trainer = Trainer(Setup(canonical(config.model_copy(update={"seed": draw}))), Memo())
        trainer.begin()
        learn = {key: weighted(trainer, key, rows.learn) for key, rows in trainer.setup.rows.items()}
        head = minimum(learn, found.values[place], balanced)
        x, y = weighted(trainer, "target", trainer.setup.rows["target"].validation)
        counts = confusion((x @ head.T).argmax(1).numpy(), y.numpy(), 2)
        expected = np.mean([row["f1"] for row in per_class(counts)])
        assert found.both["target"][place][draw] == pytest.approx(expected, abs=0.02)


def test_more_labels_than_a_draw_selects_on_are_learnt_from_as_runs_do() -> None:
    found = solved(preview.asked(BASE, "size", 2), features=Memo())
    there = len(Setup(canonical(changed(target={"id": BASE.target.id}))).rows["target"].pool)  # type: ignore[union-attr]
    assert found.values == [*(n for n in preview.SIZES if n < there), there]
    assert np.shape(found.both["target"]) == np.shape(found.alone["target"]) == (len(found.values), 2)
    assert np.shape(found.zero["source"]) == (1, 2)


def test_an_answer_is_kept_and_a_damaged_one_is_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    question = preview.asked(BASE, "lam", 1)
    first = probe(question)
    monkeypatch.setattr("ctx.linear_probes.solved", lambda *_: pytest.fail("computed twice"))
    assert probe(question) == first == preview.kept_one(question)
    kept.keep_document(preview.FOLDER, question.name(), {"axis": "lam"})
    assert preview.kept_one(question) is None


def test_a_question_names_what_matters_and_nothing_else() -> None:
    plain = preview.asked(BASE, "lam", 3).name()
    same = changed(schedule={"name": "joint", "knobs": {"lam": 5}}, optim={"epochs": 3, "head_lr": 0.1}, keep="last")
    assert preview.asked(same, "lam", 3).name() == plain
    other: list[Mapping[str, Any]] = [{"seed": 1}, {"target": {"id": BASE.target.id, "size": 30}}]  # type: ignore[union-attr]
    other += [{"optim": {"class_balanced": True}}]
    names = {preview.asked(changed(**values), "lam", 3).name() for values in other}
    assert len(names | {plain, preview.asked(BASE, "lam", 4).name(), preview.asked(BASE, "size", 3).name()}) == 6
    sizes = [changed(target={"id": BASE.target.id, "size": size}) for size in (10, 30)]  # type: ignore[union-attr]
    assert len({preview.asked(one, "size", 3).name() for one in sizes}) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tuning": {"name": "full"}}, "Freeze all layers"),
        ({"augment": [{"name": "eda"}]}, "Without augmentation"),
        ({"schedule": {"name": "sequential"}}, ""),
    ],
)
def test_where_there_is_no_path_a_sentence_says_why(change: dict[str, Any], says: str) -> None:
    config = changed(**change)
    assert preview.why_not(config).startswith(says)
    assert preview.offered(config) == (not says and config.schedule.name == "joint")


def test_labels_of_their_own_make_lambda_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "_one_space", lambda config: False)
    assert "λ changes nothing" in preview.why_not(BASE)
    assert not preview.offered(BASE)


def test_the_marker_stands_on_the_path_and_the_ends_are_named(along_lam: Preview) -> None:
    line = path.lines(along_lam, "target", {"both": "b", "alone": "a"})[0]
    assert list(line.mean[[0, -1]]) == [np.mean(along_lam.zero["target"]), np.mean(along_lam.alone["target"])]
    assert [text for _, text in path.ticks(along_lam)][::5] == ["0", "∞"]
    at = changed(schedule={"name": "joint", "knobs": {"lam": along_lam.values[7]}})
    mark = path.mark(along_lam, at, "target")
    assert mark == Mark(line.x[8], f"{line.mean[8]:.3f}".lstrip("0"))
    ends = [path.place(along_lam, value) for value in (0.0, 1000.0, None)]
    assert ends[0] == line.x[0]
    assert line.x[-2] < ends[1] < ends[2] == line.x[-1]


def test_runs_land_where_their_kept_weights_scored(along_lam: Preview) -> None:
    final = {"kept_step": 4}
    run = BLANK.__class__(**(vars(BLANK) | {"state": "done", "final": final}))
    told = {"validation/target/macro_f1": (np.asarray([2, 4, 6]), np.asarray([0.1, 0.7, 0.2]))}
    rows = [((arm, 0, run), told) for arm in ("chosen", "source-only", "target-only")]
    landed = path.landed(along_lam, BASE, rows, "target")
    places = [path.place(along_lam, value) for value in (0.1, 0.0, None)]
    assert landed == [(place, 0.7) for place in places]
    assert path.landed(along_lam, BASE, rows, "source") == []


def test_the_sentence_reads_off_how_many_labels_a_source_is_worth(along_lam: Preview) -> None:
    values = {"axis": "size", "values": [10.0, 100.0, 1000.0], "zero": {"target": [[0.5]]}}
    both, alone = [[0.7], [0.7], [0.8]], [[0.6], [0.7], [0.75]]
    found = Preview.model_validate(
        along_lam.model_dump() | values | {"both": {"target": both}, "alone": {"target": alone}}
    )
    said = [path.sentence(found, changed(target={"id": BASE.target.id, "size": n})) for n in (10, 100, None)]  # type: ignore[union-attr]
    assert "10 labels reach .700: without it that takes about 100" in said[0]
    assert "100 labels the source adds nothing" in said[1]
    assert "1,000 labels reach .800: without it not even all 1,000 do" in said[2]
    few = changed(target={"id": BASE.target.id, "size": 3})  # type: ignore[union-attr]
    assert path.sentence(found, few) == ""
    hurt = found.model_copy(update={"both": {"target": [[0.5], [0.6], [0.6]]}})
    hundred = changed(target={"id": BASE.target.id, "size": 100})  # type: ignore[union-attr]
    assert "the source hurts: .600 with it, .700 without" in path.sentence(hurt, hundred)


def test_runs_of_all_frozen_layers_land_near_the_path() -> None:
    """AdamW for some epochs is not the minimum, but near it in what it says."""
    config = changed(optim={"epochs": 20}, sources=[{"id": "sentiment/sample-cafes-en"}])
    found = solved(preview.asked(config, "lam", 1), features=Memo())
    last = [event.values for event in train(config, features=Memo()) if event.kind == "epoch"][-1]
    place = int(np.argmin(np.abs(np.log(found.values) - np.log(0.1))))
    assert last["validation/source/macro_f1"] == pytest.approx(found.both["source"][place][0], abs=0.12)


def test_the_command_prints_the_path_and_refuses_what_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--source", "sentiment/sample-cafes-en", "--target", "sentiment/sample-gadgets-en", "--backbone", "tiny"]
    assert main(["preview", *flags, "--target-size", "20", "--draws", "2", "--along", "size"]) == 0
    said = capsys.readouterr().out
    assert "target without the source" in said
    assert "mean of 2 draws" in said
    assert main(["preview", *flags, "--tuning", "full"]) == 2
    assert "Freeze all layers" in capsys.readouterr().err


def test_draws_that_would_take_much_memory_together_are_solved_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = solved(preview.asked(BASE, "lam", 3), features=Memo())
    monkeypatch.setattr("ctx.linear_probes.NUMBERS", 1)
    assert solved(preview.asked(BASE, "lam", 3), features=Memo()).both == at_once.both


def test_many_classes_have_no_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "MOST_CLASSES", 1)
    assert not preview.offered(BASE)
