"""How far apart two samples of vectors lie: maximum mean discrepancy, and what a classifier can tell. numpy alone."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel

PERMUTATIONS = 200
RIDGES = 10.0 ** np.arange(-1, 5)
CERTAIN = 95  # per cent of random divisions


class Distance(BaseModel):
    """Two distances of two samples, n and m vectors.

    ``mmd``: squared, unbiased, so slightly negative for equal samples; ``chance``: what 95 % of random divisions of
    all vectors into two such samples stay below. ``a_distance``: 0, can't be told apart, to 2, always can; ``error``
    of the classifier behind it.
    """

    n: int
    m: int
    mmd: float
    chance: float
    a_distance: float
    error: float


def distance(x: np.ndarray, y: np.ndarray) -> Distance:
    """Both distances of samples ``[n, W]`` and ``[m, W]``, at least 4 vectors each."""
    squares = squared_distances(np.concatenate([x, y]))
    kernel = rbf(squares)
    error = domain_error(x, y)
    return Distance(
        n=len(x),
        m=len(y),
        mmd=mmd(kernel, len(x)),
        chance=by_chance(kernel, len(x)),
        a_distance=a_distance(error),
        error=error,
    )


def squared_distances(z: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances ``[N, N]`` of all vectors."""
    z = z.astype(np.float64)
    norms = (z**2).sum(1)
    squares: np.ndarray = np.maximum(norms[:, None] + norms[None] - 2 * z @ z.T, 0)
    np.fill_diagonal(squares, 0)
    return squares


def rbf(squares: np.ndarray) -> np.ndarray:
    """exp(-d² / 2σ²) with σ the median distance between two vectors (Gretton et al. 2012, section 8)."""
    median = float(np.median(np.sqrt(squares[np.triu_indices(len(squares), 1)])))
    kernel: np.ndarray = np.exp(-squares / (2 * median**2 if median else 1.0))
    return kernel


def mmd(kernel: np.ndarray, n: int) -> float:
    """MMD², unbiased (Gretton et al. 2012, equation 3), of the first n vectors and the others, from their kernel."""
    own, other, cross = kernel[:n, :n], kernel[n:, n:], kernel[:n, n:]
    return float(_mean_apart(own) + _mean_apart(other) - 2 * cross.mean())


def _mean_apart(kernel: np.ndarray) -> float:
    """The mean over pairs of different vectors."""
    n = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (n * (n - 1)))


def by_chance(kernel: np.ndarray, n: int, seed: int = 0) -> float:
    """The MMD² that 95 % of random divisions into n vectors and the others stay below (a permutation test)."""
    random, found = np.random.default_rng(seed), []
    for _ in range(PERMUTATIONS):
        order = random.permutation(len(kernel))
        found.append(mmd(kernel[np.ix_(order, order)], n))
    return float(np.percentile(found, CERTAIN))


def a_distance(error: float) -> float:
    """2 (1 - 2 error): the proxy A-distance (Ben-David et al. 2010). An error above one half counts as one half."""
    return 2 * (1 - 2 * min(error, 0.5))


def domain_error(x: np.ndarray, y: np.ndarray, seed: int = 0) -> float:
    """How often a linear classifier errs about which sample a vector is of, each counting as much in all.

    Trained on a random half of each sample and tested on the other, then the other way round.
    """
    random = np.random.default_rng(seed)
    (x1, x2), (y1, y2) = (np.array_split(random.permutation(z), 2) for z in (x, y))
    return (_tested((x1, y1), (x2, y2)) + _tested((x2, y2), (x1, y1))) / 2


def _tested(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]) -> float:
    weights, bias = ridge(*train)
    wrong = [float((np.sign(z @ weights + bias) != sign).mean()) for z, sign in zip(test, (-1, 1), strict=True)]
    return sum(wrong) / 2


def ridge(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """A classifier, negative for x ``[n, W]`` and positive for y ``[m, W]``: weights ``[W]`` and a bias.

    Least squares on -1 and 1 with the ridge that leave-one-out errors are smallest with (Hoerl & Kennard 1970).
    """
    z = np.concatenate([x, y]).astype(np.float64)
    signs = np.repeat([-1.0, 1.0], [len(x), len(y)])
    centre, middle = z.mean(0), float(signs.mean())
    u, s, vt = np.linalg.svd(z - centre, full_matrices=False)
    seen = u.T @ (signs - middle)

    def left_out(penalty: float) -> float:
        shrunk = s**2 / (s**2 + penalty)
        leverage = (u**2 @ shrunk) + 1 / len(z)
        residuals = signs - middle - u @ (shrunk * seen)
        return float(((residuals / np.maximum(1 - leverage, 1e-9)) ** 2).mean())

    scale = float((s**2).mean()) or 1.0
    penalty = min((scale * value / 100 for value in RIDGES), key=left_out)
    weights = vt.T @ (s / (s**2 + penalty) * seen)
    return weights, middle - float(centre @ weights)
