"""Texts that are written: the head against itself step by step, search against brute force, scores against others'."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from rouge_score.rouge_scorer import RougeScorer
from torch import Tensor

from ctx.batches import Batch, Encoded
from ctx.beam import Search
from ctx.parts import Backbone, Example, Space
from ctx.rouge import first_sentence, rouge
from ctx.tasks.summarisation import Summarisation
from ctx.tasks.translation import Translation
from ctx.writer import OTHER, Writer, vocabulary

WIDTH, END = 64, 2


class Plain(Backbone):
    """A backbone of numbers: 3 to 40 are pieces; it has vectors of its own."""

    def vectors(self, ids: np.ndarray) -> Tensor:
        return torch.from_numpy(np.random.default_rng(0).normal(size=(50, WIDTH))).float()[torch.from_numpy(ids)]


def encoded(inputs: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> Encoded:
    rows = [np.asarray(row, np.int64) for row in inputs]
    longest = max(map(len, targets))
    padded = np.asarray([[*row, *[-100] * (longest - len(row))] for row in targets], np.int64)
    return Encoded("numbers", (), rows, padded, padded, np.asarray([len(row) for row in rows]), True)


def setting(copies: bool = False, held_back: int = 0) -> tuple[Writer, Encoded, Batch, Tensor]:
    """A writer, sixteen pairs and what a backbone says of them; the vocabulary leaves out the last ``held_back``."""
    random = np.random.default_rng(0)
    inputs = [random.integers(3, 40, random.integers(2, 7)).tolist() for _ in range(16)]
    pairs = encoded(inputs, [[*row[::-1], END] for row in inputs])
    torch.manual_seed(0)
    writer = Writer(Space((), WIDTH, Plain(), [pairs.targets[: 16 - held_back]]), copies=copies)
    batch = pairs.batch(np.arange(16))
    states = torch.nn.Embedding(50, WIDTH)(batch.inputs) + 0.1 * torch.randn(*batch.inputs.shape, WIDTH)
    return writer, pairs, batch, states.detach()


@pytest.mark.parametrize("beams", [1, 4])
@pytest.mark.parametrize("copies", [False, True])
def test_what_it_writes_step_by_step_has_the_likelihood_that_it_gives_at_once(
    copies: bool, beams: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, _, batch, hidden = setting(copies)
    writer.eval()
    searches: list[Search] = []
    monkeypatch.setattr(
        "ctx.writer.Search", lambda *given, **more: searches.append(Search(*given, **more)) or searches[-1]
    )
    with torch.inference_mode():
        texts = writer.write(hidden, batch, 6, beams)
        search = searches[0]
        best = (torch.arange(16), (search.total / search.length).argmax(1))
        inputs = [row.tolist() for row in batch.encoded.inputs]
        ends = search.ended[best].tolist()
        written = encoded(inputs, [[*text, *([END] * end)] for text, end in zip(texts, ends, strict=True)])
        losses = writer(hidden, written.batch(np.arange(16), batch.length))
    assert torch.isfinite(losses).any(1).all()
    assert (-losses.nansum(1)).tolist() == pytest.approx(search.total[best].tolist(), abs=1e-4)


@pytest.mark.parametrize("beams", [1, 4])
@pytest.mark.parametrize("copies", [False, True])
def test_a_text_is_what_it_is_alone_whatever_stands_beside_it_and_ends_before_it(copies: bool, beams: int) -> None:
    writer, pairs, batch, hidden = setting(copies)
    learn(writer, batch, hidden, 30)
    with torch.inference_mode():
        together = writer.write(hidden, batch, 8, beams)
        assert len({len(text) for text in together}) > 3
        for row in range(16):
            alone, length = pairs.batch(np.asarray([row])), int(pairs.lengths[row])
            alone.length = length
            assert writer.write(hidden[row : row + 1, :length], alone, 8, beams)[0].tolist() == together[row].tolist()


def test_texts_that_have_ended_cost_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    writer, _, batch, hidden = setting()
    learn(writer, batch, hidden, 60)
    rows: list[int] = []
    embed = Writer._embed
    monkeypatch.setattr(
        Writer, "_embed", lambda self, index, places: (rows.append(len(index)), embed(self, index, places))[1]
    )
    with torch.inference_mode():
        texts = writer.write(hidden, batch, 12)
    longer = [sum(len(text) >= step for text in texts) for step in range(len(rows))]
    assert all(at_work < 2 * left for at_work, left in zip(rows[1:], longer[1:], strict=True))
    assert rows[-1] < rows[0]


def test_no_beam_can_follow_a_place_that_stands_for_no_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    writer, _, batch, hidden = setting(copies=True)
    asked: list[Tensor] = []
    take = Search.take
    monkeypatch.setattr(Search, "take", lambda self, scores, rows: (asked.append(scores), take(self, scores, rows))[1])
    with torch.inference_mode():
        writer.eval().write(hidden, batch, 2, 2)
    assert all((scores[:, : OTHER + 1] < -1000).all() for scores in asked)
    assert all((scores[:, OTHER + 1 :] > -1000).all() for scores in asked)


def learn(writer: Writer, batch: Batch, hidden: Tensor, updates: int) -> None:
    adam = torch.optim.AdamW(writer.parameters(), lr=3e-3)
    writer.train()
    for _ in range(updates):
        adam.zero_grad()
        writer(hidden, batch).nanmean().backward()
        adam.step()
    writer.eval()


def test_it_learns_to_write_sixteen_texts_backwards_greedily_and_by_beam() -> None:
    writer, pairs, batch, hidden = setting()
    learn(writer, batch, hidden, 150)
    with torch.inference_mode():
        for beams in (1, 3):
            texts = writer.write(hidden, batch, 8, beams)
            right = [
                [p for p in row if p >= 0] == [*text, END]
                for row, text in zip(pairs.targets.tolist(), texts, strict=True)
            ]
            assert np.mean(right) > 0.9


def test_a_piece_that_the_vocabulary_lacks_can_be_copied_but_not_written() -> None:
    found = {}
    for copies in (False, True):
        writer, pairs, batch, hidden = setting(copies)
        rare = pairs.targets[0][0]
        keep = [row for row in range(16) if rare not in pairs.targets[row]]
        torch.manual_seed(0)
        writer = Writer(Space((), WIDTH, Plain(), [pairs.targets[keep]]), copies=copies)
        assert rare not in writer.pieces
        learn(writer, pairs.batch(np.asarray(keep), batch.length), hidden[keep], 200)
        with torch.inference_mode():
            found[copies] = {int(piece) for text in writer.write(hidden, batch, 8) for piece in text}
    assert rare not in found[False]
    assert rare in found[True]


def test_a_piece_that_no_training_text_has_is_left_out_of_the_loss() -> None:
    writer, _, batch, hidden = setting(held_back=8)
    lacks = (batch.targets >= 0) & (writer._index(batch.targets) == OTHER)
    losses = writer.eval()(hidden, batch)
    assert lacks.any()
    assert torch.isnan(losses[lacks[:, : losses.shape[1]]]).all()


def test_beam_search_finds_what_trying_all_finds_and_greedy_search_does_not() -> None:
    random = np.random.default_rng(3)
    table = torch.log_softmax(torch.from_numpy(random.normal(size=(5, 4, 4)) * 2).float(), -1)  # step, last piece, next

    def run(beams: int) -> tuple[list[int], float]:
        search, last = Search(1, beams, end=3), torch.zeros(beams, dtype=torch.int64)
        for step in range(5):
            search.take(table[step][last])
            last = search.last.flatten().clamp(max=3)
            if search.over():
                break
        return search.best()[0].tolist(), float((search.total / search.length).max())

    def likelihood(text: Sequence[int]) -> float:
        steps = itertools.pairwise([0, *text])
        return sum(float(table[n][a][b]) for n, (a, b) in enumerate(steps)) / len(text)

    every = [[*t, 3] for n in range(5) for t in itertools.product(range(3), repeat=n)]
    every += [list(t) for t in itertools.product(range(3), repeat=5)]
    best = max(every, key=likelihood)
    text, score = run(64)
    assert score == pytest.approx(likelihood(best), abs=1e-5)
    assert text == [piece for piece in best if piece != 3]
    assert run(1)[1] <= score + 1e-6


ENGLISH = [
    ("Return the mean of the values along an axis.", "Compute the arithmetic mean along the specified axis."),
    ("The cat sat on the mat", "the cat is on the mat, the cat"),
    ("nothing shared here", "zero words in common"),
    ("a a a b", "a b b"),
    ("", "something"),
]


def test_rouge_on_english_is_the_reference_scorers() -> None:
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"])
    theirs = [scorer.score(reference, answer) for answer, reference in ENGLISH]
    ours = rouge([a for a, _ in ENGLISH], [b for _, b in ENGLISH])
    for name, value in ours.items():
        assert value == pytest.approx(np.mean([one[name].fmeasure for one in theirs]))


def test_rouge_counts_accents_and_chinese_characters() -> None:
    assert rouge(["El niño comió"], ["el niño comió"])["rouge1"] == 1.0
    assert rouge(["今天天气好"], ["今天天气坏"])["rouge1"] == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One. Two.", "One."),
        ("No stop", "No stop"),
        ("一句。两句。", "一句。"),
        ("Title\n\nBody", "Title"),
        ("v1.2 is out. Yes", "v1.2 is out."),
    ],
)
def test_the_first_sentence_ends_where_it_ends(text: str, first: str) -> None:
    assert first_sentence(text) == first


def test_translation_is_scored_by_sacrebleu_and_says_how() -> None:
    task = Translation()
    answers, references = (
        np.asarray(["El gato duerme en la casa", "Hola"]),
        np.asarray(["El gato duerme en casa", "Hola"]),
    )
    found = task.evaluate(answers, references)
    assert 50 < found["bleu"] < 100
    assert 50 < found["chrf"] < 100
    assert "tok:13a" in task.details(answers, references, ())["signature"]["bleu"]
    chinese = np.asarray(["保存文件", "打开"])
    assert task.evaluate(chinese, chinese)["bleu"] == pytest.approx(100)
    assert "tok:zh" in task.details(chinese, chinese, ())["signature"]["bleu"]


def test_floors_are_the_english_text_and_the_first_sentence() -> None:
    rows = [Example("1", "Save the file. Then close it.", "Guardar el archivo", "")]
    assert (
        Translation().floor([], rows, ())["chrf"]
        == Translation().evaluate(np.asarray([rows[0].input]), np.asarray([rows[0].output]))["chrf"]
    )
    rows = [Example("1", "Save the file. Then close it.", "Save the file", "")]
    found = Summarisation().floor([], rows, ())
    assert found["rougeL"] == found["lead1_rougeL"] == 1.0


def test_the_constant_guess_of_a_text_is_the_entropy_of_its_pieces() -> None:
    learn = np.asarray([[5, 5, 6, -100]])
    expected = -(2 * math.log(3 / 5) + math.log(2 / 5)) / 3
    assert Translation().constant(learn, learn) == pytest.approx(expected)


def test_the_vocabulary_has_of_each_context_what_it_writes_most_whatever_its_company() -> None:
    source = np.array([[3, 4, 5, 40]] * 100 + [[6, 4, 40, -1]])
    target = np.array([[7, 8, 40], [7, 40, -1]])
    assert vocabulary([target], 2).tolist() == [7, 40]
    assert vocabulary([source, target], 2).tolist() == [4, 7, 40]
    assert vocabulary([source, target]).tolist() == [3, 4, 5, 6, 7, 8, 40]


@pytest.mark.parametrize("beams", [1, 2])
def test_no_three_pieces_are_written_twice_where_repeating_is_forbidden(beams: int) -> None:
    def written(repeats: bool) -> list[int]:
        search = Search(1, beams, end=5, repeats=repeats)
        for _ in range(9):
            scores = torch.full((beams, 6), -9.0)
            scores[:, 0] = -1e4
            for row, text in enumerate(search.written[0].tolist()):
                scores[row, 3 if text and text[-1] == 2 else 2] = -0.1
            search.take(torch.log_softmax(scores, -1))
        text: list[int] = search.best()[0].tolist()
        return text

    def triples(text: list[int]) -> list[tuple[int, ...]]:
        return list(zip(text, text[1:], text[2:], strict=False))

    assert written(True) == [2, 3, 2, 3, 2, 3, 2, 3, 2]
    free = triples(written(False))
    assert len(free) == len(set(free)) > 0
