"""Two contexts beside each other: every number against a closed form or an independent scorer."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.linear_model import RidgeClassifier, RidgeCV
from sklearn.metrics.pairwise import rbf_kernel

from ctx import pair_words, pairs
from ctx.cli import main
from ctx.config import ContextChoice
from ctx.describe import KIND, describe, latest, queue
from ctx.distance import RIDGES, a_distance, distance, domain_error, mmd, rbf, ridge, squared_distances
from ctx.errors import BadInput
from ctx.hand import _take_job
from ctx.parts import Choice
from ctx.store import open_store
from ctx.wording import length_shift, overlap, vocabulary

GADGETS, CAFES = ContextChoice(id="sentiment/sample-gadgets-en"), ContextChoice(id="sentiment/sample-cafes-en")
CHINESE = ContextChoice(id="sentiment/sample-cafes-zh")
SPANISH, PORTUGUESE = (ContextChoice(id=f"translation/sample-cafe-en-{language}") for language in ("es", "pt"))
TINY = Choice(name="tiny", knobs={"layers": 1, "width": 16})


def normal(n: int, middle: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(middle, 1, (n, 5))


def test_mmd_is_the_sum_of_its_definition() -> None:
    x, y = normal(4), normal(3, 1, 1)
    sigma = np.median([np.linalg.norm(a - b) for i, a in enumerate([*x, *y]) for b in [*x, *y][i + 1 :]])
    k = rbf_kernel
    gamma = 1 / (2 * sigma**2)
    own = sum(k(x, x, gamma)[i, j] for i in range(4) for j in range(4) if i != j) / 12
    other = sum(k(y, y, gamma)[i, j] for i in range(3) for j in range(3) if i != j) / 6
    expected = own + other - 2 * k(x, y, gamma).mean()
    assert mmd(rbf(squared_distances(np.concatenate([x, y]))), 4) == pytest.approx(expected, abs=1e-12)


def test_squared_distances_are_those_of_scipy() -> None:
    z = normal(30)
    np.testing.assert_allclose(squared_distances(z), cdist(z, z, "sqeuclidean"), atol=1e-12)


def test_two_samples_of_one_distribution_lie_no_further_apart_than_chance() -> None:
    found = [distance(normal(150, seed=seed), normal(150, seed=1000 + seed)) for seed in range(20)]
    assert sum(one.mmd > one.chance for one in found) <= 4  # a test at 5 %
    assert abs(np.mean([one.mmd for one in found])) < 0.002  # unbiased
    assert np.mean([one.a_distance for one in found]) < 0.2


def test_samples_that_lie_far_apart_have_nearly_the_largest_distances() -> None:
    found = distance(normal(100), normal(80, 50, 1))
    assert found.a_distance == 2
    assert found.error == 0
    assert found.mmd > 0.5 > 10 * found.chance
    assert (found.n, found.m) == (100, 80)


def test_the_distance_of_two_overlapping_normals_is_that_of_the_best_classifier() -> None:
    random = np.random.default_rng(3)
    x, y = random.normal(-1, 1, (4000, 1)), random.normal(1, 1, (4000, 1))
    best = 0.158655  # the normal's tail beyond one standard deviation
    assert domain_error(x, y) == pytest.approx(best, abs=0.01)
    assert distance(x[:300], y[:300]).a_distance == pytest.approx(a_distance(best), abs=0.2)


def test_equal_samples_and_constant_vectors_are_no_distance() -> None:
    x = normal(50)
    assert distance(x, x).a_distance == 0
    assert distance(x, x).mmd <= 0
    same = np.ones((10, 3))
    assert distance(same, same).mmd == 0


def test_a_rare_context_weighs_as_much_as_a_frequent_one() -> None:
    assert domain_error(normal(400), normal(20, seed=1)) > 0.3  # always saying the frequent one errs in one half


def test_the_classifier_is_the_ridge_of_scikit_learn() -> None:
    x, y = normal(40), normal(30, 0.7, 1)
    z, signs = np.concatenate([x, y]), np.repeat([-1.0, 1.0], [40, 30])
    scale = (np.linalg.svd(z - z.mean(0), compute_uv=False) ** 2).mean()
    chosen = RidgeCV(alphas=scale * RIDGES / 100).fit(z, signs)
    weights, bias = ridge(x, y)
    np.testing.assert_allclose(weights, chosen.coef_, atol=1e-9)
    assert bias == pytest.approx(chosen.intercept_)
    labels = RidgeClassifier(alpha=chosen.alpha_).fit(z, signs).predict(z)
    np.testing.assert_array_equal(np.sign(z @ weights + bias), labels)


def test_overlap_and_length_shift_are_those_counted_by_hand() -> None:
    found = overlap(vocabulary(["a b c", "a"]), vocabulary(["a a a d", "b"]))
    assert found is not None
    assert found.jaccard == 2 / 4
    assert found.known == 4 / 5
    shift = length_shift(["a b", "a b c d"], ["a b c d e f", "a b c d e f g h"])
    assert shift is not None
    assert shift.ratio == 7 / 3
    assert shift.distance == pytest.approx(4)
    assert overlap({}, {"a": 1}) is None
    assert length_shift([], ["a"]) is None


def test_the_label_shift_is_half_the_sum_of_the_differences() -> None:
    found = pairs.pair(GADGETS, CAFES)
    assert found is not None
    shares = []
    for choice in (GADGETS, CAFES):
        labels = [example.output for example in pairs.data.splits(choice).train]
        shares.append(labels.count("positive") / len(labels))
    assert found.label_shift == pytest.approx(abs(shares[0] - shares[1]))
    assert found.same_labels


def test_texts_to_be_written_are_compared_too() -> None:
    found = pairs.pair(SPANISH, PORTUGUESE)
    assert found is not None
    assert found.words is not None
    assert found.written_words is not None
    assert found.words.known > 0.9 > found.written_words.known
    assert found.label_shift is None


def test_a_pair_is_counted_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pairs.pair(GADGETS, CHINESE)
    monkeypatch.setattr(pairs, "compare", lambda *_: pytest.fail("counted twice"))
    assert pairs.pair(GADGETS, CHINESE) == first
    assert len(list((home / pairs.FOLDER).glob("*.json"))) == 1


def test_contexts_that_do_not_fit_are_refused_in_a_sentence() -> None:
    with pytest.raises(BadInput, match="choose two of one application"):
        pairs.pair(GADGETS, SPANISH)
    with pytest.raises(BadInput, match="itself"):
        pairs.pair(GADGETS, GADGETS)
    assert pairs.pair(GADGETS, ContextChoice(id="sentiment/tweets")) is None


def test_a_backbone_that_knows_the_languages_comes_first() -> None:
    assert pairs.backbones(GADGETS, CAFES) == ["minilm", "e5", "tiny"]
    assert pairs.backbones(GADGETS, CHINESE) == ["e5", "minilm", "tiny"]
    assert pairs.backbones(ContextChoice(id="lesson/base"), ContextChoice(id="lesson/noise")) == ["mlp"]


def test_embeddings_tell_english_from_chinese_and_are_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = describe(GADGETS, CHINESE, TINY)
    assert found.a_distance > 1.5
    assert found.mmd > 10 * found.chance
    assert pairs.distance(GADGETS, CHINESE, TINY) == found
    assert len(list((home / "embeddings").glob("*.npy"))) == 2
    assert pairs.distance(GADGETS, CHINESE, Choice(name="tiny")) is None
    monkeypatch.setattr("ctx.describe.distance", lambda *_: pytest.fail("computed twice"))
    assert describe(GADGETS, CHINESE, TINY) == found


def test_the_mean_leaves_padding_out(home: Path) -> None:
    from ctx.data import splits
    from ctx.embeddings import embedded
    from ctx.registry import make

    found = embedded(CAFES, TINY)
    assert found.shape == (len(splits(CAFES).train), 16)
    import torch

    from ctx.batches import Encoded

    backbone = make("backbones", TINY)
    torch.manual_seed(0)
    blocks, _ = backbone.blocks(0)
    for row in (0, 7):
        ids = backbone.encode([splits(CAFES).train[row].input])
        nothing = np.zeros(1)
        batch = Encoded("one", [], ids, nothing, nothing, np.asarray([len(ids[0])]), True).batch(np.arange(1))
        hidden = None
        with torch.inference_mode():
            for _, block in blocks:
                hidden = block.eval()(hidden, batch)
        assert hidden is not None
        np.testing.assert_allclose(found[row], hidden[0, : len(ids[0])].mean(0).numpy(), atol=1e-6)


def test_numbers_stand_for_themselves() -> None:
    base, noise = ContextChoice(id="lesson/base"), ContextChoice(id="lesson/noise")
    assert pairs.pair(base, noise) == pairs.Pair(
        words=None, lengths=None, written_words=None, written_lengths=None, same_labels=True, label_shift=None
    )
    found = describe(base, noise, Choice(name="mlp"))
    assert found.a_distance < 0.3  # the inputs are alike: what differs is what they call for


def test_a_worker_compares_them_as_a_job_and_the_same_job_is_queued_once() -> None:
    store = open_store()
    job = queue(store, GADGETS, CAFES, TINY)
    assert queue(store, GADGETS, CAFES, TINY).id == job.id
    assert queue(store, CAFES, GADGETS, TINY).id != job.id
    assert latest(store, GADGETS, CAFES, TINY) == job
    assert _take_job(store, "worker", {"take": KIND, "threads": 1})
    done = store.job(job.id)
    assert done.state == "done"
    kept = pairs.distance(GADGETS, CAFES, TINY)
    assert kept is not None
    assert done.result == kept.model_dump()


def test_a_job_on_what_can_not_be_fetched_fails_with_a_sentence() -> None:
    store = open_store()
    job = queue(store, GADGETS, ContextChoice(id="sentiment/tweets"), TINY)
    assert _take_job(store, "worker", {"take": KIND, "threads": 1})
    assert store.job(job.id).state == "failed"
    assert "CTX_OFFLINE" in (store.job(job.id).error or "")


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (1.0, "Nearly every"),
        (0.97, "More than nine"),
        (0.9, "About nine of ten"),
        (0.31, "About three"),
        (0.0, "Hardly"),
    ],
)
def test_a_share_is_said_in_words(known: float, said: str) -> None:
    blank = pairs.Pair(
        words=None, lengths=None, written_words=None, written_lengths=None, same_labels=True, label_shift=None
    )
    given = blank.model_copy(update={"words": pairs.Overlap(jaccard=0.5, known=known)})
    (only,) = pair_words.numbers(given)
    assert only.sentence.startswith(said)


def test_different_labels_are_said() -> None:
    blank = pairs.Pair(
        words=None, lengths=None, written_words=None, written_lengths=None, same_labels=False, label_shift=1.0
    )
    (only,) = pair_words.numbers(blank)
    assert only.shown == "different labels"


def test_the_command_says_every_number_with_its_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pair", GADGETS.id, CAFES.id, "--backbone", "tiny", "--json"]) == 0
    out = capsys.readouterr()
    found = json.loads(out.out)
    assert "random weights" in out.err
    assert {"source", "target", "backbone", "same_labels"} < set(found)
    for name in ("words", "label_shift", "lengths", "mmd", "a_distance"):
        assert found[name]["sentence"].endswith(".")
    assert found["mmd"]["value"] > found["mmd"]["chance"]
    assert main(["pair", SPANISH.id, PORTUGUESE.id, "--backbone", "none"]) == 0
    assert "Words to be written" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        ([GADGETS.id, "sentiment/nowhere"], "There is no context", 2),
        ([GADGETS.id, SPANISH.id], "one application", 2),
        ([GADGETS.id, GADGETS.id], "itself", 2),
        ([GADGETS.id, CAFES.id, "--backbone", "mlp"], "There is no backbone for these contexts", 2),
        ([GADGETS.id, "sentiment/tweets"], "CTX_OFFLINE", 1),
    ],
)
def test_a_pair_that_can_not_be_had_is_one_sentence(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str, code: int
) -> None:
    assert main(["pair", *words, "--json"]) == code
    out = capsys.readouterr()
    assert said in json.loads(out.out)["error"]
    assert "Traceback" not in out.err
