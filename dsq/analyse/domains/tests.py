"""Two-sample tests: can the images of two sets be told apart, and in which number do they differ."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

PERMUTATIONS = 400
FOLDS = 5
_RIDGE = 0.3  # of the mean eigenvalue
_LEAST = 5  # values of a number on either side, for a test of it
_DIGITS = 9  # of scores, that are about 0 to 1
_CLIP = 4.0  # standard deviations beyond which a number counts no more


class Shifts(NamedTuple):
    """A column of numbers each: Holm's p values and those of each by itself, the shift of the medians in robust
    standard deviations of the first set, and Kolmogorov and Smirnov's distance.
    """

    p: Array
    single: Array
    shift: Array
    distance: Array


def make_kernel(stats: Array, descriptor: Array) -> Array:
    """(n, n) RBF kernel with the median distance as its scale, on numbers in pooled standard units and descriptors.

    A number that hardly changes at all is left out: in standard units it would explode.
    """
    spread = stats.std(0)
    scaled = np.clip((stats - stats.mean(0)) / (spread + 1e-6), -_CLIP, _CLIP) * (spread > 1e-6)
    linear = scaled @ scaled.T / max(1, stats.shape[1])
    around = descriptor.astype(np.float64) - descriptor.mean(0)
    energy = np.square(around).sum(1).mean()
    if energy > 1e-9:
        linear += around @ around.T / energy
    norms = np.diag(linear)
    squares = np.maximum(norms[:, None] + norms - 2 * linear, 0)
    apart = squares[squares > 1e-9]
    kernel: Array = np.exp(-squares / (np.median(apart) if len(apart) else 1.0))
    return kernel


def classify(
    kernel: Array, second: Array, rng: np.random.Generator, permutations: int = PERMUTATIONS
) -> tuple[float, float]:
    """Area under the curve of a classifier that tells the two sets apart, out of fold, and its p value.

    kernel (n, n); second (n,) bool. The classifier is kernel ridge regression: its predictions are linear in the
    labels, so all permutations (within folds, which stay stratified) are one matrix product. Without permutations
    the p value is NaN.
    """
    count = len(second)
    fold = np.empty(count, np.int64)
    for side in (False, True):
        rows = np.flatnonzero(second == side)
        fold[rng.permutation(rows)] = np.arange(len(rows)) % FOLDS
    hat = np.zeros((count, count))
    for number in range(FOLDS):
        out, kept = fold == number, fold != number
        hat[np.ix_(out, kept)] = _ridge(kernel, out, kept)
    labels = np.empty((count, permutations + 1))
    labels[:, 0] = second
    for number in range(FOLDS):
        rows = np.flatnonzero(fold == number)
        drawn = rng.permuted(np.tile(second[rows], (permutations, 1)), axis=1)
        labels[rows, 1:] = drawn.T
    scores = hat @ labels
    areas = np.zeros(permutations + 1)
    for number in range(FOLDS):  # within folds: their offsets differ
        rows = np.flatnonzero(fold == number)
        areas += _areas(scores[rows], labels[rows]) * (len(rows) / count)
    if not permutations:
        return float(areas[0]), float("nan")
    return float(areas[0]), float((1 + (areas[1:] >= areas[0]).sum()) / (permutations + 1))


def _ridge(kernel: Array, out: Array, kept: Array) -> Array:
    """The matrix that turns labels of the kept rows into predictions for those left out; centred on both sides."""
    inner, outer = kernel[np.ix_(kept, kept)], kernel[np.ix_(out, kept)]
    means, mean = inner.mean(1), inner.mean()
    centred = inner - means[:, None] - means + mean
    outer = outer - outer.mean(1, keepdims=True) - means + mean
    ridge = _RIDGE * np.trace(centred) / len(centred) + 1e-9
    weights = np.linalg.solve(centred + ridge * np.eye(len(centred)), outer.T).T
    found: Array = weights - weights.mean(1, keepdims=True)
    return found


def _areas(scores: Array, labels: Array) -> Array:
    """Area under the curve by column, of scores (n, k) for labels 0 and 1 (n, k)."""
    from scipy.stats import rankdata

    ranks = rankdata(scores.round(_DIGITS), axis=0)  # the same picture has the same score, but for rounding
    ones = labels.sum(0)
    zeros = len(labels) - ones
    found: Array = ((ranks * labels).sum(0) - ones * (ones + 1) / 2) / np.maximum(ones * zeros, 1)
    return found


def compare_means(kernel: Array, second: Array, rng: np.random.Generator, permutations: int = PERMUTATIONS) -> float:
    """p value of the maximum mean discrepancy (Gretton et al. 2012) between the two sets, by permutations."""
    drawn = rng.permuted(np.tile(second, (permutations, 1)), axis=1)
    labels = np.vstack([second, drawn]).T.astype(float)
    weights = labels / labels.sum(0) - (1 - labels) / (1 - labels).sum(0)
    found = (weights * (kernel @ weights)).sum(0)
    return float((1 + (found[1:] >= found[0]).sum()) / (permutations + 1))


def find_shifts(first: Array, second: Array) -> Shifts:
    """Kolmogorov and Smirnov's test for each column of (n, k) against (m, k), Holm's correction; NaN is left out."""
    from scipy.stats import ks_2samp

    columns = first.shape[1]
    p, shift, distance = np.ones(columns), np.zeros(columns), np.zeros(columns)
    for column in range(columns):
        one, other = (values[np.isfinite(values)] for values in (first[:, column], second[:, column]))
        if len(one) < _LEAST or len(other) < _LEAST or np.ptp(np.concatenate([one, other])) < 1e-9:
            continue
        result = ks_2samp(one, other, method="asymp")
        p[column], distance[column] = result.pvalue, result.statistic
        shift[column] = (np.median(other) - np.median(one)) / _spread(one)
    return Shifts(correct(p), p, shift, distance)


def _spread(values: Array) -> float:
    """A standard deviation by the middle two thirds; where that is nothing, the plain one."""
    low, high = np.quantile(values, [1 / 6, 5 / 6])
    robust = (high - low) / 1.935  # of a normal distribution
    return float(max(robust, 0.25 * values.std(), 1e-3 * (abs(values.mean()) + 1e-3)))


def correct(p: Array) -> Array:
    """p values after Holm's correction for their number."""
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    found = np.empty(len(p))
    found[order] = np.minimum(stepped, 1)
    return found
