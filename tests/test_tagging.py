"""Named entities: spans counted as the shared task counts them, words aligned with pieces, cut-off ones missed."""

import numpy as np
import pytest
import torch
from nervaluate import Evaluator

from ctx.batches import Encoded
from ctx.parts import Context, Example
from ctx.spans import count, spans, tags_of
from ctx.tasks.tagging import Tagging

TYPES = ("LOC", "ORG", "PER")


def test_spans_are_read_from_tags() -> None:
    assert spans(["B-PER", "I-PER", "O", "B-LOC", "B-LOC"]) == [("PER", 0, 2), ("LOC", 3, 4), ("LOC", 4, 5)]
    assert spans(["O", "I-ORG", "I-ORG"]) == [("ORG", 1, 3)]
    assert spans(["B-PER", "I-LOC"]) == [("PER", 0, 1), ("LOC", 1, 2)]
    assert spans([]) == []


def sentences(seed: int, number: int = 300) -> list[list[str]]:
    random = np.random.default_rng(seed)
    names = tags_of(TYPES)
    return [[names[i] for i in random.integers(0, len(names), random.integers(1, 12))] for _ in range(number)]


def proper(tags: list[str]) -> list[str]:
    """The same with every span begun by B-: what scorers agree on."""
    found = ["O"] * len(tags)
    for name, start, end in spans(tags):
        found[start:end] = [f"B-{name}"] + [f"I-{name}"] * (end - start - 1)
    return found


def test_scores_by_type_and_over_all_are_an_independent_scorers() -> None:
    truth = [proper(tags) for tags in sentences(0)]
    random = np.random.default_rng(1)
    answers = [proper([t if random.random() < 0.7 else "O" for t in tags]) for tags in truth]
    theirs = Evaluator(truth, answers, tags=list(TYPES), loader="list").evaluate()
    ours = count(truth, answers)
    pairs = [("", theirs["overall"]["strict"])] + [(name, theirs["entities"][name]["strict"]) for name in TYPES]
    for name, expected in pairs:
        found = ours[name].scores()
        assert (found["precision"], found["recall"], found["f1"]) == pytest.approx(
            (expected.precision, expected.recall, expected.f1)
        )


def test_a_count_of_nothing_scores_nothing() -> None:
    assert count([["O"]], [["O"]])[""].scores() == {"precision": 0.0, "recall": 0.0, "f1": 0.0}


class Halves:
    """Cuts words in halves, keeps at most seven pieces; the first stands for the start."""

    def encode_words(
        self, sentences: list[tuple[str, ...]], separator: str = " "
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        found = []
        for words in sentences:
            ids, firsts = [1], []
            for word in words:
                firsts.append(len(ids) if len(ids) < 7 else -1)
                ids += [hash(word) % 50] * (2 if len(word) > 1 else 1)
            found.append((np.asarray(ids[:7], np.int64), np.asarray(firsts, np.int64)))
        return found


class Names(Context):
    language = "en"
    labels = TYPES


def read(*sentences: tuple[str, str]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    examples = [Example(str(n), tuple(w.split()), tuple(t.split()), "") for n, (w, t) in enumerate(sentences)]
    return Tagging().read(Halves(), examples, Names())  # type: ignore[arg-type]


def test_a_tag_stands_at_its_words_first_piece() -> None:
    _, (row,) = read(("Ada of Rome", "B-PER O B-LOC"))
    tags = tags_of(TYPES)
    assert [(tags[tag], place) for tag, place in row.tolist()] == [("B-PER", 1), ("O", 3), ("B-LOC", 5)]


def padded(rows: list[np.ndarray]) -> np.ndarray:
    out = np.full((len(rows), max(map(len, rows)), 2), -100)
    for n, row in enumerate(rows):
        out[n, : len(row)] = row
    return out


def logits(rows: list[np.ndarray], length: int) -> np.ndarray:
    """Answers that say the truth wherever a piece is left; of several words in a piece the first one's."""
    out = np.zeros((len(rows), length, 7), np.float32)
    for n, row in enumerate(rows):
        for tag, place in reversed(row.tolist()):
            if place >= 0:
                out[n, place] = 0
                out[n, place, tag] = 9
    return out


@pytest.mark.parametrize("length", [7, 12])
def test_the_loss_is_that_of_the_words_however_far_a_batch_is_padded(length: int) -> None:
    _, rows = read(("Ada of Rome", "B-PER O B-LOC"), ("a", "O"))
    lengths = np.asarray([7, 2])
    encoded = Encoded("names", (), [], padded(rows), padded(rows), lengths, True)
    out = torch.zeros(2, length, 7)
    assert Tagging().loss(out, encoded.batch(np.arange(2), length)).item() == pytest.approx(np.log(7))
    right = torch.from_numpy(logits(rows, length))
    found = Tagging().loss(right, encoded.batch(np.arange(2), length)).item()
    assert found == pytest.approx(Tagging().evaluate(right.numpy(), padded(rows))["loss"], rel=1e-3)
    assert found < 0.01


def test_words_that_share_a_piece_are_one_name_or_none() -> None:
    tags = {tag: number for number, tag in enumerate(tags_of(TYPES))}
    words = [("B-LOC", 1), ("I-LOC", 1), ("O", 2), ("B-PER", 3), ("B-LOC", 3)]
    rows = [np.asarray([(tags[tag], place) for tag, place in words])]
    found = Tagging().evaluate(logits(rows, 4), padded(rows))
    assert found["precision"] == pytest.approx(1 / 2)  # 北京 as a whole; two names in one piece can't be told apart
    assert found["recall"] == pytest.approx(1 / 3)


def test_a_name_that_was_cut_off_counts_as_missed() -> None:
    inputs, rows = read(("Ada met Bob in Rome", "B-PER O B-PER O B-LOC"), ("Paris", "B-LOC"))
    assert len(inputs[0]) == 7
    found = Tagging().evaluate(logits(rows, 7), padded(rows))
    assert found["precision"] == 1.0
    assert found["recall"] == pytest.approx(3 / 4)


def test_the_floor_finds_nothing_and_the_constant_guess_is_the_tags_entropy() -> None:
    task = Tagging()
    assert task.floor([], [], TYPES)["f1"] == 0.0
    learn = np.asarray([[(0, 1), (0, 2), (0, 3), (1, 4), (-100, -100)]])
    assert task.constant(learn, learn) == pytest.approx(-(3 * np.log(4 / 6) + np.log(2 / 6)) / 4)


def test_details_give_every_types_scores() -> None:
    _, rows = read(("Ada of Rome", "B-PER O B-LOC"))
    found = Tagging().details(logits(rows, 7), padded(rows), TYPES)["spans"]
    assert {name: one["f1"] for name, one in found.items()} == {"LOC": 1.0, "PER": 1.0}
    assert found["PER"]["true"] == 1
